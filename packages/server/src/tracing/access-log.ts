import type { Log } from '../log.ts'

/** One request, when it has been answered. Names, numbers and words of ours; never a query, a header or a token. */
export type AccessEntry = {
  readonly part: 'issuer' | 'gateway' | 'admin'
  readonly method: string | undefined
  /** Without its query. */
  readonly path: string | undefined
  /** What the client got; 0 when it left before. */
  readonly status: number
  readonly durationMs: number
  /** Whose request it is: the peer, or whom a trusted proxy speaks for. */
  readonly address: string
  /** Joins this line with the decision about the request. */
  readonly requestId?: string | undefined
  readonly service?: string | undefined
  readonly route?: string | undefined
  readonly client?: string | undefined
  readonly tokenId?: string | undefined
  readonly outcome?: string | undefined
  readonly reason?: string | undefined
  readonly failure?: string | undefined
  readonly traceId?: string | undefined
}

export type AccessLog = {
  /** Asked first, so that an entry is only made when it is wanted. */
  wants(status: number): boolean
  write(entry: AccessEntry): void
}

/**
 * One line in the log per request, or for a share of them. What went wrong on our side is always written.
 *
 * @param share 0: none, 1: all; decided for each request by itself
 * @param random between 0 and 1
 * @returns undefined for none
 *
 * @example
 * const accessLog = createAccessLog(log, 0.01)
 * if (accessLog?.wants(status)) accessLog.write({ part: 'issuer', method, path, status, durationMs, address })
 */
export function createAccessLog(
  log: Log,
  share: number,
  random: () => number = Math.random,
): AccessLog | undefined {
  if (share <= 0) return undefined
  return {
    wants: (status) => share >= 1 || status >= 500 || random() < share,
    write: ({ durationMs, ...entry }) =>
      log.info('access', { ...entry, durationMs: Math.round(durationMs * 100) / 100 }),
  }
}
