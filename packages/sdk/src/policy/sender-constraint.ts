import { deny } from '../core/denial.ts'
import type { Denial } from '../core/denial.ts'
import { refuseUnknownOptions } from '../core/options.ts'
import { isPending } from '../core/pending.ts'
import { Problem } from '../core/problem.ts'
import { createDpopChecker } from '../jwt/dpop-check.ts'
import type { DpopCheck, DpopChecker, DpopCheckerOptions } from '../jwt/dpop-check.ts'
import type { VerifiedToken } from '../jwt/verified-token.ts'
import type { DpopTerms } from './challenge.ts'
import { createCertificateReader } from './client-certificate.ts'
import type { CertificateHeader, CertificateReader, RequestPeer } from './client-certificate.ts'
import { usesDpopScheme } from './token-places.ts'

export type SenderConstraintOptions = (ProofsChecked | CertificateOnly) & {
  /**
   * How DPoP proofs are checked: the options of `createDpopChecker`, or a checker that several services share. Not without
   * `publicUrl`, since no proof is checked then.
   */
  readonly proofs?: DpopCheckerOptions | DpopChecker
  /** Where a proxy that ends TLS writes down the client's certificate; the connection's own counts in any case. */
  readonly certificateFrom?: CertificateHeader
}

type ProofsChecked = {
  /**
   * `accepted`: bearer tokens pass as well. `required`: only tokens that are bound to a key or a certificate. `dpop`,
   * `certificate`: only tokens that are bound to just that, or to both.
   */
  readonly mode: 'accepted' | 'required' | 'dpop'
  /**
   * By what URL callers reach this service, up to where its own paths begin; of several, any one. A proof is for one
   * URL, so it must be said here: what `Host` and `X-Forwarded-…` say, the sender chose.
   */
  readonly publicUrl: string | readonly string[]
}

type CertificateOnly = {
  readonly mode: 'certificate'
  /** May be left out: a certificate is for no URL. Then tokens that are bound to a key as well are refused. */
  readonly publicUrl?: string | readonly string[]
}

/**
 * What the check needs of a request. Each request has an object of its own: a guard behind another one is asked with the
 * same object, and its proof is then not taken for a repeated one.
 */
export type ConstrainedRequest = {
  readonly method: string
  /** The target of the request line, as it arrived. */
  readonly target: string
  readonly rawHeaders: readonly string[]
  /** The connection (`req.socket`); without it no token that is bound to a certificate passes. */
  readonly peer?: RequestPeer | undefined
}

/** What became of a token's confirmation. */
export type ConstraintCheck =
  | {
      readonly kind: 'met'
      /** What to answer in `DPoP-Nonce`; undefined where there is nothing new to say. */
      readonly nextNonce: string | undefined
    }
  | { readonly kind: 'denied'; readonly denial: Denial }

/** Checks that a token comes from the one it was given to. Made by {@link createSenderConstraint}. */
export type SenderConstraint = {
  /**
   * Checks the confirmation of a token (RFC 7800 §3.1) that a verifier with `confirmation: 'checked-by-caller'` has let
   * through. A value unless the store of used proofs answers later.
   *
   * @param text the token as it was sent.
   * @throws Problem when the store of used proofs cannot tell: answer 503.
   */
  check(
    request: ConstrainedRequest,
    token: VerifiedToken,
    text: string,
    nowMs: number,
  ): ConstraintCheck | Promise<ConstraintCheck>
  /** What a challenge says about proofs, for `challenge(…, { dpop })`; nothing where none is checked. */
  terms(nowMs: number): DpopTerms | undefined
}

/**
 * Makes the check that a token comes from the one it was given to: by a DPoP proof (`cnf.jkt`, RFC 9449 §7), by the
 * client's certificate (`cnf["x5t#S256"]`, RFC 8705 §3), or by both where the token names both.
 *
 * A token that is bound to a key counts under the scheme `DPoP` alone, and that scheme with such a token alone (§7.1,
 * §7.2): a stolen token cannot be passed off as a bearer token.
 *
 * @throws Problem `option-invalid` or `option-unknown`.
 * @example
 * const constraint = createSenderConstraint({ mode: 'required', publicUrl: 'https://billing.acme.example' })
 * const byCertificate = createSenderConstraint({ mode: 'certificate' })
 */
export function createSenderConstraint(options: SenderConstraintOptions): SenderConstraint {
  refuseUnknownOptions('createSenderConstraint', options, ['mode', 'publicUrl', 'proofs', 'certificateFrom'])
  return new TokenConstraint(options)
}

class TokenConstraint implements SenderConstraint {
  readonly #mode: SenderConstraintOptions['mode']
  readonly #isRequired: boolean
  readonly #publicUrls: readonly string[]
  readonly #checker: DpopChecker
  readonly #certificates: CertificateReader
  readonly #proven = new WeakMap<ConstrainedRequest, Proven>()

  constructor({ mode, publicUrl, proofs, certificateFrom }: SenderConstraintOptions) {
    if (!modes.includes(mode)) {
      throw new Problem(
        'option-invalid',
        "senderConstraint must be 'accepted', 'required', 'dpop' or 'certificate'",
      )
    }
    this.#mode = mode
    this.#isRequired = mode !== 'accepted'
    const isProofless = mode === 'certificate' && publicUrl === undefined
    if (isProofless && proofs !== undefined) {
      throw new Problem(
        'option-invalid',
        'proofs counts only with publicUrl, which each proof is compared with',
      )
    }
    this.#publicUrls = isProofless ? [] : readPublicUrls(publicUrl)
    this.#checker = proofs !== undefined && 'check' in proofs ? proofs : createDpopChecker(proofs)
    this.#certificates = createCertificateReader(certificateFrom)
  }

  terms(nowMs: number): DpopTerms | undefined {
    if (this.#publicUrls.length === 0) return undefined
    return {
      // A token that is bound to a certificate alone is sent as a bearer token (RFC 8705 §3).
      required: this.#isRequired && this.#mode !== 'certificate',
      algorithms: this.#checker.algorithms,
      nonce: this.#checker.currentNonce(nowMs),
    }
  }

  check(
    request: ConstrainedRequest,
    { confirmation, issuer, clientId }: VerifiedToken,
    text: string,
    nowMs: number,
  ): ConstraintCheck | Promise<ConstraintCheck> {
    const isDpop = usesDpopScheme(request.rawHeaders)
    if (confirmation === undefined) return this.#isRequired || isDpop ? unbound : met
    const { keyThumbprint, certificateThumbprint } = confirmation
    if (this.#mode === 'dpop' && keyThumbprint === undefined) return noKey
    if (this.#mode === 'certificate' && certificateThumbprint === undefined) return notByCertificate
    // Members that are not known here may stand beside known ones (RFC 7800 §3.1), but not instead of them.
    if (keyThumbprint === undefined && certificateThumbprint === undefined) return foreign
    if (certificateThumbprint !== undefined) {
      const shown = this.#certificates.thumbprintOf(request.rawHeaders, request.peer)
      if (shown === undefined) return noCertificate
      if (shown !== certificateThumbprint) return otherCertificate
    }
    if (keyThumbprint === undefined) return isDpop ? unbound : met
    // The certificate alone is half of what the token asks for.
    if (this.#publicUrls.length === 0) return noUrl
    if (!isDpop) return asBearer
    const { method, target, rawHeaders } = request
    const before = this.#proven.get(request)
    if (before?.text === text && before.target === target && before.method === method) {
      if (before.rawHeaders === rawHeaders) return before.result
    }
    const url = this.#urlsOf(target)
    const checked = this.#checker.check({
      rawHeaders,
      method,
      url,
      accessToken: text,
      thumbprint: keyThumbprint,
      // A client may have a token for each of many keys, and is still one client.
      ...(clientId === undefined ? {} : { owner: `${issuer} ${clientId}` }),
      nowMs,
    })
    const result = isPending(checked) ? checked.then(conclude) : conclude(checked)
    this.#proven.set(request, { text, method, target, rawHeaders, result })
    return result
  }

  #urlsOf(target: string): string | readonly string[] {
    const query = target.indexOf('?')
    const path = query < 0 ? target : target.slice(0, query)
    return this.#publicUrls.length === 1
      ? this.#publicUrls[0]! + path
      : this.#publicUrls.map((url) => url + path)
  }
}

/** What was decided about a request's proof, and all that it was decided by. */
type Proven = Omit<ConstrainedRequest, 'peer'> & {
  readonly text: string
  readonly result: ConstraintCheck | Promise<ConstraintCheck>
}

function conclude(result: DpopCheck): ConstraintCheck {
  if (result.kind === 'denied') return result
  const { nextNonce } = result.proof
  return nextNonce === undefined ? met : { kind: 'met', nextNonce }
}

/** Without the slash at the end: the target of a request begins with one. */
function readPublicUrls(option: string | readonly string[] | undefined): readonly string[] {
  const listed: readonly unknown[] = Array.isArray(option) ? option : [option]
  if (listed.length === 0) throw invalidUrl('an empty list')
  return listed.map((text) => {
    if (typeof text !== 'string') throw invalidUrl(text === undefined ? 'nothing' : 'no text')
    const url = URL.parse(text)
    if (url === null || (url.protocol !== 'https:' && url.protocol !== 'http:')) {
      throw invalidUrl(JSON.stringify(text))
    }
    if (url.username !== '' || url.password !== '' || text.includes('?') || text.includes('#')) {
      throw invalidUrl('one with credentials, a query or a fragment')
    }
    const { pathname } = url
    return url.origin + (pathname.endsWith('/') ? pathname.slice(0, -1) : pathname)
  })
}

function invalidUrl(got: string): Problem {
  return new Problem('option-invalid', `publicUrl: expected http:// or https://, got ${got}`, {
    next: 'write the URL by which callers reach this service, such as https://billing.acme.example',
  })
}

function refusal(denial: Denial): ConstraintCheck {
  return Object.freeze({ kind: 'denied', denial: Object.freeze(denial) })
}

const modes: readonly SenderConstraintOptions['mode'][] = ['accepted', 'required', 'dpop', 'certificate']

// Frozen, since one object answers many requests.
const met: ConstraintCheck = Object.freeze({ kind: 'met', nextNonce: undefined })
const unbound = refusal(deny('confirmation-missing', 'the token is bound to no key, and so proves nothing'))
const noKey = refusal(deny('confirmation-missing', 'the token is bound, but to no DPoP key'))
const notByCertificate = refusal(deny('confirmation-missing', 'the token is bound, but to no certificate'))
const foreign = refusal(
  deny('proof-required', 'the token is bound in a way (cnf) that is not known here (RFC 7800 §3.1)'),
)
const noUrl = refusal(
  deny(
    'proof-required',
    'the token is bound to a key as well (cnf.jkt), and without publicUrl no proof is checked',
  ),
)
const asBearer = refusal(
  deny('proof-required', 'the token is bound to a key (cnf.jkt), but was sent as a bearer token'),
)
const noCertificate = refusal(
  deny('proof-required', 'the token is bound to a client certificate (cnf.x5t#S256), and none was shown'),
)
const otherCertificate = refusal(
  deny('confirmation-mismatch', 'the token is bound to another client certificate than was shown'),
)
