import { systemClock } from '../core/clock.ts'
import type { Clock } from '../core/clock.ts'
import { isProblem, Problem } from '../core/problem.ts'
import type { Secret } from '../core/secret.ts'
import { createDpopKey } from '../jwt/dpop-proof.ts'
import { assertionFile, signedAssertions } from './assertion.ts'
import type { AssertionSource } from './assertion.ts'
import { discoverTokenEndpoint } from './endpoint.ts'
import type { TokenEndpoint } from './endpoint.ts'
import { IssuerDown } from './issuer-down.ts'
import { Prover } from './prover.ts'
import { SharedBackOff } from './shared-back-off.ts'
import { requestToken } from './token-request.ts'
import type { TokenResponse } from './token-request.ts'
import type { TokenSourceOptions } from './token-source-options.ts'

/** One client at one issuer: what all tokens that it asks for share. */
export class IssuerAccess {
  readonly options: TokenSourceOptions
  readonly clock: Clock
  readonly random: () => number
  /** Makes the proofs for services; one key for all tokens of this client. */
  readonly prover: Prover | undefined
  /** While the issuer is down it is asked for none of them. What fails for one token alone is that one's own. */
  readonly backOff: SharedBackOff
  readonly #timeoutMs: number
  readonly #issuerProver: Prover | undefined
  readonly #assertion: AssertionSource | undefined
  #endpoint: Promise<TokenEndpoint> | undefined
  /** Where it was last. */
  #known: TokenEndpoint | undefined

  constructor(options: TokenSourceOptions) {
    this.options = options
    this.clock = options.clock ?? systemClock
    this.random = options.random ?? Math.random
    this.backOff = new SharedBackOff(this.random, this.clock)
    this.#timeoutMs = options.timeoutMs ?? 5000
    this.#assertion = assertionsOf(options, this.clock)
    if (options.dpop !== true) return
    const key = createDpopKey()
    this.#issuerProver = new Prover(key, this.clock)
    this.prover = new Prover(key, this.clock)
  }

  /**
   * Asks once for a token, or not at all while the issuer is down.
   *
   * @param fields of the form: the grant, and what narrows the token.
   * @throws Problem `token-refused` or `token-unavailable`, and no other.
   */
  ask(fields: Readonly<Record<string, string>>, nowMs: number): Promise<TokenResponse> {
    return this.backOff.ask(() => this.#ask(fields, nowMs))
  }

  async #ask(fields: Readonly<Record<string, string>>, nowMs: number): Promise<TokenResponse> {
    // The promise is kept, so that many who ask at once look it up once.
    const found = (this.#endpoint ??= this.#findEndpoint(nowMs))
    try {
      const endpoint = await found
      return await requestToken({
        endpoint,
        clientId: this.options.clientId,
        clientSecret: await this.#readSecret(),
        another: this.#assertion,
        fields,
        timeoutMs: this.#timeoutMs,
        fetch: this.options.fetch ?? globalThis.fetch,
        prover: this.#issuerProver,
        nowMs,
      })
    } catch (error) {
      const problem = asTokenProblem(error)
      // The endpoint may have moved; a refusal shows that it has not.
      if (problem.code !== 'token-refused' && this.#endpoint === found) this.#endpoint = undefined
      throw problem
    }
  }

  /** @throws IssuerDown whatever is wrong: without an endpoint nobody can ask. */
  async #findEndpoint(nowMs: number): Promise<TokenEndpoint> {
    const { issuer, tokenEndpoint, authentication } = this.options
    const method = this.#assertion === undefined ? authentication : 'assertion'
    if (tokenEndpoint !== undefined) return { url: tokenEndpoint, method: method ?? 'client_secret_basic' }
    const allowInsecure = this.options.dangerouslyAllowInsecureIssuer === true
    const { fetch } = this.options
    try {
      return (this.#known = await discoverTokenEndpoint(issuer!, {
        timeoutMs: this.#timeoutMs,
        allowInsecure,
        method,
        nowMs,
        ...(fetch === undefined ? {} : { fetch }),
      }))
    } catch (error) {
      if (!isProblem(error)) throw error
      // One that was looked for again after a failure: it may be well, with metadata that cannot be had.
      if (this.#known !== undefined) return this.#known
      const { message, next, retryAfterSeconds } = error
      throw new IssuerDown(message, {
        ...(next === undefined ? {} : { next }),
        ...(retryAfterSeconds === undefined ? {} : { retryAfterSeconds }),
      })
    }
  }

  async #readSecret(): Promise<string> {
    if (this.#assertion !== undefined) return this.#assertion()
    const { clientSecret, authentication } = this.options
    if (authentication === 'tls_client_auth') return ''
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
