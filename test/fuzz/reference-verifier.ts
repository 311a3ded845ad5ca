import { naiveBase64url, naiveJsonObject } from './reference-json.ts'

/** What the rules say about a token, written down once more, in their order, without a thought of speed. */
export type ReferenceRules = {
  readonly issuer: string
  readonly audience: string
  readonly type: string
  readonly toleranceSeconds: number
  readonly nowSeconds: number
  readonly keys: readonly ReferenceKey[]
}

export type ReferenceKey = {
  readonly kid: string
  readonly alg: string
  readonly verifies: (input: string, signature: Uint8Array) => boolean
}

type Members = Readonly<Record<string, unknown>>

/** `verified`, or the reason of the denial. */
export function referenceVerdict(token: string, rules: ReferenceRules): string {
  if (token.length > 16_384) return 'token-oversize'
  const segments = token.split('.')
  if (segments.length !== 3 || segments[0] === '') return 'token-malformed'
  const [head, body, tail] = segments as [string, string, string]

  if (head.length > 2048) return 'token-malformed'
  const header = readObject(head)
  if (header === undefined) return 'token-malformed'
  if (typeof header['alg'] !== 'string') return 'token-malformed'
  if (!algorithms.includes(header['alg'])) return 'algorithm-mismatch'
  if ('kid' in header && (typeof header['kid'] !== 'string' || header['kid'].length > 256))
    return 'token-malformed'
  if ('typ' in header && typeof header['typ'] !== 'string') return 'token-malformed'
  if ('crit' in header || 'b64' in header) return 'critical-unknown'
  if ('enc' in header || 'zip' in header) return 'token-malformed'

  const claims = readObject(body)
  if (claims === undefined) return 'token-malformed'
  if (claims['iss'] !== rules.issuer) return 'issuer-mismatch'
  if (mediaType(header['typ']) !== rules.type) return 'type-mismatch'

  const named = rules.keys.filter((key) => key.kid === header['kid'])
  if ('kid' in header && named.length === 0) return 'key-unknown'
  const fitting = ('kid' in header ? named : rules.keys).filter((key) => key.alg === header['alg'])
  if (fitting.length === 0) return 'algorithm-mismatch'
  if (fitting.length > 1) return 'key-unknown'
  const signature = naiveBase64url(tail)
  if (signature === undefined || !fitting[0]!.verifies(`${head}.${body}`, signature))
    return 'signature-invalid'
  return claimsVerdict(claims, rules)
}

function claimsVerdict(claims: Members, rules: ReferenceRules): string {
  const folded = Object.keys(claims).map((name) => name.toUpperCase().toLowerCase())
  if (new Set(folded).size !== folded.length) return 'claim-malformed'
  for (const [index, name] of Object.keys(claims).entries()) {
    if (knownClaims.includes(folded[index]!) && !knownClaims.includes(name)) return 'claim-malformed'
  }
  const { aud, exp, nbf, iat } = claims
  const audiences = typeof aud === 'string' ? [aud] : aud
  if (!isTextList(audiences) || !audiences.includes(rules.audience)) return 'audience-mismatch'
  for (const name of ['sub', 'client_id', 'azp', 'jti']) {
    if (name in claims && typeof claims[name] !== 'string') return 'claim-malformed'
  }
  for (const name of ['scope', 'scp']) {
    if (name in claims && typeof claims[name] !== 'string' && !isTextList(claims[name]))
      return 'claim-malformed'
  }
  if (!('exp' in claims)) return 'claim-missing'
  for (const [name, date] of Object.entries({ exp, nbf, iat })) {
    if (name in claims && !(typeof date === 'number' && date >= 0 && date <= 253_402_300_799))
      return 'claim-malformed'
  }
  if (rules.nowSeconds >= (exp as number) + rules.toleranceSeconds) return 'token-expired'
  for (const date of [nbf ?? 0, iat ?? 0]) {
    if (rules.nowSeconds < (date as number) - rules.toleranceSeconds) return 'token-premature'
  }
  return 'cnf' in claims ? 'proof-required' : 'verified'
}

function readObject(segment: string): Members | undefined {
  const bytes = naiveBase64url(segment)
  if (bytes === undefined) return undefined
  const reading = naiveJsonObject(bytes)
  return 'value' in reading ? (reading.value as Members) : undefined
}

function mediaType(typ: unknown): string | undefined {
  if (typeof typ !== 'string') return undefined
  const lower = typ.toLowerCase()
  const [prefix, rest, ...more] = lower.split('/')
  return prefix === 'application' && rest !== undefined && more.length === 0 ? rest : lower
}

function isTextList(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((one) => typeof one === 'string')
}

const algorithms = [
  ...[
    'HS256',
    'HS384',
    'HS512',
    'RS256',
    'RS384',
    'RS512',
    'PS256',
    'PS384',
    'PS512',
    'ES256',
    'ES384',
    'ES512',
  ],
  ...['EdDSA', 'Ed25519', 'Ed448', 'ML-DSA-44', 'ML-DSA-65', 'ML-DSA-87'],
]
const knownClaims = [
  ...['iss', 'sub', 'aud', 'exp', 'nbf', 'iat', 'jti', 'client_id', 'azp', 'scope', 'scp', 'roles', 'groups'],
  ...['entitlements', 'act', 'may_act', 'cnf', 'txn'],
]
