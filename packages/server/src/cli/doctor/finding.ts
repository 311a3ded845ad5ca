import { isProblem } from '@countersign/sdk/core'

/** What `doctor` has found out about one thing. */
export type Finding = {
  /** What was looked at, in a word or two. */
  readonly check: string
  /** `warn`: it works, or is not begun yet, and is worth a look. */
  readonly verdict: 'pass' | 'warn' | 'fail'
  readonly text: string
  readonly next?: string
}

export function pass(check: string, text: string): Finding {
  return { check, verdict: 'pass', text: readable(text) }
}

export function warn(check: string, text: string, next: string): Finding {
  return { check, verdict: 'warn', text: readable(text), next }
}

export function fail(check: string, text: string, next: string): Finding {
  return { check, verdict: 'fail', text: readable(text), next }
}

/** Parts of it may be an issuer's own words: what a terminal would follow is shown instead. */
function readable(text: string): string {
  return text.replaceAll(
    /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu,
    (character) => `\\u${character.codePointAt(0)!.toString(16).padStart(4, '0')}`,
  )
}

/** Why something could not be reached, in few words that hold nothing secret. */
export function reasonOf(error: unknown): string {
  if (isProblem(error)) return error.message
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error
  if (cause instanceof Error && 'code' in cause && typeof cause.code === 'string') return cause.code
  if (cause instanceof Error && cause.name === 'TimeoutError') return 'no answer in time'
  return 'no answer'
}
