import type { DenialReason } from '@countersign/sdk/core'
import { inspectToken, isAlgorithm } from '@countersign/sdk/jwt'
import type { TrustedIssuerOptions, Verification } from '@countersign/sdk/jwt'
import { visible } from '../visible.ts'

/** One thing a verifier looks at, and how the token fared. */
export type VerifyCheck = {
  readonly name: CheckName
  /** `skipped`: something before it had failed, so nobody can say. */
  readonly outcome: 'pass' | 'fail' | 'skipped'
  /** What was found, or what is wrong. */
  readonly detail: string
}

export type CheckName =
  | 'form'
  | 'issuer'
  | 'algorithm'
  | 'type'
  | 'key'
  | 'signature'
  | 'audience'
  | 'claims'
  | 'time'
  | 'proof'
  | 'revocation'

/**
 * Lists every check of the verifier: what passed, the one that failed, and what it did not come to. The verifier's answer
 * alone decides; what the token says is only shown beside it.
 */
export function verifyChecks(
  token: string,
  issuers: readonly TrustedIssuerOptions[],
  verification: Verification,
  nowMs: number,
): VerifyCheck[] {
  const found = describe(token, issuers, nowMs)
  if (verification.kind === 'verified') {
    const isBound = verification.token.confirmation !== undefined
    // Only servers follow a list of revocations, and only they see who sends a token: here nobody can say.
    const skipped: readonly CheckName[] = isBound ? ['revocation', 'proof'] : ['revocation']
    return names.map((name) => ({
      name,
      outcome: skipped.includes(name) ? 'skipped' : 'pass',
      detail: name === 'proof' && isBound ? boundToClient : found[name],
    }))
  }
  const { reason, detail } = verification.denial
  const { fails, passed } = failures[reason] ?? { fails: 'form', passed: [] }
  // An algorithm that nobody knows is refused while the header is read, before anything else.
  const early = reason === 'algorithm-mismatch' && !isAlgorithm(inspectToken(token).header?.['alg'])
  return names.map((name) => {
    if (name === fails) return { name, outcome: 'fail', detail: `${reason}: ${detail}` }
    if (!early && passed.includes(name)) return { name, outcome: 'pass', detail: found[name] }
    return { name, outcome: 'skipped', detail: 'not looked at' }
  })
}

/** What a passed check found, for people. */
function describe(
  token: string,
  issuers: readonly TrustedIssuerOptions[],
  nowMs: number,
): Readonly<Record<CheckName, string>> {
  const { header, claims } = inspectToken(token)
  const { iss, aud, exp } = claims ?? {}
  const audience = issuers.find(({ issuer }) => issuer === iss)?.audience
  return {
    form: `a compact JWS of ${token.length} characters`,
    issuer: shown(iss),
    algorithm: shown(header?.['alg']),
    type: shown(header?.['typ']),
    key: `kid ${shown(header?.['kid'])}`,
    signature: 'fits the text and the key',
    audience: `${shown(aud)}, expected ${shown(audience)}`,
    claims: Object.keys(claims ?? {})
      .map(visible)
      .join(', '),
    time: typeof exp === 'number' ? `ends in ${Math.round(exp - nowMs / 1000)} s` : 'never ends',
    proof: 'none needed',
    revocation: 'no list to look in here',
  }
}

const boundToClient = 'bound to its client (cnf), which has to prove itself with each request'

function shown(value: unknown): string {
  if (value === undefined) return '(none)'
  return visible(typeof value === 'string' ? value : JSON.stringify(value))
}

const names: readonly CheckName[] = [
  'form',
  'issuer',
  'algorithm',
  'type',
  'key',
  'signature',
  'audience',
  'claims',
  'time',
  'proof',
  'revocation',
]

const beforeClaims: readonly CheckName[] = ['form', 'issuer', 'algorithm', 'type', 'key', 'signature']

type Failure = { readonly fails: CheckName; readonly passed: readonly CheckName[] }

/** By reason: the check that failed, and those that must have passed for the verifier to come that far. */
const failures: Readonly<Partial<Record<DenialReason, Failure>>> = {
  'token-oversize': { fails: 'form', passed: [] },
  'token-malformed': { fails: 'form', passed: [] },
  'critical-unknown': { fails: 'form', passed: [] },
  'issuer-mismatch': { fails: 'issuer', passed: ['form'] },
  'algorithm-mismatch': { fails: 'algorithm', passed: ['form', 'issuer'] },
  'type-mismatch': { fails: 'type', passed: ['form', 'issuer'] },
  'key-unknown': { fails: 'key', passed: ['form', 'issuer', 'type'] },
  'signature-invalid': { fails: 'signature', passed: ['form', 'issuer', 'algorithm', 'type', 'key'] },
  'audience-mismatch': { fails: 'audience', passed: beforeClaims },
  'claim-malformed': { fails: 'claims', passed: beforeClaims },
  'claim-missing': { fails: 'claims', passed: [...beforeClaims, 'audience'] },
  'claims-mismatch': { fails: 'claims', passed: [...beforeClaims, 'audience'] },
  'token-expired': { fails: 'time', passed: [...beforeClaims, 'audience'] },
  'token-premature': { fails: 'time', passed: [...beforeClaims, 'audience'] },
  'token-lifetime': { fails: 'time', passed: [...beforeClaims, 'audience'] },
  'proof-required': { fails: 'proof', passed: [...beforeClaims, 'audience', 'claims', 'time'] },
  'token-revoked': { fails: 'revocation', passed: [...beforeClaims, 'audience', 'claims', 'time', 'proof'] },
}
