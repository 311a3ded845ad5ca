import type { GatedRequest } from '../front/request-gate.ts'
import { plainAnswer } from '../front/answer.ts'
import type { Answer } from '../front/answer.ts'
import type { Asked } from './decide.ts'
import type { Routing } from './routes.ts'
import type { CorsSettings } from '../../trust/trust.ts'

/**
 * Answers the preflight of a browser (Fetch standard, "CORS-preflight request"), which carries no token, for services
 * that have `cors`, and only about routes that exist. Which origins may do what is written down; nothing a page says is
 * repeated.
 *
 * @returns undefined for whatever is no preflight we answer: then it is a request like any other
 */
export function answerPreflight(
  asked: Asked,
  routing: Routing,
  { method, host }: GatedRequest,
  rawHeaders: readonly string[],
): Answer | undefined {
  if (method !== 'OPTIONS') return undefined
  const origin = valueOf(rawHeaders, 'origin')
  const wanted = valueOf(rawHeaders, 'access-control-request-method')
  if (origin === undefined || wanted === undefined) return undefined
  const path = asked.path!
  const service = routing.find(host?.name, path)
  const cors = service?.cors
  if (service === undefined || cors === undefined) return undefined
  asked.service = service
  const match = service.table.match(wanted, path, service.prefixSegments)
  if (match.kind !== 'route') return undefined
  asked.route = match.route
  const headers: Record<string, string> = { Vary: variesBy }
  const fields = valueOf(rawHeaders, 'access-control-request-headers')
  if (mayCall(cors, origin) && mayName(cors, fields)) {
    headers['Access-Control-Allow-Methods'] = match.route.method === '*' ? anyMethods : wanted
    if (cors.headers.length > 0) headers['Access-Control-Allow-Headers'] = cors.headers.join(', ')
    headers['Access-Control-Max-Age'] = String(cors.maxAgeSeconds)
  }
  return { ...plainAnswer(204), headers }
}

/** The headers that let a page read a reply, by the origin of the request. */
export function corsHeaders(
  cors: CorsSettings,
  rawHeaders: readonly string[],
): Readonly<Record<string, string>> {
  const origin = valueOf(rawHeaders, 'origin')
  const headers: Record<string, string> = cors.origins === '*' ? {} : { Vary: 'Origin' }
  if (origin === undefined || !mayCall(cors, origin)) return headers
  headers['Access-Control-Allow-Origin'] = cors.origins === '*' ? '*' : origin
  if (cors.credentials) headers['Access-Control-Allow-Credentials'] = 'true'
  if (cors.expose.length > 0) headers['Access-Control-Expose-Headers'] = cors.expose.join(', ')
  return headers
}

/** The same for a reply of the service, whose own opinion is taken out: it may let in anybody who asks. */
export function corsReply(
  cors: CorsSettings,
  rawHeaders: readonly string[],
): (headers: string[]) => string[] {
  return (headers) => {
    const kept: string[] = []
    for (let i = 0; i < headers.length; i += 2) {
      if (!headers[i]!.toLowerCase().startsWith('access-control-')) kept.push(headers[i]!, headers[i + 1]!)
    }
    return [...kept, ...Object.entries(corsHeaders(cors, rawHeaders)).flat()]
  }
}

/** With a preflight's own headers where it is one; what is refused is dressed in the same way. */
export function withCors(answer: Answer, cors: CorsSettings, rawHeaders: readonly string[]): Answer {
  const { Vary, ...headers } = corsHeaders(cors, rawHeaders)
  const vary = answer.headers['Vary'] ?? Vary
  return {
    ...answer,
    headers: { ...answer.headers, ...headers, ...(vary === undefined ? {} : { Vary: vary }) },
  }
}

function mayCall({ origins }: CorsSettings, origin: string): boolean {
  return origins === '*' || origins.includes(origin)
}

/** Every header a page wants to set, one by one. */
function mayName({ headers }: CorsSettings, wanted: string | undefined): boolean {
  if (wanted === undefined || wanted === '') return true
  return wanted.split(',').every((name) => headers.includes(name.trim().toLowerCase()))
}

/** Of two, none: a cache or a browser might see the other one. */
function valueOf(rawHeaders: readonly string[], lowerName: string): string | undefined {
  let value: string | undefined
  for (let i = 0; i < rawHeaders.length; i += 2) {
    if (rawHeaders[i]!.toLowerCase() !== lowerName) continue
    if (value !== undefined) return undefined
    value = rawHeaders[i + 1]!
  }
  return value
}

const variesBy = 'Origin, Access-Control-Request-Method, Access-Control-Request-Headers'
/** What `*` in a route stands for. */
const anyMethods = 'GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS'
