import { createPrivateKey, createPublicKey, createSecretKey, randomUUID } from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import type { Algorithm } from '@countersign/sdk/jwt'
import type { Contestant } from './measure.ts'

/** What every contestant of one algorithm works on, as it is sent to its process. */
export type MaterialSource = {
  readonly algorithm: Algorithm
  readonly privateJwk: Record<string, unknown> | undefined
  readonly publicJwk: Record<string, unknown> | undefined
  /** For HMAC, in hexadecimal. */
  readonly secret: string | undefined
  readonly tokens: readonly string[]
}

/** The same with keys that are ready. */
export type Material = Omit<MaterialSource, 'secret'> & {
  readonly privateKey: KeyObject
  readonly publicKey: KeyObject
  readonly secret: Uint8Array | undefined
  readonly keyId: string
  readonly issuer: string
  readonly audience: string
}

export const issuer = 'https://issuer.acme.example'
export const audience = 'https://billing.acme.example'
export const keyId = 'k1'

export function readMaterial(source: MaterialSource): Material {
  const secret = source.secret === undefined ? undefined : Buffer.from(source.secret, 'hex')
  const known = { ...source, secret, keyId, issuer, audience }
  if (secret !== undefined) {
    const key = createSecretKey(secret)
    return { ...known, privateKey: key, publicKey: key }
  }
  const { alg: _alg, kid: _kid, ...bare } = source.privateJwk!
  const jwk = source.algorithm.startsWith('ML') ? source.privateJwk! : bare
  const privateKey = createPrivateKey({ key: jwk, format: 'jwk' })
  return { ...known, privateKey, publicKey: createPublicKey(privateKey) }
}

/** RFC 9068 claims of a realistic size. */
export function claims(): Record<string, unknown> {
  const now = Math.floor(Date.now() / 1000)
  return {
    iss: issuer,
    aud: audience,
    sub: 'orders',
    client_id: 'orders',
    iat: now,
    exp: now + 3600,
    jti: randomUUID(),
    scope: 'invoices:read invoices:write',
    roles: ['reader', 'admin'],
    tenant: 'acme-production-eu-west-1',
    act: { sub: 'gateway', iss: issuer },
    txn: '97053963-771d-49cc-a4e3-20aad399c312',
  }
}

/** Gives each call a string that nobody has hashed or looked up before, as a request's header is. */
export function onFreshTexts(
  name: string,
  tokens: readonly string[],
  check: (token: string) => void,
): Contestant {
  const bytes = tokens.map((token) => Buffer.from(`Bearer ${token}`, 'latin1'))
  return {
    name,
    run: (times) => {
      for (let index = 0; index < times; index++) {
        check(bytes[index % bytes.length]!.toString('latin1').slice(7))
      }
    },
  }
}

export function onFreshTextsAsync(
  name: string,
  tokens: readonly string[],
  check: (token: string) => Promise<unknown>,
): Contestant {
  const bytes = tokens.map((token) => Buffer.from(`Bearer ${token}`, 'latin1'))
  return {
    name,
    run: async (times) => {
      for (let index = 0; index < times; index++) {
        await check(bytes[index % bytes.length]!.toString('latin1').slice(7))
      }
    },
  }
}
