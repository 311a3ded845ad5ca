import { systemClock } from '../core/clock.ts'
import type { Clock } from '../core/clock.ts'
import { isProblem, Problem } from '../core/problem.ts'
import type { Secret } from '../core/secret.ts'
import { createDpopKey } from '../jwt/dpop-proof.ts'
import { assertionFile, signedAssertions } from './assertion.ts'
import type { AssertionSource } from './assertion.ts'
import { checkSecretUrl, discoverTokenEndpoint } from './endpoint.ts'
import type { TokenEndpoint } from './endpoint.ts'
import { createTokenFetch } from './fetch.ts'
import { Prover } from './prover.ts'
import { requestToken } from './token-request.ts'
import { checkOptions, fieldsOf } from './token-source-options.ts'
import type { TokenSourceEvent, TokenSourceOptions } from './token-source-options.ts'

/** An access token as its issuer gave it. */
export type AccessToken = {
  /** `token.secret.revealText()` is the token itself. */
  readonly secret: Secret
  /** Milliseconds since the epoch, by this machine's clock. */
  readonly expiresAtMs: number
  /** The scopes granted; undefined: exactly those asked for. */
  readonly scopes: readonly string[] | undefined
}

/** Gets tokens and keeps them fresh. Made by {@link createTokenSource}. */
export type TokenSource = {
  /**
   * A token that is valid for a while yet. Nearly always the one at hand.
   *
   * @throws Problem `token-refused` when the issuer says no, `token-unavailable` when it cannot be asked.
   */
  token(): Promise<AccessToken>
  /**
   * The same as the value of an `Authorization` header, for clients other than {@link TokenSource.fetch}. With `dpop` it
   * is not enough: see {@link TokenSource.headersFor}.
   */
  authHeader(): Promise<string>
  /**
   * The headers that one request needs: `Authorization`, and with `dpop` the proof for this very request. One that is
   * sent again needs new ones.
   *
   * @param method as it is sent.
   */
  headersFor(method: string, url: string): Promise<Readonly<Record<string, string>>>
  /**
   * Another token than one that a service refused; undefined when there is none to be had: this one is brand-new, or
   * the issuer cannot be asked.
   */
  renewed(refused: AccessToken): Promise<AccessToken | undefined>
  /**
   * The platform's fetch with the token on each request, in place of any `Authorization` of the caller's. After a 401
   * that says `invalid_token`, a request whose body can be sent again is sent once more with a new token; with `dpop`
   * also after one that asks for a nonce. Requests with `dpop` follow no redirects.
   */
  readonly fetch: typeof globalThis.fetch
}

/**
 * Makes a source of tokens for one service, by client credentials (RFC 6749 §4.4).
 *
 * One token is shared by all who ask, and asked for once. At four fifths of its life it is renewed in the background
 * by the first who needs it, so nobody waits; while the issuer is down the old one serves until it dies. After a
 * failure the issuer is left alone for as long as it says, or for a second that doubles up to a minute. Making one asks
 * nobody, so a service starts while its issuer is down.
 *
 * @throws Problem `option-invalid` or `option-unknown`.
 * @example
 * const billing = createTokenSource({
 *   issuer: 'https://issuer.acme.example',
 *   clientId: 'orders',
 *   clientSecret: Secret.fromText(process.env.ORDERS_SECRET),
 *   audience: 'https://billing.acme.example',
 * })
 * const response = await billing.fetch('https://billing.acme.example/invoices/7')
 */
export function createTokenSource(options: TokenSourceOptions): TokenSource {
  checkOptions(options)
  return new ClientCredentialsSource(options)
}

type Held = {
  readonly token: AccessToken
  readonly header: string
  readonly obtainedAtMs: number
  readonly renewAtMs: number
  readonly usableUntilMs: number
}

class ClientCredentialsSource implements TokenSource {
  readonly fetch: typeof globalThis.fetch
  readonly #options: TokenSourceOptions
  readonly #fields: Readonly<Record<string, string>>
  readonly #clock: Clock
  readonly #timeoutMs: number
  readonly #issuerProver: Prover | undefined
  readonly #prover: Prover | undefined
  readonly #assertion: AssertionSource | undefined
  #endpoint: TokenEndpoint | undefined
  #held: Held | undefined
  #flight: Promise<Held> | undefined
  #failure: Problem | undefined
  #failures = 0
  #retryAtMs = 0

  constructor(options: TokenSourceOptions) {
    this.#options = options
    this.#fields = fieldsOf(options)
    this.#clock = options.clock ?? systemClock
    this.#timeoutMs = options.timeoutMs ?? 5000
    this.#assertion = assertionsOf(options, this.#clock)
    if (options.dpop === true) {
      const key = createDpopKey()
      this.#issuerProver = new Prover(key, this.#clock)
      this.#prover = new Prover(key, this.#clock)
    }
    this.fetch = createTokenFetch(this, {
      prover: this.#prover,
      fetch: options.fetch ?? globalThis.fetch,
      allowInsecure: options.dangerouslyAllowInsecureServices === true,
    })
  }

  async token(): Promise<AccessToken> {
    return (await this.#hold()).token
  }

  async authHeader(): Promise<string> {
    return (await this.#hold()).header
  }

  async headersFor(method: string, url: string): Promise<Readonly<Record<string, string>>> {
    const allowInsecure = this.#options.dangerouslyAllowInsecureServices === true
    checkSecretUrl(url, 'headersFor', allowInsecure, 'dangerouslyAllowInsecureServices')
    const { header, token } = await this.#hold()
    if (this.#prover === undefined) return { Authorization: header }
    const proof = this.#prover.proofFor(method, url, token.secret.revealText())
    return { Authorization: header, DPoP: proof.header }
  }

  async renewed(refused: AccessToken): Promise<AccessToken | undefined> {
    const nowMs = this.#clock()
    const held = this.#held
    if (held !== undefined && held.token !== refused) return (await this.#hold()).token
    // A service that refuses every token must not make us ask the issuer each time.
    if (held !== undefined && nowMs < held.obtainedAtMs + youngMs) return undefined
    try {
      return (await this.#obtain(nowMs)).token
    } catch {
      // Told through onEvent. The refused token stays: other replicas of the service may still take it.
      return undefined
    }
  }

  #hold(): Held | Promise<Held> {
    const nowMs = this.#clock()
    const held = this.#held
    if (held === undefined || nowMs >= held.usableUntilMs) return this.#obtain(nowMs)
    // Asked here as well as there: during an outage, a rejected promise for each request would be for nothing.
    if (nowMs >= held.renewAtMs && this.#flight === undefined && nowMs >= this.#retryAtMs) {
      this.#obtain(nowMs).catch(() => {
        // Told through onEvent; the token at hand goes on serving.
      })
    }
    return held
  }

  /** Everyone who asks meanwhile waits for the same request. */
  #obtain(nowMs: number): Promise<Held> {
    if (this.#flight !== undefined) return this.#flight
    if (this.#failure !== undefined && nowMs < this.#retryAtMs)
      return Promise.reject(this.#stillFailing(nowMs))
    this.#flight = this.#request(nowMs).finally(() => {
      this.#flight = undefined
    })
    return this.#flight
  }

  async #request(nowMs: number): Promise<Held> {
    try {
      const endpoint = (this.#endpoint ??= await this.#findEndpoint())
      const { token, lifetimeSeconds, scopes } = await requestToken({
        endpoint,
        clientId: this.#options.clientId,
        clientSecret: await this.#readSecret(),
        another: this.#assertion,
        fields: this.#fields,
        timeoutMs: this.#timeoutMs,
        fetch: this.#options.fetch ?? globalThis.fetch,
        prover: this.#issuerProver,
        nowMs,
      })
      return this.#keep(token, lifetimeSeconds, scopes, nowMs)
    } catch (error) {
      throw this.#failed(error)
    }
  }

  /** Counted from before the request was sent: the token is at least that old. */
  #keep(secret: Secret, lifetimeSeconds: number, scopes: readonly string[] | undefined, nowMs: number): Held {
    const lifeMs = lifetimeSeconds * 1000
    const expiresAtMs = nowMs + lifeMs
    // Spread, so that replicas that were started together do not renew together.
    const renewAfterMs = lifeMs * renewAt * (1 - spread * (this.#options.random ?? Math.random)())
    this.#held = {
      token: Object.freeze({ secret, expiresAtMs, scopes }),
      header: `${this.#prover === undefined ? 'Bearer' : 'DPoP'} ${secret.revealText()}`,
      obtainedAtMs: nowMs,
      renewAtMs: nowMs + renewAfterMs,
      // A request takes a while to arrive, and clocks differ.
      usableUntilMs: expiresAtMs - Math.min(marginMs, lifeMs / 10),
    }
    this.#failure = undefined
    this.#failures = 0
    this.#retryAtMs = 0
    this.#tell({ kind: 'obtained', expiresAtMs })
    return this.#held
  }

  #failed(error: unknown): Problem {
    const problem = asTokenProblem(error)
    const nowMs = this.#clock()
    const backOffMs = Math.min(maxBackOffMs, firstBackOffMs * 2 ** this.#failures)
    const waitMs =
      problem.retryAfterSeconds === undefined
        ? backOffMs * (1 - (this.#options.random ?? Math.random)() / 2)
        : Math.max(problem.retryAfterSeconds * 1000, firstBackOffMs)
    this.#failures++
    this.#failure = problem
    this.#retryAtMs = nowMs + waitMs
    // The endpoint may have moved; a refusal shows that it has not.
    if (problem.code !== 'token-refused') this.#endpoint = undefined
    const stale = this.#held !== undefined && nowMs < this.#held.usableUntilMs
    this.#tell({ kind: 'failed', problem, stale })
    return this.#stillFailing(nowMs)
  }

  /** A problem of its own for each who asks, with the time that is left by now. */
  #stillFailing(nowMs: number): Problem {
    const { code, message, next } = this.#failure!
    const options = {
      ...(next === undefined ? {} : { next }),
      retryAfterSeconds: Math.max(0, (this.#retryAtMs - nowMs) / 1000),
    }
    return code === 'token-refused'
      ? new Problem('token-refused', message, options)
      : new Problem('token-unavailable', message, options)
  }

  async #findEndpoint(): Promise<TokenEndpoint> {
    const { issuer, tokenEndpoint, authentication } = this.#options
    const method = this.#assertion === undefined ? authentication : 'assertion'
    if (tokenEndpoint !== undefined) return { url: tokenEndpoint, method: method ?? 'client_secret_basic' }
    const allowInsecure = this.#options.dangerouslyAllowInsecureIssuer === true
    return discoverTokenEndpoint(issuer!, { timeoutMs: this.#timeoutMs, allowInsecure, method })
  }

  async #readSecret(): Promise<string> {
    if (this.#assertion !== undefined) return this.#assertion()
    const { clientSecret } = this.#options
    let secret: Secret | string
    try {
      // With no assertion there is a secret: the options were checked.
      secret = typeof clientSecret === 'function' ? await clientSecret() : clientSecret!
    } catch (error) {
      // Its message may quote what was read.
      const code = (error as { code?: unknown } | null)?.code
      throw new Problem(
        'token-unavailable',
        `the client's secret cannot be read${typeof code === 'string' ? ` (${code})` : ''}`,
      )
    }
    return typeof secret === 'string' ? secret : secret.revealText()
  }

  #tell(event: TokenSourceEvent): void {
    try {
      this.#options.onEvent?.(event)
    } catch {
      // Told in the option's description: a full log must not stop calls between services.
    }
  }
}

function assertionsOf(options: TokenSourceOptions, clock: Clock): AssertionSource | undefined {
  const { privateKey: key, assertionFile: path, clientId, issuer } = options
  if (key !== undefined) return signedAssertions({ key, clientId, issuer: issuer!, clock })
  return path === undefined ? undefined : assertionFile(path)
}

function asTokenProblem(error: unknown): Problem {
  if (!isProblem(error)) return new Problem('token-unavailable', 'an unexpected failure')
  if (error.code === 'token-refused' || error.code === 'token-unavailable') return error
  return new Problem('token-unavailable', error.message, error.next === undefined ? {} : { next: error.next })
}

const renewAt = 0.8
const spread = 0.1
const marginMs = 10_000
const youngMs = 5000
const firstBackOffMs = 1000
const maxBackOffMs = 60_000
