import { randomBytes } from 'node:crypto'
import type { Denial } from '@countersign/sdk/core'
import type { Outcome } from './check.ts'
import type { ReadyRoute, ReadyService } from './routes.ts'

/**
 * What the gateway decided about one request, and why. For logs, metrics and `why 401?`: exact, and without the token.
 * Joined with the records of issuer and guard by `tokenId`.
 */
export type DecisionRecord = {
  /** Unique to this request. */
  readonly requestId: string
  readonly outcome: 'allow' | 'deny'
  readonly method: string | undefined
  /** The canonical path, without its query; undefined when the target has none. */
  readonly path: string | undefined
  readonly service: string | undefined
  /** As in the trust file: `GET /invoices/{id}`. */
  readonly route: string | undefined
  /** The route's line in the trust file. */
  readonly line: number | undefined
  /** What the gateway answered; undefined when the answer is the upstream's. */
  readonly status: number | undefined
  /** Why it was refused; undefined when it was allowed. */
  readonly reason: Denial['reason'] | 'keys-unavailable' | undefined
  readonly detail: string | undefined
  /** It was let through all the same, because the route only writes down what it decides. */
  readonly dryRun?: true
  readonly issuer: string | undefined
  readonly subject: string | undefined
  readonly clientId: string | undefined
  /** The `jti` claim. */
  readonly tokenId: string | undefined
  /** The `kid` of the key that verified the token. */
  readonly keyId: string | undefined
}

/** What is known of a request when it is decided. */
export type Decided = {
  readonly method: string | undefined
  readonly path: string | undefined
  readonly service: ReadyService | undefined
  readonly route: ReadyRoute | undefined
  readonly token: Outcome['token']
  readonly reason: DecisionRecord['reason']
  readonly detail: string | undefined
  readonly status: number | undefined
  readonly dryRun?: boolean
}

export function decisionRecord(decided: Decided): DecisionRecord {
  const { method, path, service, route, token, reason, detail, status, dryRun } = decided
  return {
    requestId: newRequestId(),
    outcome: reason === undefined ? 'allow' : 'deny',
    method,
    path,
    service: service?.name,
    route: route?.name,
    line: route?.line,
    status,
    reason,
    detail,
    ...(dryRun === true ? { dryRun } : {}),
    issuer: token?.issuer,
    subject: token?.subject,
    clientId: token?.clientId,
    tokenId: token?.tokenId,
    keyId: token?.keyId,
  }
}

/** Unique among all gateways, and cheap: a random beginning for this process, and a number. */
function newRequestId(): string {
  requests += 1
  return `${processId}-${requests.toString(36)}`
}

const processId = randomBytes(6).toString('hex')
let requests = 0
