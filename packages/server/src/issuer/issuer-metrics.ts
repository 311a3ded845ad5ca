import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Clock } from '@countersign/sdk/core'
import type { AccessLog } from '../tracing/access-log.ts'
import { createGrid, statusClass, statusClasses } from '../metrics/grid.ts'
import type { Metrics } from '../metrics/registry.ts'
import { readTraceContext } from '../tracing/trace-context.ts'
import type { TracedRequest, Tracing } from '../tracing/tracing.ts'
import { issuerPaths } from './http/discovery.ts'
import { signatureOutcomes } from './keys/external-keys.ts'
import type { KeyRing } from './keys/key-ring.ts'
import type { TokenErrorCode } from './http/refusal.ts'
import { aboutReply } from './http/reply.ts'
import type { RevocationList } from './revocation/revocation-list.ts'
import { tokenAuths, tokenGrants } from './token/token-kind.ts'

export type IssuerMetricsOptions = {
  /** The `iss` claim. */
  readonly issuer: string
  readonly keyRing: Pick<KeyRing, 'describe'> & Partial<Pick<KeyRing, 'external'>>
  readonly clock: Clock
  readonly metrics: Metrics
  readonly accessLog?: AccessLog | undefined
  readonly addressOf: (request: IncomingMessage) => string
  readonly tracing?: Tracing | undefined
  /** What is revoked, as this process knows it; not counted unless given. */
  readonly revocations?: Pick<RevocationList, 'known'>
}

/**
 * Counts and logs what an issuer answers.
 *
 * @returns to be called with each request before it is answered
 *
 * @example
 * const observe = observeIssuer({ issuer, keyRing, clock, metrics, addressOf })
 * createServer((request, response) => {
 *   observe(request, response)
 *   issuer.listener(request, response)
 * })
 */
export function observeIssuer(
  options: IssuerMetricsOptions,
): (request: IncomingMessage, response: ServerResponse) => void {
  const { issuer, metrics, accessLog, addressOf, tracing } = options
  const endpoints = new Map(
    Object.entries(issuerPaths(issuer)).map(([endpoint, path]) => [path, endpoint] as const),
  )
  for (const endpoint of ['livez', 'readyz']) endpoints.set(`/${endpoint}`, endpoint)
  const { token: tokenPath } = issuerPaths(issuer)
  const names = [...endpoints.values()]
  const requests = createGrid(
    metrics.counter('countersign_issuer_requests_total', 'Requests answered.', ['endpoint', 'status']),
    [names, statusClasses],
  )
  const durations = metrics.histogram(
    'countersign_issuer_request_duration_seconds',
    'From the end of a request’s head to the end of its answer.',
    ['endpoint'],
  )
  const duration = new Map([...names, 'other'].map((name) => [name, durations.series(name)]))
  const tokens = createGrid(
    metrics.counter('countersign_issuer_tokens_total', 'Token requests answered.', [
      'grant',
      'auth',
      'outcome',
    ]),
    [tokenGrants, tokenAuths, outcomes],
  )
  let active = 0
  metrics.gauge('countersign_issuer_active_requests', 'Requests being answered.', () => active)
  observeRing(options)
  observeSigner(options)
  observeRevocations(options)

  const answered = (
    request: IncomingMessage,
    response: ServerResponse,
    startedMs: number,
    span: TracedRequest | undefined,
  ): void => {
    active -= 1
    const durationMs = performance.now() - startedMs
    // Who left before the head had gone out got nothing.
    const status = response.headersSent ? response.statusCode : 0
    const path = pathOf(request)
    const endpoint = endpoints.get(path) ?? 'other'
    requests.add(endpoint, statusClass(status))
    durations.observe(duration.get(endpoint)!, durationMs / 1000)
    const about = aboutReply(response)
    if (endpoint === 'token') {
      const { grant = 'none', auth = 'none' } = about?.kind ?? {}
      tokens.add(grant, auth, about?.outcome)
    }
    span?.end(status, {
      'countersign.client': about?.client,
      'countersign.outcome': about?.outcome,
      'error.type': status >= 500 ? String(status) : undefined,
    })
    if (accessLog?.wants(status) !== true) return
    accessLog.write({
      part: 'issuer',
      method: request.method,
      path,
      status,
      durationMs,
      address: addressOf(request),
      client: about?.client,
      service: about?.service,
      tokenId: about?.tokenId,
      outcome: about?.outcome,
      traceId: span?.traceId ?? readTraceContext(request.rawHeaders)?.traceId,
    })
  }
  return (request, response) => {
    const startedMs = performance.now()
    active += 1
    const span =
      tracing === undefined || pathOf(request) !== tokenPath
        ? undefined
        : tracing.begin('auth.token', readTraceContext(request.rawHeaders), {
            'http.request.method': request.method,
            'http.route': tokenPath,
            'url.path': tokenPath,
            'client.address': addressOf(request),
          })
    response.on('close', () => answered(request, response, startedMs, span))
  }
}

/** Alerts are made of these: a key that signs for too long, or a next one that does not come. */
function observeRing({ metrics, keyRing, clock }: IssuerMetricsOptions): void {
  const keys = () => keyRing.describe(clock())
  metrics.gauge(
    'countersign_issuer_keys',
    'Keys of the ring, by state.',
    () => {
      const counts = new Map(['announced', 'active', 'retiring'].map((state) => [state, 0]))
      for (const { state } of keys()) {
        const count = counts.get(state)
        if (count !== undefined) counts.set(state, count + 1)
      }
      return [...counts].map(([state, count]) => [[state], count] as const)
    },
    ['state'],
  )
  const signing = () => keys().find(({ state }) => state === 'active')
  metrics.gauge('countersign_issuer_signing_key_age_seconds', 'For how long the key signs.', () => {
    const key = signing()
    if (key === undefined) throw new Error('there is no key')
    return Math.max(0, (clock() - key.activeFromMs) / 1000)
  })
  metrics.gauge(
    'countersign_issuer_next_rotation_seconds',
    'Until another key signs, or until one is due; negative: overdue.',
    () => {
      const untilMs = signing()?.untilMs
      if (untilMs === undefined) throw new Error('nothing is planned')
      return (untilMs - clock()) / 1000
    },
  )
}

/** The numbers are there, at nothing, also where all keys are here: an alert on them may be written before it is needed. */
function observeSigner({ metrics, keyRing: { external } }: IssuerMetricsOptions): void {
  const durations = metrics.histogram(
    'countersign_issuer_signer_duration_seconds',
    'How long the external signer took for a signature, by what came of it.',
    ['outcome'],
  )
  metrics.gauge('countersign_issuer_signer_up', 'Whether the external signer’s program runs.', () => {
    if (external === undefined) throw new Error('there is none')
    return external.isUp() ? 1 : 0
  })
  if (external === undefined) return
  const series = new Map(signatureOutcomes.map((name) => [name, durations.series(name)]))
  external.observe((outcome, seconds) => durations.observe(series.get(outcome)!, seconds))
}

/** The version is the same at every replica that has read the same list, so that one that has not stands out. */
function observeRevocations({ metrics, revocations }: IssuerMetricsOptions): void {
  if (revocations === undefined) return
  metrics.gauge(
    'countersign_issuer_revocations',
    'What is revoked at present.',
    () => revocations.known.revocations.length,
  )
  metrics.gauge(
    'countersign_issuer_revocations_version',
    'The version of the list; -1 while it was never read.',
    () => revocations.known.version,
  )
}

/** The path as it was sent, without the query, which may hold what belongs in no log. */
function pathOf({ url = '' }: IncomingMessage): string {
  const query = url.indexOf('?')
  return query === -1 ? url : url.slice(0, query)
}

/** A table, so that no code can be forgotten. */
const errorCodes: Readonly<Record<TokenErrorCode, true>> = {
  invalid_request: true,
  invalid_client: true,
  invalid_grant: true,
  unauthorized_client: true,
  unsupported_grant_type: true,
  invalid_scope: true,
  invalid_target: true,
  invalid_dpop_proof: true,
  use_dpop_nonce: true,
  temporarily_unavailable: true,
  server_error: true,
}
const outcomes = ['issued', 'unavailable', ...Object.keys(errorCodes)]
