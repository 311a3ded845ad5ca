import { createHmac, createPublicKey, constants, generateKeyPairSync, sign } from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import assert from 'node:assert/strict'
import { createKeySet, createVerifier, readJwk, readJwks } from '@countersign/sdk/jwt'
import type { Jwk, KeySet, VerificationKey, Verifier, VerifierOptions } from '@countersign/sdk/jwt'
import type { DenialReason } from '@countersign/sdk/core'

// What every attack needs: an issuer with keys, a verifier that trusts it, and tokens written by hand, byte for byte,
// with node:crypto alone. Nothing of what is attacked here takes part in making what attacks it.

export const issuer = 'https://issuer.example'
export const audience = 'https://billing.example'
export const nowMs = 1_800_000_000_000
export const now = nowMs / 1000

/** The claims of an honest token, with `changes`; a member that is changed to undefined is left out. */
export function claims(changes: Readonly<Record<string, unknown>> = {}): Record<string, unknown> {
  return {
    iss: issuer,
    aud: audience,
    sub: 'orders',
    client_id: 'orders',
    iat: now - 10,
    exp: now + 290,
    jti: 'token-1',
    ...changes,
  }
}

/** A key pair as an issuer or an attacker holds it: the algorithm is what its owner signs with. */
export type Pair = { readonly alg: string; readonly kid: string; readonly key: KeyObject }

/** One pair for each algorithm that is asked for, made once. */
export function pair(alg: string, kid: string = alg.toLowerCase()): Pair {
  const name = `${alg} ${kid}`
  let known = pairs.get(name)
  if (known === undefined) pairs.set(name, (known = { alg, kid, key: makeKey(alg) }))
  return known
}

export function publicJwkOf({ alg, kid, key }: Pair): Jwk {
  return { ...createPublicKey(key).export({ format: 'jwk' }), kid, alg, use: 'sig' }
}

export function publicPemOf({ key }: Pair): string {
  return createPublicKey(key).export({ type: 'spki', format: 'pem' }) as string
}

export function verificationKeyOf(pair: Pair): VerificationKey {
  return readJwk(publicJwkOf(pair))
}

/** What signs: the bytes of a signature for a signing input. */
export type Signature = (input: string) => Uint8Array

/** How the owner of `pair` signs, with `alg` in place of its own where the attack asks for it. */
export function signedBy({ key }: Pair, alg: string): Signature {
  return (input) => {
    const hash = `sha${alg.slice(2)}`
    const bytes = Buffer.from(input)
    if (alg.startsWith('RS')) return sign(hash, bytes, key)
    if (alg.startsWith('ES')) return sign(hash, bytes, { key, dsaEncoding: 'ieee-p1363' })
    if (alg.startsWith('PS')) {
      return sign(hash, bytes, {
        key,
        padding: constants.RSA_PKCS1_PSS_PADDING,
        saltLength: hashBytes[hash]!,
      })
    }
    return sign(null, bytes, key)
  }
}

/** An HMAC with any bytes, as an attacker tries them. */
export function macWith(secret: string | Uint8Array, hash = 'sha256'): Signature {
  return (input) => createHmac(hash, secret).update(input).digest()
}

/** A part of a token: a value to be written as JSON, or the exact text or bytes. */
export type Part = Readonly<Record<string, unknown>> | readonly unknown[] | string | Uint8Array

/** The compact form of anything, signed by anyone. */
export function forge(header: Part, payload: Part, signature: Signature): string {
  const input = `${encode(header)}.${encode(payload)}`
  return `${input}.${Buffer.from(signature(input)).toString('base64url')}`
}

/** A token with the issuer's own signature whose header or claims are changed: the hardest one to refuse. */
export function signed(
  pair: Pair,
  changes: Readonly<Record<string, unknown>> | string | Uint8Array = {},
  header: Readonly<Record<string, unknown>> | string | Uint8Array = {},
): string {
  const head = isText(header) ? header : { alg: pair.alg, typ: 'at+jwt', kid: pair.kid, ...header }
  return forge(head, isText(changes) ? changes : claims(changes), signedBy(pair, pair.alg))
}

export function encode(part: Part): string {
  return Buffer.from(isText(part) ? part : JSON.stringify(part)).toString('base64url')
}

/** A verifier that trusts `issuer`, at a time that stands still. */
export function verifierOf(keySet: KeySet, options: Readonly<Record<string, unknown>> = {}): Verifier {
  const all = { issuer, audience, keySet, clock: () => nowMs, ...options }
  return createVerifier(all as VerifierOptions)
}

/** An issuer of one key, the verifier that trusts it, and an honest token of it. */
export function scene(alg = 'ES256', options: Readonly<Record<string, unknown>> = {}): Scene {
  const own = pair(alg)
  const keySet = createKeySet(readJwks({ keys: [publicJwkOf(own)] }))
  return { own, keySet, verifier: verifierOf(keySet, options), honest: signed(own) }
}

export type Scene = {
  readonly own: Pair
  readonly keySet: KeySet
  readonly verifier: Verifier
  readonly honest: string
}

/** The positive control: this very verifier takes this token, or its refusals would prove nothing. */
export async function accepts(verifier: Verifier, token: string): Promise<void> {
  const verification = await verifier.verify(token)
  assert.equal(
    verification.kind,
    'verified',
    verification.kind === 'denied' ? verification.denial.detail : '',
  )
  assert.equal(verifier.verifyNow(token)?.kind, 'verified')
}

/** Both ways of verifying refuse `token` for `reason`, and what they say holds no part of it. */
export async function refuses(verifier: Verifier, token: string, reason: DenialReason): Promise<void> {
  const first = await verifier.verify(token)
  // Where the keys are fetched, nothing can be said at once whenever the set would be asked again.
  for (const verification of [verifier.verifyNow(token) ?? first, first]) {
    assert.equal(verification?.kind, 'denied', `accepted: ${shown(token)}`)
    assert.equal(verification.denial.reason, reason, `${verification.denial.detail}: ${shown(token)}`)
    const told = JSON.stringify(verification)
    for (const segment of typeof token === 'string' ? token.split('.', 5) : []) {
      assert.ok(segment.length < 8 || !told.includes(segment), 'the denial quotes the token')
    }
  }
}

/** `make` throws a Problem of this code. */
export function refusesToMake(make: () => unknown, code: string): void {
  assert.throws(make, (thrown: unknown) => {
    assert.ok(thrown instanceof Error)
    assert.equal(thrown.name, 'Problem', thrown.message)
    assert.equal((thrown as Error & { code?: string }).code, code, thrown.message)
    return true
  })
}

const pairs = new Map<string, Pair>()
const hashBytes: Readonly<Record<string, number>> = { sha256: 32, sha384: 48, sha512: 64 }
const curves: Readonly<Record<string, string>> = { ES256: 'P-256', ES384: 'P-384', ES512: 'P-521' }

function makeKey(alg: string): KeyObject {
  const namedCurve = curves[alg]
  if (namedCurve !== undefined) return generateKeyPairSync('ec', { namedCurve }).privateKey
  if (alg === 'Ed448') return generateKeyPairSync('ed448').privateKey
  if (alg.startsWith('Ed')) return generateKeyPairSync('ed25519').privateKey
  return generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey
}

function isText(part: unknown): part is string | Uint8Array {
  return typeof part === 'string' || part instanceof Uint8Array
}

function shown(token: unknown): string {
  return typeof token === 'string' ? `${token.slice(0, 60)} (${token.length})` : String(token)
}
