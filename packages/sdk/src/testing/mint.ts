import { randomUUID } from 'node:crypto'
import { encodeBase64url } from '../core/base64url.ts'
import { refuseUnknownOptions } from '../core/options.ts'
import type { SigningKey } from '../jwt/key.ts'
import { createSigner } from '../jwt/signer.ts'

/** What a token for a test says. All of it may be left out: the token is then a good one of a client without roles. */
export type TestToken = {
  /** The `sub`; the client itself unless given. */
  readonly subject?: string
  /** The `client_id`; `test-client` unless given. */
  readonly clientId?: string
  /** The `aud`; the test issuer's audience unless given. */
  readonly audience?: string | readonly string[]
  readonly roles?: string | readonly string[]
  readonly scopes?: string | readonly string[]
  /** Who acts for the subject (RFC 8693 §4.1); of several, the one acting now first. */
  readonly actor?: string | readonly string[]
  /** Seconds from `iat` to `exp`; a negative number makes a token that has ended. */
  readonly lifetimeSeconds?: number
  /** More claims, and others in place of those above; one that is `undefined` is left out. */
  readonly claims?: Readonly<Record<string, unknown>>

  /** Like `claims`, but signed whatever they are: `{ exp: 'soon' }`. */
  readonly dangerouslyClaims?: Readonly<Record<string, unknown>>
  /** Another `typ` in the header. */
  readonly dangerouslyType?: string
  /** Another `alg` in the header, such as `none`; the signature is as before. */
  readonly dangerouslyAlgorithm?: string
  /** Another `kid` in the header. */
  readonly dangerouslyKeyId?: string
  /** More members of the header, and others in place of its own; one that is `undefined` is left out. */
  readonly dangerouslyHeader?: Readonly<Record<string, unknown>>
  /** `broken`: one bit differs. `none`: it is empty. `foreign`: made by a key that the issuer does not have. */
  readonly dangerouslySignature?: 'broken' | 'none' | 'foreign'
}

/** The same with the names that a service has, so that a misspelt one does not compile. */
export type TestTokenOf<Role extends string, Scope extends string> = Omit<TestToken, 'roles' | 'scopes'> & {
  readonly roles?: Role | readonly Role[]
  readonly scopes?: Scope | readonly Scope[]
}

/** Who mints, for whom, and when. */
export type Mint = {
  readonly issuer: string
  readonly audience: string
  readonly lifetimeSeconds: number
  readonly nowMs: number
  readonly key: SigningKey
  /** A key of the same algorithm that no key set holds. */
  readonly foreignKey: () => SigningKey
}

/**
 * Signs a token as an issuer would (RFC 9068), or wrong in exactly the way that is asked for.
 *
 * @throws Problem `option-unknown`; `claims-invalid` for dates that are none, unless they stand in `dangerouslyClaims`.
 */
export function mintTestToken(wanted: TestToken, mint: Mint): string {
  refuseUnknownOptions('token', wanted, tokenNames)
  const claims = claimsOf(wanted, mint)
  const isHonest = !Object.keys(wanted).some((name) => name.startsWith('dangerously'))
  return isHonest ? createSigner({ key: mint.key }).sign(claims) : mintWrong(wanted, claims, mint)
}

function claimsOf(wanted: TestToken, { issuer, audience, lifetimeSeconds, nowMs }: Mint) {
  const clientId = wanted.clientId ?? 'test-client'
  const iat = Math.floor(nowMs / 1000)
  return {
    iss: issuer,
    aud: wanted.audience ?? audience,
    sub: wanted.subject ?? clientId,
    client_id: clientId,
    iat,
    exp: iat + (wanted.lifetimeSeconds ?? lifetimeSeconds),
    jti: randomUUID(),
    scope: wanted.scopes === undefined ? undefined : listOf(wanted.scopes).join(' '),
    roles: wanted.roles === undefined ? undefined : listOf(wanted.roles),
    act: actorOf(listOf(wanted.actor ?? [])),
    ...wanted.claims,
    ...wanted.dangerouslyClaims,
  }
}

/** The signer writes no such token, so this one is put together here; the signature itself is still the real one. */
function mintWrong(wanted: TestToken, claims: object, { key, foreignKey }: Mint): string {
  const header = {
    alg: wanted.dangerouslyAlgorithm ?? key.algorithm,
    typ: wanted.dangerouslyType ?? 'at+jwt',
    kid: wanted.dangerouslyKeyId ?? (key.keyId === '' ? undefined : key.keyId),
    ...wanted.dangerouslyHeader,
  }
  const input = `${encode(header)}.${encode(claims)}`
  return `${input}.${sign(input, wanted.dangerouslySignature, key, foreignKey)}`
}

function sign(
  input: string,
  kind: TestToken['dangerouslySignature'],
  key: SigningKey,
  foreignKey: () => SigningKey,
): string {
  if (kind === 'none') return ''
  if (kind === 'foreign') return foreignKey().signs(input)
  const signature = key.signs(input)
  if (kind === undefined) return signature
  const bytes = Buffer.from(signature, 'base64url')
  bytes[0]! ^= 1
  return encodeBase64url(bytes)
}

function actorOf([first, ...before]: readonly string[]): object | undefined {
  return first === undefined ? undefined : { sub: first, act: actorOf(before) }
}

function listOf(value: string | readonly string[]): readonly string[] {
  return typeof value === 'string' ? [value] : value
}

/** JSON leaves members out that are undefined. */
function encode(value: object): string {
  return encodeBase64url(Buffer.from(JSON.stringify(value), 'utf8'))
}

const tokenNames: readonly string[] = Object.keys({
  subject: 0,
  clientId: 0,
  audience: 0,
  roles: 0,
  scopes: 0,
  actor: 0,
  lifetimeSeconds: 0,
  claims: 0,
  dangerouslyClaims: 0,
  dangerouslyType: 0,
  dangerouslyAlgorithm: 0,
  dangerouslyKeyId: 0,
  dangerouslyHeader: 0,
  dangerouslySignature: 0,
} satisfies Record<keyof TestToken, 0>)
