/**
 * Where servers write what happened. One call, one line; `event` is a constant, all that varies goes into `fields`.
 * Never a token, never a secret: fields hold names, ids, counts and reasons.
 */
export type Log = {
  debug(event: string, fields?: LogFields): void
  info(event: string, fields?: LogFields): void
  warn(event: string, fields?: LogFields): void
  error(event: string, fields?: LogFields): void
}

export type LogFields = Readonly<
  Record<string, string | number | boolean | null | undefined | readonly string[]>
>

/** For callers that want no log, such as tests. */
export const silentLog: Log = { debug() {}, info() {}, warn() {}, error() {} }
