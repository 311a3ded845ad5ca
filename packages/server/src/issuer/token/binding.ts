import type { Denial } from '@countersign/sdk/core'
import type { DpopChecker } from '@countersign/sdk/jwt'
import type { RequestPeer } from '@countersign/sdk/policy'
import type { Client } from '../../trust/trust.ts'
import type { Granted } from '../grants/rights.ts'
import { isRefusal, refuse } from '../http/refusal.ts'
import type { Refusal } from '../http/refusal.ts'

/** What a token request shows beside its form. */
export type Showing = {
  /** Names and values in turn, as they arrived; a DPoP proof is one of them. */
  readonly rawHeaders?: readonly string[]
  /** The connection, which may have a client certificate. */
  readonly peer?: RequestPeer | undefined
  readonly nowMs: number
}

/** What a token is bound to, as its `cnf` claim (RFC 7800 §3) has it. */
export type Bound = {
  readonly claim: ConfirmationClaim | undefined
  /** What to answer in `DPoP-Nonce`. */
  readonly nextNonce: string | undefined
}

/** RFC 9449 §6.1, RFC 8705 §3.1 */
export type ConfirmationClaim = { readonly jkt?: string; readonly 'x5t#S256'?: string }

/**
 * Says what a granted token is bound to. A value for a bearer token, so that those wait for nothing.
 *
 * @throws Problem (or rejects with one) when the store of used proofs cannot tell.
 */
export type Binding = (
  client: Client,
  granted: Granted,
  showing: Showing,
) => Bound | Refusal | Promise<Bound | Refusal>

export type BindingOptions = {
  readonly proofs: DpopChecker
  /** The token endpoint's URL; where clients know it by several, all of them. */
  readonly url: string | readonly string[]
  /** The SHA-256 of the certificate that the client has shown, base64url. */
  readonly certificateOf: (showing: Showing) => string | undefined
}

/**
 * Binds tokens to those who ask for them: to the key of a DPoP proof where one is shown (RFC 9449 §5), to the client's
 * certificate (RFC 8705 §3) where the trust file says so. What the trust file asks for and is not shown is refused.
 *
 * A token that was exchanged keeps whatever its parent was bound to: the client must show that it is the one.
 *
 * @example
 * const bind = createBinding({ proofs: createDpopChecker(), url: 'https://issuer.example/token', certificateOf })
 * await bind(client, granted, { rawHeaders: request.rawHeaders, peer: request.socket, nowMs })
 */
export function createBinding({ proofs, url, certificateOf }: BindingOptions): Binding {
  return (client, granted, showing) => {
    const { rawHeaders = [] } = showing
    const hasProof = rawHeaders.some((name, at) => at % 2 === 0 && isDpop(name))
    const parent = granted.delegation?.boundTo
    if (client.bind === undefined && granted.bind === undefined && parent === undefined && !hasProof) {
      return bearer
    }
    const certificate = readCertificate(client, granted, showing, hasProof)
    if (isRefusal(certificate)) return certificate
    const needsProof =
      client.bind === 'dpop' || granted.bind === 'dpop' || parent?.keyThumbprint !== undefined
    if (!hasProof && !needsProof) return { claim: certificate, nextNonce: undefined }
    const checked = proofs.check({
      rawHeaders,
      method: 'POST',
      url,
      owner: client.id,
      nowMs: showing.nowMs,
      ...(parent?.keyThumbprint === undefined ? {} : { thumbprint: parent.keyThumbprint }),
    })
    const conclude = (result: Awaited<typeof checked>): Bound | Refusal => {
      if (result.kind === 'denied') return refusedProof(result.denial, proofs.currentNonce(showing.nowMs))
      const { thumbprint, nextNonce } = result.proof
      return { claim: { jkt: thumbprint, ...certificate }, nextNonce }
    }
    return checked instanceof Promise ? checked.then(conclude) : conclude(checked)
  }

  function readCertificate(
    client: Client,
    granted: Granted,
    showing: Showing,
    hasProof: boolean,
  ): ConfirmationClaim | Refusal {
    const parent = granted.delegation?.boundTo?.certificateThumbprint
    const needed = client.bind === 'certificate' || granted.bind === 'certificate'
    // Of the two ways, the proof is taken where both are there: it is the one the client made for this request.
    const isOther = granted.bind === 'any' && !hasProof && client.bind !== 'dpop'
    if (!needed && !isOther && parent === undefined) return {}
    const shown = certificateOf(showing)
    if (shown === undefined) {
      return refuse(
        'invalid_request',
        isOther && !needed
          ? 'tokens for this service are bound to their client: send a DPoP proof or show a certificate'
          : 'the token would be bound to a client certificate, and none was shown',
      )
    }
    if (parent !== undefined && parent !== shown) return otherCertificate
    return { 'x5t#S256': shown }
  }
}

function isDpop(name: string): boolean {
  return name.length === 4 && name.toLowerCase() === 'dpop'
}

/** RFC 9449 §5, §8. The client has proven who it is, so it may know what is wrong with its proof. */
function refusedProof(denial: Denial, nonce: string | undefined): Refusal {
  const headers = nonce === undefined ? {} : { headers: ['DPoP-Nonce', nonce] }
  const { reason, detail } = denial
  if (reason === 'nonce-required') {
    return {
      ...refuse('use_dpop_nonce', 'repeat the request with the nonce of DPoP-Nonce'),
      ...headers,
      denial,
    }
  }
  if (reason === 'confirmation-mismatch') {
    return { ...refuse('invalid_request', 'the subject_token is bound to another key'), ...headers, denial }
  }
  const said = reason === 'proof-missing' ? 'the token would be bound to a DPoP key: send a proof' : detail
  return { ...refuse('invalid_dpop_proof', said), ...headers, denial }
}

const bearer: Bound = Object.freeze({ claim: undefined, nextNonce: undefined })
const otherCertificate = refuse('invalid_request', 'the subject_token is bound to another certificate')
