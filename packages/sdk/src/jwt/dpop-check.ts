import { createHash } from 'node:crypto'
import { algorithmRow, isAlgorithm } from './algorithms.ts'
import type { Algorithm } from './algorithms.ts'
import { isNumericDate } from './claims.ts'
import { checkType, readHeader, readJsonSegment, secondDot } from './compact.ts'
import { deny } from '../core/denial.ts'
import type { Denial } from '../core/denial.ts'
import type { StrictJson } from '../core/json.ts'
import { refuseUnknownOptions } from '../core/options.ts'
import { isProblem, Problem } from '../core/problem.ts'
import { accessTokenHash } from './dpop-proof.ts'
import type { DpopNonces } from './dpop-nonce.ts'
import { isSameTarget } from './dpop-url.ts'
import { checkJwk, jwkThumbprint } from './jwk.ts'
import type { Jwk } from './jwk.ts'
import { VerificationKey } from './key.ts'
import { createProofReplays } from './proof-replays.ts'
import type { ProofReplays } from './proof-replays.ts'
import { TokenCache } from './token-cache.ts'

export type DpopCheckerOptions = {
  /** What proofs may be signed with; ES256, PS256, EdDSA and Ed25519 unless given (FAPI 2.0 §5.4). */
  readonly algorithms?: readonly Algorithm[]
  /** How old a proof may be where no nonce is demanded, seconds, 1 to 3600; 300 unless given. */
  readonly maxAgeSeconds?: number
  /** How far ahead the sender's clock may be, seconds, 0 to 60; 15 unless given. */
  readonly maxAheadSeconds?: number
  /** Demands one of these nonces in every proof (RFC 9449 §8, §9); its `iat` then need not fit our clock. */
  readonly nonces?: DpopNonces
  /** Where the ids of proofs are remembered; the memory of this process unless given. */
  readonly replays?: ProofReplays
}

/** A request whose proof is checked. Nothing of it is a Request object, so that every server has it at hand. */
export type DpopRequest = {
  /** Names and values in turn, as they arrived: in a joined header a second proof would hide. */
  readonly rawHeaders: readonly string[]
  readonly method: string
  /**
   * The URL by which the caller knows this target, without query; of several, any one. From configuration, never from
   * `Host` or `X-Forwarded-…`: by those a proof for another server could be replayed here.
   */
  readonly url: string | readonly string[]
  /** The token that came along; left out at the token endpoint alone, where there is none yet. */
  readonly accessToken?: string
  /** The `cnf.jkt` of that token: the key that must have signed. */
  readonly thumbprint?: string
  /**
   * Who answers for the proof, such as the client that the token was issued to: by this the memory of used proofs is
   * shared out. The proof's key unless given; anybody can make many of those.
   */
  readonly owner?: string
  /** Milliseconds since the epoch. */
  readonly nowMs: number
}

/** What became of a proof. */
export type DpopCheck =
  | { readonly kind: 'proven'; readonly proof: ProvenKey }
  | { readonly kind: 'denied'; readonly denial: Denial }

/** A key whose holder has just shown that it has it. */
export type ProvenKey = {
  /** The RFC 7638 thumbprint: what an issuer writes into `cnf.jkt`. */
  readonly thumbprint: string
  /** The `jti` of the proof. */
  readonly proofId: string
  /** What to answer in `DPoP-Nonce`, since the nonce that was used is not the current one any more. */
  readonly nextNonce: string | undefined
}

/** Checks proofs of possession. Made by {@link createDpopChecker}. */
export type DpopChecker = {
  /** What proofs may be signed with, for metadata and challenges (`algs`, RFC 9449 §5.1, §7.1). */
  readonly algorithms: readonly Algorithm[]
  /**
   * Checks the proof of a request (RFC 9449 §4.3). A value unless the store of used proofs answers later.
   *
   * @returns what was proven, or a denial: `proof-missing`, `proof-invalid`, `proof-replayed`, `nonce-required`,
   *   `confirmation-mismatch`.
   * @throws Problem when the store of used proofs cannot tell: answer 503.
   */
  check(request: DpopRequest): DpopCheck | Promise<DpopCheck>
  /** What to answer in `DPoP-Nonce` with a refusal; undefined where no nonces are demanded. */
  currentNonce(nowMs: number): string | undefined
}

/**
 * Makes a checker of DPoP proofs, for resource servers and token endpoints alike.
 *
 * A proof counts once, for one method, one URL and one token, for a few minutes: exactly one `DPoP` header; `typ`; an
 * asymmetric `alg` that is allowed and is the one of the public, strong `jwk` beside it; the signature; `htm`, `htu`,
 * `ath`; a nonce or a recent `iat`; the key that the token is bound to; a `jti` that was not used before.
 *
 * @throws Problem `option-invalid` or `option-unknown`.
 * @example
 * const checker = createDpopChecker()
 * const result = await checker.check({ rawHeaders: req.rawHeaders, method: 'POST', url: tokenEndpoint, nowMs: Date.now() })
 * if (result.kind === 'proven') claims.cnf = { jkt: result.proof.thumbprint }
 */
export function createDpopChecker(options: DpopCheckerOptions = {}): DpopChecker {
  refuseUnknownOptions('createDpopChecker', options, optionNames)
  return new ProofChecker(options)
}

/** The key of a protected header, ready to verify. */
type HeaderKey = { readonly key: VerificationKey; readonly thumbprint: string }

class ProofChecker implements DpopChecker {
  readonly algorithms: readonly Algorithm[]
  readonly #maxAgeMs: number
  readonly #maxAheadMs: number
  readonly #nonces: DpopNonces | undefined
  readonly #replays: ProofReplays
  // By the exact text of the header. A sender writes the same one each time, and importing its key costs as much as the
  // signature; only headers of proofs whose signature was good are kept.
  readonly #headers = new TokenCache<HeaderKey>(maxKnownHeaders, maxKnownHeaders * 1024)

  constructor(options: DpopCheckerOptions) {
    this.algorithms = readAlgorithms(options.algorithms)
    this.#maxAgeMs = readSeconds('maxAgeSeconds', options.maxAgeSeconds ?? 300, 1, 3600) * 1000
    this.#maxAheadMs = readSeconds('maxAheadSeconds', options.maxAheadSeconds ?? 15, 0, 60) * 1000
    this.#nonces = options.nonces
    this.#replays = options.replays ?? createProofReplays()
  }

  currentNonce(nowMs: number): string | undefined {
    return this.#nonces?.current(nowMs)
  }

  check(request: DpopRequest): DpopCheck | Promise<DpopCheck> {
    const { nowMs } = request
    // Every comparison with NaN is false, so a broken clock would make each proof eternal.
    if (!Number.isFinite(nowMs))
      throw new Problem('option-invalid', 'createDpopChecker: the clock gives no number')
    const text = findProof(request.rawHeaders)
    if (typeof text !== 'string') return denied(text)
    const opened = this.#open(text, request.thumbprint)
    if ('reason' in opened) return denied(opened)
    const { thumbprint, claims } = opened
    const denial = checkTarget(claims, request) ?? checkToken(claims, request.accessToken)
    if (denial !== undefined) return denied(denial)
    const expiresAtMs = this.#expiryOf(claims, nowMs)
    if (typeof expiresAtMs !== 'number') return denied(expiresAtMs)
    // Last, so that a proof that is refused for anything else is not used up by it.
    const proofId = claims['jti'] as string
    const mark = markOf(thumbprint, proofId)
    const first = this.#replays.putOnce('dpop', mark, expiresAtMs, nowMs, request.owner ?? thumbprint)
    if (typeof first === 'boolean') return this.#conclude(first, thumbprint, claims, nowMs)
    return first.then((isFirst) => this.#conclude(isFirst, thumbprint, claims, nowMs))
  }

  /** The claims of a proof and its key's thumbprint, when the signature is good. */
  #open(
    text: string,
    expected: string | undefined,
  ): { readonly thumbprint: string; readonly claims: StrictJson } | Denial {
    if (text.length > maxProofLength) return invalid(`longer than ${maxProofLength} characters`)
    const firstDot = text.indexOf('.')
    const lastDot = secondDot(text, firstDot)
    if (lastDot < 0) return invalid('not three segments')
    const head = text.slice(0, firstDot)
    const known = this.#headers.find(head)
    const headerKey = known ?? readHeaderKey(head, this.algorithms)
    if ('reason' in headerKey) return headerKey
    const { key, thumbprint } = headerKey
    if (expected !== undefined && thumbprint !== expected) return otherKey
    if (!key.verifies(text.slice(0, lastDot), text.slice(lastDot + 1)))
      return invalid('the signature does not fit')
    // Copied, since a slice would keep the whole proof alive.
    if (known === undefined) this.#headers.keep(Buffer.from(head, 'latin1').toString('latin1'), headerKey)
    const claims = readJsonSegment(text.slice(firstDot + 1, lastDot))
    if (typeof claims === 'string') return invalid(`claims: ${claims}`)
    return { thumbprint, claims }
  }

  /** Until when the proof would be accepted, milliseconds since the epoch; or why it is not, now. */
  #expiryOf(claims: StrictJson, nowMs: number): number | Denial {
    const { iat, exp, nbf, nonce } = claims
    if (!isNumericDate(iat)) return invalid('iat is missing or no date')
    // Not RFC 9449's, but whoever says when a proof ends means it.
    if (exp !== undefined && !(isNumericDate(exp) && nowMs < exp * 1000 + this.#maxAheadMs)) {
      return invalid('exp is no date, or has passed')
    }
    if (nbf !== undefined && !(isNumericDate(nbf) && nowMs >= nbf * 1000 - this.#maxAheadMs)) {
      return invalid('nbf is no date, or lies in the future')
    }
    if (nonce !== undefined && typeof nonce !== 'string') return invalid('nonce is no text')
    if (this.#nonces !== undefined) {
      if (nonce === undefined) return noNonce
      return this.#nonces.validUntilMs(nonce, nowMs) ?? oldNonce
    }
    const ageMs = nowMs - iat * 1000
    if (ageMs > this.#maxAgeMs) return invalid(`made ${Math.round(ageMs / 1000)} s ago by its iat`)
    if (ageMs < -this.#maxAheadMs) return invalid(`made ${Math.round(-ageMs / 1000)} s ahead by its iat`)
    return iat * 1000 + this.#maxAgeMs
  }

  #conclude(isFirst: boolean, thumbprint: string, claims: StrictJson, nowMs: number): DpopCheck {
    // Anything but true refuses: a store that answers with nothing has marked nothing.
    if (isFirst !== true) return denied(replayed)
    const current = this.#nonces?.current(nowMs)
    const nextNonce = current === claims['nonce'] ? undefined : current
    return { kind: 'proven', proof: { thumbprint, proofId: claims['jti'] as string, nextNonce } }
  }
}

/** RFC 9449 §4.3 point 1. Two headers that somebody joined have a comma, which no proof has. */
function findProof(rawHeaders: readonly string[]): string | Denial {
  let proof: string | undefined
  for (let at = 0; at < rawHeaders.length; at += 2) {
    if (rawHeaders[at]!.length !== 4 || rawHeaders[at]!.toLowerCase() !== 'dpop') continue
    if (proof !== undefined) return twoProofs
    proof = rawHeaders[at + 1]!
  }
  return proof === undefined || proof === '' ? noProof : proof
}

/** RFC 9449 §4.3 points 4 to 7: the one place where a key that the sender brings along is looked at. */
function readHeaderKey(head: string, allowed: readonly Algorithm[]): HeaderKey | Denial {
  const header = readHeader(head)
  if ('reason' in header) return invalid(header.detail)
  const { algorithm, members } = header
  if (checkType(header, proofTypes) !== undefined) return invalid('header: typ is not dpop+jwt')
  if (!allowed.includes(algorithm)) return invalid('header: alg is not an allowed one')
  if (isCostly(members['jwk']))
    return invalid('header: jwk is an RSA key of more than 4096 bits or 32 bits of exponent')
  try {
    const { material } = checkJwk(members['jwk'], 'verify', [algorithm], 'header: jwk')
    return {
      key: new VerificationKey(algorithm, undefined, material),
      thumbprint: jwkThumbprint(members['jwk'] as Jwk),
    }
  } catch (problem) {
    if (!isProblem(problem)) throw problem
    return invalid(problem.message)
  }
}

/**
 * Anybody may send a proof to a token endpoint, with a key of their own making: one of 8192 bits costs a hundred times
 * what an honest one does, before anything is known about the sender.
 */
function isCostly(jwk: unknown): boolean {
  const { kty, n, e } = (jwk ?? {}) as Jwk
  return kty === 'RSA' && (isLonger(n, maxModulusLength) || isLonger(e, maxExponentLength))
}

function isLonger(member: unknown, limit: number): boolean {
  return typeof member === 'string' && member.length > limit
}

/** RFC 9449 §4.3 points 3, 8 and 9. */
function checkTarget(claims: StrictJson, { method, url }: DpopRequest): Denial | undefined {
  const { jti, htm, htu } = claims
  if (typeof jti !== 'string' || jti === '') return invalid('jti is missing or no text')
  if (htm !== method) return invalid('htm is another method, or missing')
  if (typeof htu !== 'string') return invalid('htu is missing or no text')
  const isOurs = typeof url === 'string' ? isSameTarget(htu, url) : url.some((one) => isSameTarget(htu, one))
  return isOurs ? undefined : invalid('htu is another URL than the one that was called')
}

/** RFC 9449 §4.3 point 12. */
function checkToken(claims: StrictJson, accessToken: string | undefined): Denial | undefined {
  if (accessToken === undefined || claims['ath'] === accessTokenHash(accessToken)) return undefined
  return invalid('ath is the hash of another token, or missing')
}

/** Two senders may choose one jti, and none may fill memory with a long one. */
function markOf(thumbprint: string, proofId: string): string {
  return createHash('sha256').update(`${thumbprint} ${proofId}`).digest('base64url')
}

function readAlgorithms(algorithms: readonly Algorithm[] | undefined): readonly Algorithm[] {
  if (algorithms === undefined) return usualAlgorithms
  const isList = Array.isArray(algorithms) && algorithms.length > 0
  if (isList && algorithms.every((one) => isAlgorithm(one) && algorithmRow(one).family !== 'hmac')) {
    return Object.freeze([...algorithms])
  }
  throw new Problem('option-invalid', 'createDpopChecker: algorithms must be a list of asymmetric algorithms')
}

function readSeconds(option: string, seconds: number, least: number, most: number): number {
  if (typeof seconds === 'number' && seconds >= least && seconds <= most) return seconds
  throw new Problem('option-invalid', `createDpopChecker: ${option} must be ${least} to ${most} seconds`)
}

function invalid(detail: string): Denial {
  return deny('proof-invalid', `DPoP proof: ${detail}`)
}

function denied(denial: Denial): DpopCheck {
  return { kind: 'denied', denial }
}

const optionNames = ['algorithms', 'maxAgeSeconds', 'maxAheadSeconds', 'nonces', 'replays']
const usualAlgorithms: readonly Algorithm[] = Object.freeze(['ES256', 'PS256', 'EdDSA', 'Ed25519'] as const)
const proofTypes: ReadonlySet<string> = new Set(['dpop+jwt'])
/** A key of 4096 bits, its signature and a long URL fit. */
const maxProofLength = 8192
const maxKnownHeaders = 1000
// In characters of base64url: 4096 and 32 bits.
const maxModulusLength = 683
const maxExponentLength = 6

// Frozen, since one object answers many requests.
const noProof = Object.freeze(deny('proof-missing', 'no DPoP header'))
const twoProofs = Object.freeze(deny('proof-invalid', 'DPoP proof: more than one DPoP header'))
const noNonce = Object.freeze(deny('nonce-required', 'the proof has no nonce'))
const oldNonce = Object.freeze(deny('nonce-required', 'the nonce of the proof counts no more, or never did'))
const otherKey = Object.freeze(
  deny('confirmation-mismatch', 'the proof is signed by another key than the token is bound to'),
)
const replayed = Object.freeze(deny('proof-replayed', 'this proof was used before'))
