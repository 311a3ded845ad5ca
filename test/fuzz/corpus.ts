import { createHmac, generateKeyPairSync } from 'node:crypto'
import { createKeySet, createVerifier, readJwk, readSecretKey } from '@countersign/sdk/jwt'
import type { Jwk, VerificationKey, Verifier } from '@countersign/sdk/jwt'
import { Secret } from '@countersign/sdk/core'
import { audience, issuer, now, nowMs } from '../attacks/stage.ts'
import { signedOnce } from './signed-once.ts'
import type { ReferenceKey, ReferenceRules } from './reference-verifier.ts'

// What the mutations start from: honest headers, claims, tokens, keys and sets.

export const claimsText = JSON.stringify({
  iss: issuer,
  aud: audience,
  sub: 'orders',
  client_id: 'orders',
  iat: now - 10,
  exp: now + 290,
  jti: 'token-1',
})

export const claimsTexts: readonly string[] = [
  claimsText,
  `{"iss":"${issuer}","aud":["other","${audience}"],"exp":${now + 1},"nbf":${now},"scope":"a b","roles":["x"]}`,
  `{ "exp" : 1.8000003e9 , "aud" : "${audience}" , "iss" : "${issuer}" , "act" : { "sub" : "web" , "act" : { "sub" : "é" } } }`,
  `{"iss":"${issuer}","aud":"${audience}","exp":${now + 290},"note":"\\u00e9\\ud834\\udd1e \\"a\\":1 €","scp":["a"],"n":[1,-0,0.5,1e3,[{}]]}`,
]

const secrets = { a: Buffer.alloc(32, 'a'), b: Buffer.alloc(64, 'b') }

export const headerTexts: readonly string[] = [
  '{"alg":"HS256","typ":"at+jwt","kid":"a"}',
  '{"alg":"HS512","typ":"application/at+jwt","kid":"b"}',
  '{ "typ" : "AT+JWT" , "alg" : "HS256" }',
  '{"alg":"HS256","typ":"at+jwt","kid":"a","cty":"x","x5t":"AA","x":{"y":[1,{"z":null}]}}',
]

/** Signs whatever the header says with the secret of `a`, except for what begins like an honest one of `b`. */
export function signText(head: string, body: string): string {
  const [secret, hash] = head.startsWith(headB) ? [secrets.b, 'sha512'] : [secrets.a, 'sha256']
  return `${head}.${body}.${createHmac(hash, secret).update(`${head}.${body}`).digest('base64url')}`
}

const headB = Buffer.from('{"alg":"HS512"').toString('base64url').slice(0, 18)

/** Tokens of secrets, and all tokens; the set of those no mutation may add to. */
export const macTokens: readonly string[] = headerTexts.flatMap((header) =>
  claimsTexts.map((claims) => signText(encode(header), encode(claims))),
)
export const signedTokens: readonly string[] = signedOnce.map(({ token }) => token)
export const honest: ReadonlySet<string> = new Set([...macTokens, ...signedTokens])

export function encode(bytes: string | Uint8Array): string {
  return Buffer.from(bytes).toString('base64url')
}

const macKeys = [
  readSecretKey(new Secret(secrets.a), { algorithm: 'HS256', keyId: 'a' }),
  readSecretKey(new Secret(secrets.b), { algorithm: 'HS512', keyId: 'b' }),
]
const signatureKeys = signedOnce.map(({ jwk }) => readJwk(jwk))

/** The same keys and rules three times: with a cache, with a small one, without one; and once more in plain words. */
export type Bench = {
  readonly keys: readonly VerificationKey[]
  readonly cached: Verifier
  readonly small: Verifier
  readonly plain: Verifier
  readonly rules: ReferenceRules
}

export const macBench = bench(macKeys, [
  { kid: 'a', alg: 'HS256', verifies: mac('sha256', secrets.a) },
  { kid: 'b', alg: 'HS512', verifies: mac('sha512', secrets.b) },
])

export const signatureBench = bench(
  signatureKeys,
  signatureKeys.map((key) => ({
    kid: key.keyId!,
    alg: key.algorithm,
    // Whether a signature is one is for node:crypto to say; what else is accepted is what this is about.
    verifies: (input, signature) => key.verifies(Buffer.from(input), encode(signature)),
  })),
)

function bench(keys: readonly VerificationKey[], reference: readonly ReferenceKey[]): Bench {
  const made = (cache: { entries: number } | false): Verifier =>
    createVerifier({ issuer, audience, keySet: createKeySet(keys), cache, clock: () => nowMs })
  const rules = { issuer, audience, type: 'at+jwt', toleranceSeconds: 5, nowSeconds: now, keys: reference }
  return { keys, cached: made({ entries: 1000 }), small: made({ entries: 2 }), plain: made(false), rules }
}

function mac(hash: string, secret: Buffer): ReferenceKey['verifies'] {
  return (input, signature) => createHmac(hash, secret).update(input).digest().equals(Buffer.from(signature))
}

/** Public, private and symmetric keys; new ones in each run, since what is mutated is their shape. */
export const jwks: readonly Jwk[] = [
  ...signedOnce.map(({ jwk }) => ({ ...jwk, use: 'sig' })),
  {
    ...generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey.export({ format: 'jwk' }),
    alg: 'RS256',
  },
  {
    ...generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ format: 'jwk' }),
    kid: 'private',
  },
  {
    ...generateKeyPairSync('ed25519').privateKey.export({ format: 'jwk' }),
    alg: 'Ed25519',
    key_ops: ['sign'],
  },
  { ...generateKeyPairSync('ed448').publicKey.export({ format: 'jwk' }), alg: 'Ed448', key_ops: ['verify'] },
  { kty: 'oct', alg: 'HS256', kid: 'secret', k: encode(secrets.a) },
]

export const pems: readonly string[] = [
  generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey.export({
    type: 'spki',
    format: 'pem',
  }) as string,
  generateKeyPairSync('ed25519').publicKey.export({ type: 'spki', format: 'pem' }) as string,
  generateKeyPairSync('rsa', { modulusLength: 2048 }).publicKey.export({
    type: 'spki',
    format: 'pem',
  }) as string,
]
