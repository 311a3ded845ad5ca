import { refuseUnknownOptions } from '../core/options.ts'
import { isProblem, Problem } from '../core/problem.ts'
import type { Revocation } from './revocations.ts'

/** Where revocations come from: an issuer's feed (`createRevocationFeed`), or whatever else can be asked. */
export type RevocationSource = {
  /** For messages and events. */
  readonly name: string
  /**
   * Asks for everything that is revoked at `nowMs`; undefined: nothing has changed since. Rejects when it cannot be told.
   */
  readonly read: (nowMs: number) => Promise<Iterable<Revocation> | undefined>
  /** How long an answer counts before `read` is asked again, seconds; 10 unless given. Nobody is asked while no token comes. */
  readonly everySeconds?: number
  /**
   * How long tokens are accepted by the last answer while the source fails, seconds; then every token gets a 503, and
   * before the first answer as well. Without end unless given.
   */
  readonly staleAfterSeconds?: number
  /** Told what happened. What it throws is ignored: watching must not change a decision. */
  readonly onEvent?: (event: RevocationEvent) => void
}

export type RevocationEvent =
  | { readonly kind: 'refreshed'; readonly source: string; readonly changed: boolean }
  | {
      readonly kind: 'failed'
      readonly source: string
      readonly problem: Problem
      /** Whether tokens are now refused (503); otherwise they are accepted by the last answer, if there was one. */
      readonly refusing: boolean
    }

/** How it stands with one source, for a probe or a metric. */
export type RevocationHealth = {
  readonly source: string
  /** What was asked last was answered at this time, milliseconds since the epoch; undefined: nothing ever was. */
  readonly answeredAtMs: number | undefined
  /** Why there is no answer to the latest question; undefined where there is one, or nobody has asked yet. */
  readonly problem: Problem | undefined
  /** Whether tokens are refused (503) for want of news. */
  readonly refusing: boolean
}

/**
 * Asks a source as often as it wants, only while tokens are being checked: in the background while its last answer is
 * young, and with the request waiting for it after a pause, so that a stolen token is not let in by an old answer.
 */
export class PolledSource {
  /** Until then there is nothing to do, milliseconds since the epoch. */
  checkAfterMs = 0
  /** Nor from then on: before it the clock has been set back, and what was to come may be far away. */
  checkFromMs = Number.NEGATIVE_INFINITY
  readonly #source: RevocationSource
  readonly #add: (revocation: Revocation, nowMs: number) => void
  readonly #everyMs: number
  readonly #staleMs: number
  readonly #pauseMs: number
  #answeredAtMs = Number.NEGATIVE_INFINITY
  #askedAtMs = Number.NEGATIVE_INFINITY
  #retryAtMs = 0
  #failures = 0
  #failure: Problem | undefined
  #flight: Promise<void> | undefined

  constructor(source: RevocationSource, add: (revocation: Revocation, nowMs: number) => void) {
    checkSource(source)
    this.#source = source
    this.#add = add
    this.#everyMs = (source.everySeconds ?? 10) * 1000
    // Longer than any answer takes, so that who has waited for one need not wait again.
    this.#pauseMs = Math.max(3 * this.#everyMs, 3 * timeoutMs)
    this.#staleMs = (source.staleAfterSeconds ?? Number.POSITIVE_INFINITY) * 1000
  }

  usable(nowMs: number): boolean {
    if (this.#isQuiet(nowMs)) return true
    if (this.#isStale(nowMs)) return false
    // After a pause the answer at hand may be hours old: the first one to come waits for the next.
    if (nowMs >= Math.max(this.#answeredAtMs, this.#askedAtMs) + this.#pauseMs) return false
    this.checkAfterMs = Math.min(nowMs + firstRetryMs, this.#staleAtMs())
    if (this.#flight === undefined && nowMs >= this.#retryAtMs) void this.#takeOff(nowMs)
    return true
  }

  async load(nowMs: number): Promise<void> {
    if (this.#isQuiet(nowMs)) return
    if (this.#flight !== undefined || nowMs >= this.#retryAtMs) await (this.#flight ?? this.#takeOff(nowMs))
    if (this.#isStale(nowMs)) throw this.#unavailable(nowMs)
  }

  health(nowMs: number): RevocationHealth {
    const answered = this.#answeredAtMs !== Number.NEGATIVE_INFINITY
    return Object.freeze({
      source: this.#source.name,
      answeredAtMs: answered ? this.#answeredAtMs : undefined,
      problem: this.#failure,
      refusing: this.#failure !== undefined && this.#isStale(nowMs),
    })
  }

  #isQuiet(nowMs: number): boolean {
    if (nowMs >= this.checkFromMs) return nowMs < this.checkAfterMs
    this.#answeredAtMs = Math.min(this.#answeredAtMs, nowMs)
    this.#askedAtMs = Math.min(this.#askedAtMs, nowMs)
    this.#retryAtMs = 0
    this.checkAfterMs = nowMs
    this.checkFromMs = nowMs - backMs
    return false
  }

  /** Never rejects: what went wrong is in #failure. */
  #takeOff(nowMs: number): Promise<void> {
    this.#askedAtMs = nowMs
    this.checkFromMs = nowMs - backMs
    this.#flight = this.#ask(nowMs).finally(() => {
      this.#flight = undefined
    })
    return this.#flight
  }

  async #ask(nowMs: number): Promise<void> {
    try {
      const changed = await within(this.#take(nowMs))
      this.#answeredAtMs = nowMs
      this.#failure = undefined
      this.#failures = 0
      this.#retryAtMs = 0
      this.checkAfterMs = nowMs + this.#everyMs
      this.#tell({ kind: 'refreshed', source: this.#source.name, changed })
    } catch (cause) {
      this.#failed(cause, nowMs)
    }
  }

  /** Also of an answer that comes too late: the source may not say it a second time. */
  async #take(nowMs: number): Promise<boolean> {
    const revocations = await this.#source.read(nowMs)
    for (const revocation of revocations ?? []) this.#add(revocation, nowMs)
    return revocations !== undefined
  }

  #failed(cause: unknown, nowMs: number): void {
    this.#failure = isProblem(cause) ? cause : new Problem('fetch-failed', 'unexpected failure', { cause })
    this.#failures++
    this.#retryAtMs = nowMs + Math.min(firstRetryMs * 2 ** (this.#failures - 1), 2 * this.#everyMs)
    const refusing = this.#isStale(nowMs)
    this.checkAfterMs = refusing ? nowMs : Math.min(this.#retryAtMs, this.#staleAtMs())
    this.#tell({ kind: 'failed', source: this.#source.name, problem: this.#failure, refusing })
  }

  #staleAtMs(): number {
    // Spelled out, since -Infinity + Infinity is no number.
    return this.#staleMs === Number.POSITIVE_INFINITY ? this.#staleMs : this.#answeredAtMs + this.#staleMs
  }

  #isStale(nowMs: number): boolean {
    return nowMs >= this.#staleAtMs()
  }

  #unavailable(nowMs: number): Problem {
    const failure = this.#failure
    const why = failure === undefined ? 'they have not been read' : failure.message
    return new Problem(
      'revocations-unavailable',
      `the revocations of ${this.#source.name} cannot be had: ${why}`,
      {
        retryAfterSeconds: Math.max(1, Math.ceil((this.#retryAtMs - nowMs) / 1000)),
        ...(failure === undefined ? {} : { cause: failure }),
        ...(failure?.next === undefined ? {} : { next: failure.next }),
      },
    )
  }

  #tell(event: RevocationEvent): void {
    try {
      this.#source.onEvent?.(event)
    } catch {
      // Whoever watches has a fault of its own; what is revoked stays revoked.
    }
  }
}

/** An answer that never comes must not keep the next one from being asked for. */
async function within<Result>(answer: Promise<Result>): Promise<Result> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(
      () => reject(new Problem('fetch-failed', `no answer within ${timeoutMs} ms`)),
      timeoutMs,
    )
  })
  return Promise.race([answer, late]).finally(() => clearTimeout(timer))
}

function checkSource(source: RevocationSource): void {
  refuseUnknownOptions('a source of revocations', source, sourceNames)
  const { name, read, everySeconds = 10, staleAfterSeconds = Number.POSITIVE_INFINITY, onEvent } = source
  if (typeof name !== 'string' || typeof read !== 'function') throw invalid('name and read are needed')
  if (!(typeof everySeconds === 'number' && everySeconds >= 1 && everySeconds <= 3600)) {
    throw invalid('everySeconds must be a number, 1 to 3600')
  }
  if (!(typeof staleAfterSeconds === 'number' && staleAfterSeconds >= 2 * everySeconds)) {
    throw invalid('staleAfterSeconds must be at least twice everySeconds')
  }
  if (onEvent !== undefined && typeof onEvent !== 'function') throw invalid('onEvent must be a function')
}

function invalid(message: string): Problem {
  return new Problem('option-invalid', `a source of revocations: ${message}`)
}

const firstRetryMs = 1000
/** Clocks are put right by less all the time. */
const backMs = 60_000
const timeoutMs = 10_000
const sourceNames = ['name', 'read', 'everySeconds', 'staleAfterSeconds', 'onEvent']
