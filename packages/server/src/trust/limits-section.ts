import { wholeNumber } from './scalars.ts'
import { fields, optional } from './shape.ts'
import type { Shape } from './shape.ts'
import type { GatewayLimitSettings } from './trust.ts'

/** The `gateway.limits` section: times in milliseconds, sizes in bytes, each under the name it has everywhere. */
export const gatewayLimitsSection = fields({
  requestHeadBytes: optional(size(8_192), 'The longest request head; 431 above it.'),
  requestHeadMs: optional(time(), 'For a request’s head to arrive; 408 after it.'),
  clientKeepAliveMs: optional(time(), 'How long an idle connection of a client is kept.'),
  clientStreams: optional(count(), 'Requests at once on one HTTP/2 connection.'),
  clientStallMs: optional(time(), 'Without a byte moving because the client neither sends nor reads.'),
  bodyMs: optional(time(), 'For a body to arrive, and a second more for each bodyBytesPerSecond that have.'),
  bodyBytesPerSecond: optional(
    wholeNumber({ min: 0, max: 1_000_000_000 }),
    'The slowest body, in bytes a second; 0 for any.',
  ),
  unreadBytes: optional(size(0), 'How much of a refused body is read, so that the refusal arrives.'),
  unreadMs: optional(time(), 'For how long it is.'),
  connectMs: optional(time(), 'For a connection to a service to stand.'),
  replyHeadMs: optional(time(), 'From the last byte of a request to the head of its reply.'),
  replyStallMs: optional(time(), 'Between two pieces of a reply.'),
  replyHeadBytes: optional(size(1_024), 'The longest head of a reply.'),
  upstreamKeepAliveMs: optional(time(), 'How long an idle connection to a service is kept.'),
  upstreamConnections: optional(count(), 'Connections to one target of a service.'),
  upstreamWaiting: optional(wholeNumber({ min: 0, max: 1_000_000 }), 'Requests that wait for one of them.'),
  waitMs: optional(time(), 'How long they wait.'),
  tunnelCheckMs: optional(time(), 'From one check of an open WebSocket’s token to the next.'),
  rememberedTokens: optional(
    wholeNumber({ min: 1_000, max: 10_000_000 }),
    'Verified tokens that are remembered, by all services together.',
  ),
})

/** What was said, and nothing for the rest. */
export function resolveLimits(
  draft: (typeof gatewayLimitsSection extends Shape<infer T> ? T : never) | undefined,
): { readonly limits?: GatewayLimitSettings } {
  if (draft === undefined) return {}
  const limits: Record<string, number> = {}
  for (const [name, value] of Object.entries(draft)) if (value !== undefined) limits[name] = value
  return Object.keys(limits).length === 0 ? {} : { limits }
}

function time(): Shape<number> {
  return wholeNumber({ min: 1, max: 2 ** 31 - 1 })
}

function size(min: number): Shape<number> {
  return wholeNumber({ min, max: 2 ** 31 - 1 })
}

function count(): Shape<number> {
  return wholeNumber({ min: 1, max: 1_000_000 })
}
