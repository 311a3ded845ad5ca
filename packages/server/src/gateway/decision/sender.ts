import { createDpopChecker, createDpopNonces } from '@countersign/sdk/jwt'
import type { DpopChecker, VerifiedToken } from '@countersign/sdk/jwt'
import { deny } from '@countersign/sdk/core'
import { createCertificateReader, createSenderConstraint } from '@countersign/sdk/policy'
import type {
  CertificateHeader,
  CertificateReader,
  ConstrainedRequest,
  ConstraintCheck,
  DpopTerms,
  RequestPeer,
  SenderConstraint,
  ShownCertificate,
} from '@countersign/sdk/policy'
import type { GatewayShared } from '../gateway-shared.ts'
import type { GatewaySettings, Service, Trust } from '../../trust/trust.ts'

/** Checks for one service that a token comes from the client it was issued to. */
export type SenderCheck = {
  /** A value unless the store of used proofs answers later. @throws Problem `proofs-full`: answer 503 */
  check(
    request: ConstrainedRequest,
    token: VerifiedToken,
    text: string,
    nowMs: number,
  ): ConstraintCheck | Promise<ConstraintCheck>
  /** Whether tokens pass that are bound to nobody. */
  readonly acceptsBearer: boolean
  /** What challenges say about proofs. */
  terms(nowMs: number): DpopTerms | undefined
  /** The header line that tells the service of the client's certificate; empty for a token that is not bound to it. */
  certificateLine(request: ConstrainedRequest, token: VerifiedToken): string
}

/**
 * What checks share, also over a reload: a proof that was used stays used.
 *
 * @param shared what the processes of one gateway have in common; a process that is alone keeps it itself
 */
export function createGatewayProofs(
  { dpop }: Pick<GatewaySettings, 'dpop'>,
  shared?: Pick<GatewayShared, 'nonceSecret' | 'replays'>,
): DpopChecker {
  const replays = shared === undefined ? {} : { replays: shared.replays }
  if (dpop?.nonces !== true) return createDpopChecker(replays)
  const secret = dpop.nonceSecret ?? shared?.nonceSecret
  return createDpopChecker({ ...replays, nonces: createDpopNonces(secret === undefined ? {} : { secret }) })
}

/**
 * Makes the check of one service; undefined where the gateway does not know its own URL, since proofs are for one. Then no
 * bound token is taken.
 *
 * @throws Problem `option-invalid`
 */
export function createSenderCheck(
  service: Pick<Service, 'bind' | 'host'>,
  { gateway, trustedProxies = [] }: Pick<Trust, 'gateway' | 'trustedProxies'>,
  proofs: DpopChecker,
): SenderCheck | undefined {
  if (gateway?.url === undefined) return undefined
  const header = certificateHeader(gateway, trustedProxies)
  const reader = gateway.clientCertificates === undefined ? undefined : createCertificateReader(header)
  const constraint = createSenderConstraint({
    mode: service.bind === undefined ? 'accepted' : 'required',
    publicUrl: publicUrlOf(gateway.url, service.host),
    proofs,
    ...(header === undefined ? {} : { certificateFrom: header }),
  })
  return new BoundCheck(service.bind, constraint, reader)
}

class BoundCheck implements SenderCheck {
  readonly acceptsBearer: boolean
  readonly #bind: Service['bind']
  readonly #constraint: SenderConstraint
  readonly #reader: CertificateReader | undefined
  /** A connection shows one object, however many requests it carries. */
  readonly #lines = new WeakMap<ShownCertificate, string>()

  constructor(bind: Service['bind'], constraint: SenderConstraint, reader: CertificateReader | undefined) {
    this.#bind = bind
    this.acceptsBearer = bind === undefined
    this.#constraint = constraint
    this.#reader = reader
  }

  check(
    request: ConstrainedRequest,
    token: VerifiedToken,
    text: string,
    nowMs: number,
  ): ConstraintCheck | Promise<ConstraintCheck> {
    const { confirmation } = token
    // Bound, but not as the service wants it; one that is not bound at all the constraint refuses.
    if (this.#bind === 'dpop' && confirmation !== undefined && confirmation.keyThumbprint === undefined)
      return noKey
    if (
      this.#bind === 'certificate' &&
      confirmation !== undefined &&
      confirmation.certificateThumbprint === undefined
    ) {
      return noCertificate
    }
    return this.#constraint.check(request, token, text, nowMs)
  }

  terms(nowMs: number): DpopTerms | undefined {
    const terms = this.#constraint.terms(nowMs)
    // A token that is bound to a certificate is a bearer token by its scheme (RFC 8705 §3).
    return this.#bind === 'dpop' || terms === undefined ? terms : { ...terms, required: false }
  }

  certificateLine({ rawHeaders, peer }: ConstrainedRequest, { confirmation }: VerifiedToken): string {
    if (confirmation?.certificateThumbprint === undefined) return ''
    const shown = this.#reader?.certificateOf(rawHeaders, peer)
    if (shown === undefined) return ''
    let line = this.#lines.get(shown)
    if (line === undefined) {
      line = `Client-Cert: :${Buffer.from(shown.der).toString('base64')}:\r\n`
      this.#lines.set(shown, line)
    }
    return line
  }
}

/** A reply's headers with our nonce in place of any other. */
export function withNonce(headers: readonly string[], nonce: string): string[] {
  const kept: string[] = []
  for (let at = 0; at < headers.length; at += 2) {
    if (headers[at]!.toLowerCase() !== 'dpop-nonce') kept.push(headers[at]!, headers[at + 1]!)
  }
  kept.push('DPoP-Nonce', nonce)
  return kept
}

/** What the check needs to know of who sends a request. */
export type TokenSender = {
  readonly method: string
  /** The target of the request line, as it arrived. */
  readonly target: string
  readonly peer?: RequestPeer | undefined
}

function certificateHeader(
  { clientCertificates }: GatewaySettings,
  proxies: readonly string[],
): CertificateHeader | undefined {
  const header = clientCertificates?.header
  // With nobody left who may write the header, it is not read at all.
  return header === undefined || proxies.length === 0
    ? undefined
    : { header: header.name, encoding: header.encoding, proxies }
}

/** A service with a host of its own is called by that, at the gateway's scheme and port. */
function publicUrlOf(gateway: string, host: string | undefined): string {
  if (host === undefined) return gateway
  const url = new URL(gateway)
  url.hostname = host
  return url.origin
}

function refused(denial: ReturnType<typeof deny>): ConstraintCheck {
  return Object.freeze({ kind: 'denied', denial: Object.freeze(denial) })
}

const noKey = refused(deny('confirmation-missing', 'the token is bound, but to no DPoP key'))
const noCertificate = refused(deny('confirmation-missing', 'the token is bound, but to no certificate'))
