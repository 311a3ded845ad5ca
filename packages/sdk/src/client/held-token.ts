import { Problem } from '../core/problem.ts'
import { BackOff, setBackMs } from './back-off.ts'
import type { IssuerAccess } from './issuer-access.ts'
import type { TokenResponse } from './token-request.ts'
import type { AccessToken } from './token-source.ts'
import type { TokenSourceEvent } from './token-source-options.ts'

/** A token at hand. */
export type Held = {
  readonly token: AccessToken
  /** The value of an `Authorization` header. */
  readonly header: string
  readonly obtainedAtMs: number
  readonly renewAtMs: number
  readonly usableUntilMs: number
}

/** One token, asked for once and kept fresh. */
export class HeldToken {
  readonly #access: IssuerAccess
  readonly #fields: Readonly<Record<string, string>>
  readonly #untilMs: number
  readonly #backOff: BackOff
  #held: Held | undefined
  #flight: Promise<Held> | undefined

  /**
   * @param fields of the form that asks for it.
   * @param untilMs when it must not be used any longer, whatever the issuer says; milliseconds since the epoch.
   */
  constructor(access: IssuerAccess, fields: Readonly<Record<string, string>>, untilMs = Infinity) {
    this.#access = access
    this.#fields = fields
    this.#untilMs = untilMs
    this.#backOff = new BackOff(access.random)
  }

  /** Nearly always the one at hand. @throws Problem `token-refused` or `token-unavailable`, by rejecting. */
  hold(): Held | Promise<Held> {
    const nowMs = this.#access.clock()
    const held = this.#held
    if (held === undefined || nowMs >= held.usableUntilMs) return this.#obtain(nowMs)
    // Asked here as well as there: during an outage, a rejected promise for each request would be for nothing.
    // Where the clock has been set back, nobody knows how old the token is.
    const isDue = nowMs >= held.renewAtMs || nowMs < held.obtainedAtMs - setBackMs
    if (isDue && this.#flight === undefined && this.#failing(nowMs) === undefined) {
      this.#obtain(nowMs).catch(() => {
        // Told through onEvent; the token at hand goes on serving.
      })
    }
    return held
  }

  /** Another one than a service refused; undefined when there is none to be had. */
  async renewed(refused: AccessToken): Promise<AccessToken | undefined> {
    const nowMs = this.#access.clock()
    const held = this.#held
    if (held !== undefined && held.token !== refused) return (await this.hold()).token
    // A service that refuses every token must not make us ask the issuer each time.
    const ageMs = held === undefined ? Infinity : nowMs - held.obtainedAtMs
    if (ageMs < youngMs && ageMs >= -setBackMs) return undefined
    try {
      return (await this.#obtain(nowMs)).token
    } catch {
      // Told through onEvent. The refused token stays: other replicas of the service may still take it.
      return undefined
    }
  }

  /** Everyone who asks meanwhile waits for the same request. */
  #obtain(nowMs: number): Promise<Held> {
    if (this.#flight !== undefined) return this.#flight
    if (nowMs >= this.#untilMs) return Promise.reject(ended())
    const failing = this.#failing(nowMs)
    if (failing !== undefined) return Promise.reject(failing)
    this.#flight = this.#request(nowMs).finally(() => {
      this.#flight = undefined
    })
    return this.#flight
  }

  #failing(nowMs: number): Problem | undefined {
    return this.#backOff.failing(nowMs) ?? this.#access.backOff.failing(nowMs)
  }

  async #request(nowMs: number): Promise<Held> {
    let response: TokenResponse
    try {
      response = await this.#access.ask(this.#fields, nowMs)
    } catch (error) {
      throw this.#failed(error as Problem)
    }
    return this.#keep(response, nowMs)
  }

  /** Counted from before the request was sent: the token is at least that old. */
  #keep({ token: secret, lifetimeSeconds, scopes }: TokenResponse, nowMs: number): Held {
    const { prover, random } = this.#access
    const expiresAtMs = Math.min(nowMs + lifetimeSeconds * 1000, this.#untilMs)
    const lifeMs = expiresAtMs - nowMs
    // Spread, so that replicas that were started together do not renew together.
    const renewAfterMs = lifeMs * renewAt * (1 - spread * random())
    this.#held = {
      token: Object.freeze({ secret, expiresAtMs, scopes }),
      header: `${prover === undefined ? 'Bearer' : 'DPoP'} ${secret.revealText()}`,
      obtainedAtMs: nowMs,
      // One that lives as long as it may would only be replaced by a shorter one.
      renewAtMs: expiresAtMs === this.#untilMs ? Infinity : nowMs + renewAfterMs,
      // A request takes a while to arrive, and clocks differ.
      usableUntilMs: expiresAtMs - Math.min(marginMs, lifeMs / 10),
    }
    this.#backOff.succeeded()
    this.#tell({ kind: 'obtained', expiresAtMs })
    return this.#held
  }

  #failed(problem: Problem): Problem {
    const nowMs = this.#access.clock()
    // Also while the issuer is down for all: what fails again is then not the first to ask again.
    this.#backOff.failed(problem, nowMs)
    const stale = this.#held !== undefined && nowMs < this.#held.usableUntilMs
    this.#tell({ kind: 'failed', problem, stale })
    return this.#backOff.failing(nowMs)!
  }

  #tell(event: TokenSourceEvent): void {
    try {
      this.#access.options.onEvent?.(event)
    } catch {
      // Told in the option's description: a full log must not stop calls between services.
    }
  }
}

function ended(): Problem {
  return new Problem('token-refused', 'the token on whose behalf it acts has ended', {
    next: 'the caller has to come again with a new one',
  })
}

const renewAt = 0.8
const spread = 0.1
const marginMs = 10_000
const youngMs = 5000
