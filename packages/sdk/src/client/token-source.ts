import type { Secret } from '../core/secret.ts'
import { inspectToken } from '../jwt/inspect.ts'
import { checkSecretUrl } from './endpoint.ts'
import { createTokenFetch, saysError } from './fetch.ts'
import { HeldToken } from './held-token.ts'
import { IssuerAccess } from './issuer-access.ts'
import { SubjectTokens } from './on-behalf-of.ts'
import type { Subject, SubjectContext } from './on-behalf-of.ts'
import { requestTransaction } from './transaction.ts'
import type { TransactionOptions } from './transaction.ts'
import { checkOptions, fieldsOf } from './token-source-options.ts'
import type { TokenSourceOptions } from './token-source-options.ts'

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
   * The headers with which a refused request is worth one more try: after a 401 that says `invalid_token`, or that asks for
   * another nonce. Undefined: it is not. Of any other answer it learns the next nonce.
   *
   * @param sent what {@link TokenSource.headersFor} gave.
   */
  headersAgain(
    method: string,
    url: string,
    sent: Readonly<Record<string, string>>,
    answer: { readonly status: number; readonly headers: Headers },
  ): Promise<Readonly<Record<string, string>> | undefined>
  /**
   * Another token than one that a service refused; undefined when there is none to be had: this one is brand-new, or
   * the issuer cannot be asked.
   */
  renewed(refused: AccessToken): Promise<AccessToken | undefined>
  /**
   * The platform's fetch with the token on each request, in place of any `Authorization` of the caller's. After a 401
   * that says `invalid_token`, a request whose body can be sent again is sent once more with a new token; with `dpop`
   * also after one that asks for a nonce. Requests with `dpop` or a `Txn-Token` follow no redirects. A signal counts for the
   * wait for a token as well.
   */
  readonly fetch: typeof globalThis.fetch
}

/** A source for the client itself, and for those on whose behalf it acts. */
export type ClientTokenSource = TokenSource & {
  /**
   * A source of tokens with which this client acts on behalf of its own caller (token exchange, RFC 8693): the service
   * that is called sees both. What is got for one caller is never used for another, and never longer than the caller's
   * own token.
   *
   * @param who `auth` as the guard gave it; or the guard's context, which is then asked at each call.
   * @throws Problem `auth-missing` for anything else, such as a copy of `auth`.
   * @example
   * const response = await stock.onBehalfOf(auth).fetch('https://stock.acme.example/items/7')
   */
  onBehalfOf(who: Subject | SubjectContext): TokenSource
  /**
   * A transaction token (draft-ietf-oauth-transaction-tokens): it says to every service of one transaction on whose behalf
   * it is made and what it is about, and goes along in the header `Txn-Token`, beside the token of each caller. The
   * source's `audience` is the trust domain. Nothing is kept: each is a transaction of its own, or the next step of one.
   *
   * @throws Problem as {@link TokenSource.token} and {@link ClientTokenSource.onBehalfOf}; `option-invalid`.
   * @example
   * const { secret } = await acme.transaction(auth, { scopes: ['pay'], details: { invoice: 7 } })
   * await billing.fetch(url, { method: 'POST', headers: { 'Txn-Token': secret.revealText() } })
   */
  transaction(who: Subject | SubjectContext, options: TransactionOptions): Promise<AccessToken>
}

/**
 * Makes a source of tokens for one service, by client credentials (RFC 6749 §4.4).
 *
 * One token is shared by all who ask, and asked for once. At four fifths of its life it is renewed in the background
 * by the first who needs it, so nobody waits; while the issuer is down the old one serves until it dies. After a
 * failure the issuer is left alone for as long as it says (an hour at most), or for a second that doubles up to a minute; by
 * all tokens of this source, where the issuer itself is down. Making one asks nobody, so a service starts while its issuer
 * is down.
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
export function createTokenSource(options: TokenSourceOptions): ClientTokenSource {
  checkOptions(options)
  return new ClientSource(new IssuerAccess(options), fieldsOf(options))
}

class Source implements TokenSource {
  readonly fetch: typeof globalThis.fetch
  readonly #access: IssuerAccess
  readonly #find: () => HeldToken

  /** @param find the token to use, asked at each call. */
  constructor(access: IssuerAccess, find: () => HeldToken) {
    this.#access = access
    this.#find = find
    const { fetch, dangerouslyAllowInsecureServices } = access.options
    this.fetch = createTokenFetch(this, {
      prover: access.prover,
      fetch: fetch ?? globalThis.fetch,
      allowInsecure: dangerouslyAllowInsecureServices === true,
    })
  }

  async token(): Promise<AccessToken> {
    return (await this.#find().hold()).token
  }

  async authHeader(): Promise<string> {
    return (await this.#find().hold()).header
  }

  async headersFor(method: string, url: string): Promise<Readonly<Record<string, string>>> {
    const allowInsecure = this.#access.options.dangerouslyAllowInsecureServices === true
    checkSecretUrl(url, 'headersFor', allowInsecure, 'dangerouslyAllowInsecureServices')
    const { header, token } = await this.#find().hold()
    const { prover } = this.#access
    if (prover === undefined) return { Authorization: header }
    const proof = prover.proofFor(method, url, token.secret.revealText())
    return { Authorization: header, DPoP: proof.header }
  }

  async headersAgain(
    method: string,
    url: string,
    sent: Readonly<Record<string, string>>,
    { status, headers }: { readonly status: number; readonly headers: Headers },
  ): Promise<Readonly<Record<string, string>> | undefined> {
    const isNewNonce = this.#learn(url, sent['DPoP'], headers)
    if (status !== 401) return undefined
    if (isNewNonce && saysError(headers, 'use_dpop_nonce')) return this.headersFor(method, url)
    if (!saysError(headers, 'invalid_token')) return undefined
    try {
      const held = this.#find()
      const { header, token } = await held.hold()
      // Another one may have come meanwhile.
      const isRenewed = header !== sent['Authorization'] || (await held.renewed(token)) !== undefined
      return isRenewed ? await this.headersFor(method, url) : undefined
    } catch {
      // Told through onEvent. The refusal is what there is.
      return undefined
    }
  }

  #learn(url: string, proof: string | undefined, headers: Headers): boolean {
    const { prover } = this.#access
    if (prover === undefined || proof === undefined) return false
    const nonce = inspectToken(proof).claims?.['nonce'] as string | undefined
    return prover.learn(url, headers, { header: proof, nonce })
  }

  async renewed(refused: AccessToken): Promise<AccessToken | undefined> {
    return this.#find().renewed(refused)
  }
}

class ClientSource extends Source implements ClientTokenSource {
  readonly #access: IssuerAccess
  readonly #subjects: SubjectTokens
  readonly #fields: Readonly<Record<string, string>>

  constructor(access: IssuerAccess, fields: Readonly<Record<string, string>>) {
    const own = new HeldToken(access, { ...fields, grant_type: 'client_credentials' })
    super(access, () => own)
    this.#access = access
    this.#subjects = new SubjectTokens(access, fields)
    this.#fields = fields
  }

  onBehalfOf(who: Subject | SubjectContext): TokenSource {
    if (isContext(who)) return new Source(this.#access, () => this.#subjects.of(who.auth()))
    // Asked now: a mistake shows where it was made.
    const held = this.#subjects.of(who)
    return new Source(this.#access, () => held)
  }

  async transaction(who: Subject | SubjectContext, options: TransactionOptions): Promise<AccessToken> {
    return requestTransaction(this.#access, this.#fields, isContext(who) ? who.auth() : who, options)
  }
}

/** Not by its name alone: a request has an `auth` as well, which is no function. */
function isContext(who: Subject | SubjectContext): who is SubjectContext {
  return typeof (who as Partial<SubjectContext>).auth === 'function'
}
