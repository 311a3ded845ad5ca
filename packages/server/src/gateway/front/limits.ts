import { Problem, refuseUnknownOptions } from '@countersign/sdk/core'

/** How long and how much. Times in milliseconds, sizes in bytes; every one of them ends something that could hang. */
export type GatewayLimits = {
  /** The longest request head. Above the longest token, so that an oversize token is told so. */
  readonly requestHeadBytes: number
  /** For a client to send its request head. */
  readonly requestHeadMs: number
  /** How long an idle client connection is kept. */
  readonly clientKeepAliveMs: number
  /** Requests at once on one HTTP/2 connection; as many resets in a row end it. */
  readonly clientStreams: number
  /** Without a byte moving while the client owes us its body, or does not take its reply. */
  readonly clientStallMs: number
  /**
   * How long a client may take for its body: so many milliseconds, and a second more for each `bodyBytesPerSecond` that
   * have come; 0 bytes: as long as it likes. Else who sends a byte a minute holds a connection to a service for ever.
   */
  readonly bodyMs: number
  readonly bodyBytesPerSecond: number
  /** How much of an unwanted request body is read on after a refusal, and for how long: to let the refusal arrive. */
  readonly unreadBytes: number
  readonly unreadMs: number
  /** For a connection to an upstream to stand. */
  readonly connectMs: number
  /** From the request's last byte to the end of the reply's head. */
  readonly replyHeadMs: number
  /** Between two pieces of a reply's body. */
  readonly replyStallMs: number
  /** The longest reply head; also bounds trailers. */
  readonly replyHeadBytes: number
  /** How long an idle upstream connection is kept. Below the five seconds after which Node servers close. */
  readonly upstreamKeepAliveMs: number
  /** Connections to one upstream, and requests that wait for one of them. */
  readonly upstreamConnections: number
  readonly upstreamWaiting: number
  /** How long a request waits for a connection. */
  readonly waitMs: number
  /** How often the token of an open WebSocket is checked again. */
  readonly tunnelCheckMs: number
  /** How many verified tokens are remembered, by all services together; a thousand each at least. */
  readonly rememberedTokens: number
  /** How long `close()` lets requests finish. */
  readonly drainMs: number
}

/** Fills in what is not given. @throws Problem `option-unknown` or `option-invalid` */
export function readLimits(given: Partial<GatewayLimits> = {}): GatewayLimits {
  refuseUnknownOptions('createGateway: limits', given, Object.keys(defaultLimits))
  const limits = { ...defaultLimits, ...given }
  for (const [name, value] of Object.entries(limits)) {
    if (!Number.isSafeInteger(value) || value < 0) {
      throw new Problem(
        'option-invalid',
        `createGateway: limits.${name} must be a whole number of at least 0`,
      )
    }
  }
  return Object.freeze(limits)
}

const defaultLimits: GatewayLimits = {
  requestHeadBytes: 32 * 1024,
  requestHeadMs: 15_000,
  clientKeepAliveMs: 65_000,
  clientStreams: 100,
  clientStallMs: 60_000,
  bodyMs: 30_000,
  bodyBytesPerSecond: 500,
  unreadBytes: 16 * 1024 * 1024,
  unreadMs: 3_000,
  connectMs: 5_000,
  replyHeadMs: 60_000,
  replyStallMs: 60_000,
  replyHeadBytes: 32 * 1024,
  upstreamKeepAliveMs: 4_000,
  upstreamConnections: 512,
  upstreamWaiting: 4_096,
  waitMs: 5_000,
  tunnelCheckMs: 5_000,
  rememberedTokens: 50_000,
  drainMs: 10_000,
}
