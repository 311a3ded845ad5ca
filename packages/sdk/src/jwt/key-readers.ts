import {
  createPrivateKey,
  createPublicKey,
  createSecretKey,
  generateKeyPairSync,
  randomBytes,
} from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import { algorithmRow, isAlgorithm, refuseUnknownAlgorithms } from './algorithms.ts'
import type { Algorithm } from './algorithms.ts'
import { maxKeyIdLength } from './compact.ts'
import { checkJwk, checkSecret, jwkThumbprint, refuseKeyFile } from './jwk.ts'
import type { Jwk } from './jwk.ts'
import { SigningKey, VerificationKey } from './key.ts'
import { refuseUnknownOptions } from '../core/options.ts'
import { Problem } from '../core/problem.ts'
import { rsaWeakness } from './rsa-strength.ts'
import { Secret } from '../core/secret.ts'

/** Options of {@link readJwk}. */
export type ReadJwkOptions = {
  /** The algorithms that may be meant. A key without `alg` gets the only one that fits it; two fitting refuse it. */
  readonly algorithms?: readonly Algorithm[]
  /** How messages name the key, such as a file name. */
  readonly where?: string
}

/**
 * Reads a public (or `oct`) JSON Web Key (RFC 7517) for verifying.
 *
 * Refused: private members, `use` or `key_ops` for something else, RSA below 2048 bits or with the ROCA flaw, short
 * secrets, a curve that is not the algorithm's, base64url that is not canonical.
 *
 * @throws Problem `key-invalid` or `key-too-weak`.
 * @example
 * const key = readJwk({ kty: 'OKP', crv: 'Ed25519', alg: 'Ed25519', x: '…' })
 */
export function readJwk(jwk: unknown, options: ReadJwkOptions = {}): VerificationKey {
  refuseUnknownOptions('readJwk', options, ['algorithms', 'where'])
  refuseUnknownAlgorithms('readJwk', options.algorithms)
  const checked = checkJwk(jwk, 'verify', options.algorithms, options.where ?? 'jwk')
  return new VerificationKey(checked.algorithm, checked.keyId, checked.material)
}

/** What a key is when its file does not say so itself. */
export type KeyOptions = {
  readonly algorithm: Algorithm
  /** The `kid` (RFC 7515 §4.1.4). */
  readonly keyId?: string
}

/**
 * Reads a public key in PEM (SPKI, `-----BEGIN PUBLIC KEY-----`) for verifying with exactly `algorithm`.
 *
 * A certificate, a private key or a secret is refused: what is given here is never taken for anything else
 * (RFC 8725 §3.1; attacks of the RS256/HS256 confusion kind).
 *
 * @throws Problem `key-invalid` or `key-too-weak`.
 */
export function readPublicPem(pem: string, options: KeyOptions): VerificationKey {
  refuseUnknownOptions('readPublicPem', options, ['algorithm', 'keyId'])
  if (typeof pem !== 'string' || !pem.startsWith('-----BEGIN PUBLIC KEY-----')) {
    throw new Problem('key-invalid', 'a public key in PEM begins with "-----BEGIN PUBLIC KEY-----"')
  }
  const material = importPem(() => createPublicKey({ key: pem, format: 'pem' }))
  return new VerificationKey(checkMaterial(material, options.algorithm), checkKeyId(options.keyId), material)
}

/** Options of the readers of secrets. */
export type SecretKeyOptions = KeyOptions & {
  /** Accepts a secret shorter than the hash (RFC 7518 §3.2). Whoever sees one token can then search for it. */
  readonly dangerouslyAllowShortSecret?: boolean
}

/**
 * Makes an HMAC key for verifying. Whoever can verify with it can also sign: prefer an asymmetric algorithm.
 *
 * @throws Problem `key-too-weak` for a secret shorter than the hash, `key-invalid` for an empty one or another algorithm.
 */
export function readSecretKey(secret: Secret, options: SecretKeyOptions): VerificationKey {
  const material = importSecret('readSecretKey', secret, options)
  return new VerificationKey(options.algorithm, checkKeyId(options.keyId), material)
}

/** Makes an HMAC key for signing; see {@link readSecretKey}. Without `keyId` the tokens name no key. */
export function readSecretSigningKey(secret: Secret, options: SecretKeyOptions): SigningKey {
  const material = importSecret('readSecretSigningKey', secret, options)
  return new SigningKey(options.algorithm, checkKeyId(options.keyId) ?? '', material)
}

/**
 * Reads a private JSON Web Key for signing. Without `kid` its RFC 7638 thumbprint names it.
 *
 * @throws Problem `key-invalid` or `key-too-weak`.
 */
export function readPrivateJwk(jwk: unknown, options: Partial<KeyOptions> = {}): SigningKey {
  refuseUnknownOptions('readPrivateJwk', options, ['algorithm', 'keyId'])
  const allowed = options.algorithm === undefined ? undefined : [options.algorithm]
  refuseUnknownAlgorithms('readPrivateJwk', allowed)
  const checked = checkJwk(jwk, 'sign', allowed, 'private jwk')
  if (algorithmRow(checked.algorithm).family === 'hmac')
    throw new Problem('key-invalid', 'private jwk: a secret')
  return signingKey(checked.algorithm, options.keyId ?? checked.keyId, checked.material, 'private jwk')
}

/**
 * Reads an unencrypted private key in PEM for signing with exactly `algorithm`. Without `keyId` its RFC 7638 thumbprint names it.
 *
 * @throws Problem `key-invalid` or `key-too-weak`.
 */
export function readPrivatePem(pem: Secret, options: KeyOptions): SigningKey {
  refuseUnknownOptions('readPrivatePem', options, ['algorithm', 'keyId'])
  const material = importPem(() => createPrivateKey({ key: Buffer.from(pem.reveal()), format: 'pem' }))
  const algorithm = checkMaterial(material, options.algorithm)
  return signingKey(algorithm, options.keyId, material, 'private key')
}

/** Makes a new key pair for signing: RSA with 2048 bits, `EdDSA` on Ed25519, everything else as its name says. */
export function generateSigningKey(
  algorithm: Algorithm,
  options: { readonly keyId?: string } = {},
): SigningKey {
  refuseUnknownOptions('generateSigningKey', options, ['keyId'])
  if (!isAlgorithm(algorithm)) throw new Problem('option-invalid', 'generateSigningKey: unknown algorithm')
  const row = algorithmRow(algorithm)
  if (row.family === 'hmac') {
    const secret = new Secret(randomBytes(row.minSecretBytes))
    return readSecretSigningKey(secret, { algorithm, ...options })
  }
  return signingKey(algorithm, options.keyId, generatePrivate(algorithm), 'generateSigningKey')
}

/** The half of a signing key that verifies. */
export function verificationKey(key: SigningKey): VerificationKey {
  const material = SigningKey.material(key)
  const half = key.isSymmetric ? material : createPublicKey(material)
  return new VerificationKey(key.algorithm, key.keyId === '' ? undefined : key.keyId, half)
}

/**
 * The public JWK of a signing key, with `kid`, `alg` and `use`: what a key set publishes.
 *
 * @throws Problem `key-invalid` for a secret, which has no public half.
 */
export function publicJwk(key: SigningKey): Jwk {
  if (key.isSymmetric)
    throw new Problem('key-invalid', `a ${key.algorithm} secret has no public half to publish`)
  const exported = createPublicKey(SigningKey.material(key)).export({ format: 'jwk' })
  return { ...exported, kid: key.keyId, alg: key.algorithm, use: 'sig' }
}

/**
 * The private JWK of a signing key as JSON text, for sealing at rest; {@link readPrivateJwk} reads it back, unless it is
 * a secret.
 */
export function privateJwk(key: SigningKey): Secret {
  const exported = SigningKey.material(key).export({ format: 'jwk' })
  const kid = key.keyId === '' ? undefined : key.keyId
  return Secret.fromText(JSON.stringify({ ...exported, kid, alg: key.algorithm }))
}

/** A key whose name is its RFC 7638 thumbprint unless given, and whose halves belong together. */
function signingKey(
  algorithm: Algorithm,
  keyId: string | undefined,
  material: KeyObject,
  where: string,
): SigningKey {
  const key = new SigningKey(algorithm, checkKeyId(keyId) ?? materialThumbprint(material), material)
  if (halvesFit(key, where)) return key
  throw new Problem('key-invalid', `${where}: its private and its public half are of two keys`)
}

/** OpenSSL takes the halves of two keys for one. What it signs would fail at every verifier, if it can sign at all. */
function halvesFit(key: SigningKey, text: string): boolean {
  try {
    return verificationKey(key).verifies(text, key.signs(text))
  } catch {
    return false
  }
}

function checkKeyId(keyId: string | undefined): string | undefined {
  if (keyId === undefined) return undefined
  if (typeof keyId === 'string' && keyId !== '' && keyId.length <= maxKeyIdLength) return keyId
  throw new Problem('option-invalid', `keyId must be a text of 1 to ${maxKeyIdLength} characters`)
}

function importPem(read: () => KeyObject): KeyObject {
  try {
    return read()
  } catch {
    throw new Problem('key-invalid', 'the PEM text is not a key that this runtime can read')
  }
}

function importSecret(where: string, secret: Secret, options: SecretKeyOptions): KeyObject {
  refuseUnknownOptions(where, options, ['algorithm', 'keyId', 'dangerouslyAllowShortSecret'])
  const { algorithm } = options
  if (!isAlgorithm(algorithm) || algorithmRow(algorithm).family !== 'hmac') {
    throw new Problem('key-invalid', `${where}: a secret is for HS256, HS384 or HS512 only`)
  }
  if (!(secret instanceof Secret)) throw new Problem('key-invalid', `${where}: expected a Secret`)
  const bytes = secret.reveal()
  refuseKeyFile(bytes, where)
  const weakness = bytes.length === 0 ? 'the secret is empty' : checkSecret(bytes, algorithm)
  if (weakness !== undefined && (bytes.length === 0 || options.dangerouslyAllowShortSecret !== true)) {
    throw new Problem('key-too-weak', `${where}: ${weakness}`, {
      next: 'make one with: openssl rand -base64 32',
    })
  }
  return createSecretKey(bytes)
}

/** A key file says what kind of key it holds, but not for which algorithm; the two must fit. */
function checkMaterial(material: KeyObject, algorithm: Algorithm): Algorithm {
  if (!isAlgorithm(algorithm)) throw new Problem('key-invalid', 'unknown algorithm')
  const row = algorithmRow(algorithm)
  const details = material.asymmetricKeyDetails ?? {}
  // OpenSSL names curves in its own way; a curve of somebody's own has no name and fits nothing.
  const shape = `${material.asymmetricKeyType ?? ''}${details.namedCurve === undefined ? '' : ` ${details.namedCurve}`}`
  if (!materialShapes[algorithm].includes(shape)) {
    throw new Problem('key-invalid', `a key of type ${shape || 'unknown'} is not for ${algorithm}`)
  }
  if (row.family === 'ecdsa' && !namesItsCurve(material)) {
    throw new Problem('key-invalid', 'an EC key must name its curve, not describe it (RFC 5480 §2.1.1)')
  }
  if (row.family === 'rsa') {
    const jwk = (material.type === 'private' ? createPublicKey(material) : material).export({ format: 'jwk' })
    const weakness = rsaWeakness(Buffer.from(jwk.n ?? '', 'base64url'), Buffer.from(jwk.e ?? '', 'base64url'))
    if (weakness !== undefined) throw new Problem('key-too-weak', weakness)
  }
  return algorithm
}

/**
 * A key file may also describe its curve by numbers. OpenSSL recognises a known curve by them, but a key that can come
 * with numbers of its maker's choice is the start of CVE-2020-0601, and no honest tool writes one.
 */
function namesItsCurve(material: KeyObject): boolean {
  const half = material.type === 'private' ? createPublicKey(material) : material
  return half.export({ type: 'spki', format: 'der' }).includes(ecPublicKeyThenName)
}

/** DER: OBJECT IDENTIFIER id-ecPublicKey, then the tag of another OBJECT IDENTIFIER, the curve's name. */
const ecPublicKeyThenName = Buffer.from('06072a8648ce3d020106', 'hex')

function materialThumbprint(material: KeyObject): string {
  return jwkThumbprint(createPublicKey(material).export({ format: 'jwk' }) as Jwk)
}

function generatePrivate(algorithm: Algorithm): KeyObject {
  const row = algorithmRow(algorithm)
  if (row.family === 'rsa') return generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey
  if (row.family === 'ecdsa') return generateKeyPairSync('ec', { namedCurve: row.curves[0]! }).privateKey
  if (row.family === 'eddsa') {
    return row.curves[0] === 'Ed448'
      ? generateKeyPairSync('ed448').privateKey
      : generateKeyPairSync('ed25519').privateKey
  }
  try {
    return generateKeyPairSync(algorithm.toLowerCase() as 'ed25519').privateKey
  } catch (cause) {
    throw new Problem('key-invalid', `this runtime cannot make ${algorithm} keys`, { cause })
  }
}

const rsa = ['rsa']
const materialShapes: Record<Algorithm, readonly string[]> = {
  HS256: [],
  HS384: [],
  HS512: [],
  RS256: rsa,
  RS384: rsa,
  RS512: rsa,
  PS256: rsa,
  PS384: rsa,
  PS512: rsa,
  ES256: ['ec prime256v1'],
  ES384: ['ec secp384r1'],
  ES512: ['ec secp521r1'],
  EdDSA: ['ed25519', 'ed448'],
  Ed25519: ['ed25519'],
  Ed448: ['ed448'],
  'ML-DSA-44': ['ml-dsa-44'],
  'ML-DSA-65': ['ml-dsa-65'],
  'ML-DSA-87': ['ml-dsa-87'],
}
