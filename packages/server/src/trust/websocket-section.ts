import { mistake, unknownName } from './reading.ts'
import type { Reading } from './reading.ts'
import { fields, located, onlyTrue, oneOrMany, optional, required, text } from './shape.ts'
import type { Shape } from './shape.ts'
import { duration, wholeNumber } from './scalars.ts'
import type { Route, WebSocketSettings } from './trust.ts'

/** The `websocket` of a service: nothing is upgraded that is not named here. */
export const websocketSection = located(
  fields({
    routes: required(
      oneOrMany(located(text((value) => ({ value }), {}, { overridable: false })), { what: 'routes' }),
      'Which routes may become WebSockets, as they stand in routes; GET only.',
    ),
    connections: optional(wholeNumber({ min: 1, max: 65_535 }), 'How many at once; 1000.'),
    idle: optional(
      duration({ min: '1s', max: '1d' }),
      'Closed after so long without a byte in either direction; 5m.',
    ),
    outlivesToken: optional(onlyTrue(), 'Goes on after the token it was opened with has expired.'),
  }),
)

type WebSocketDraft = typeof websocketSection extends Shape<infer T> ? T : never

/** The settings with their defaults, every route checked against those of the service. */
export function resolveWebSocket(
  { value }: WebSocketDraft,
  routes: readonly Route[],
  reading: Reading,
): WebSocketSettings {
  const known = routes.map(({ method, template }) => `${method} ${template}`)
  for (const route of value.routes ?? []) {
    if (!known.includes(route.value)) unknownName(reading, route, 'route', route.value, known)
    else if (!route.value.startsWith('GET ')) mistake(reading, route, 'a WebSocket begins with GET')
  }
  return {
    routes: (value.routes ?? []).map((route) => route.value),
    connections: value.connections ?? 1000,
    idleSeconds: value.idle ?? 5 * 60,
    outlivesToken: value.outlivesToken ?? false,
  }
}
