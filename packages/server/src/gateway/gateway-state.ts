import type { Clock } from '@countersign/sdk/core'
import type { TrustedProxies } from '../net/address.ts'
import type { DecisionRecord } from './decision/decision.ts'
import type { FailureLog } from './upstream/failure-log.ts'
import type { GatewayObserver } from './gateway-metrics.ts'
import type { GatewayLimits } from './front/limits.ts'
import type { Log } from '../log.ts'
import type { Routing } from './decision/routes.ts'
import type { Ticker } from './front/ticker.ts'

/** What serving a request needs of the gateway it belongs to. */
export type GatewayState = {
  /** Replaced as a whole on reload; a request works by the one it began with. */
  routing: Routing
  /** No new connections; each reply says that its connection closes. */
  draining: boolean
  /** Draining, and nobody goes on in our place: whoever sends us requests is to know. */
  leaving: boolean
  realm: string
  /** What we call ourselves in Via headers; unlike any other gateway's. */
  readonly viaName: string
  readonly clock: Clock
  readonly ticker: Ticker
  readonly limits: GatewayLimits
  readonly log: Log
  readonly failures: FailureLog
  readonly onDecision: ((record: DecisionRecord) => void) | undefined
  /** Shown each request when it begins; what becomes of it stands in the call in the end. */
  readonly observer: GatewayObserver | undefined
  /** Whose word on the client's address and protocol is taken. */
  proxies: TrustedProxies | undefined
  /** In which trusted proxies write down client certificates, in small letters. */
  certificateHeader: string | undefined
  /** Whether to send us requests. */
  readonly isReady: () => boolean
}
