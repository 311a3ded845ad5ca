import { createHash, createPrivateKey, createPublicKey, createSecretKey } from 'node:crypto'
import type { KeyObject, webcrypto } from 'node:crypto'
import { algorithmRow, isAlgorithm } from './algorithms.ts'
import type { Algorithm, AlgorithmRow } from './algorithms.ts'
import { decodeBase64url } from '../core/base64url.ts'
import { maxKeyIdLength } from './compact.ts'
import { Problem } from '../core/problem.ts'
import { rsaWeakness } from './rsa-strength.ts'

/** A JSON Web Key (RFC 7517 §4) as it stands in a document: nothing about it is known to be right. */
export type Jwk = { readonly [member: string]: unknown }

/** What a checked JWK is: material of one algorithm. */
export type CheckedJwk = {
  readonly algorithm: Algorithm
  readonly keyId: string | undefined
  readonly material: KeyObject
}

/**
 * Checks a JWK and imports it. `purpose` says what it must be good for: a verifying key must hold no private member,
 * since whoever publishes one has lost it.
 *
 * The algorithm is the key's own `alg`; without one, the only algorithm of `allowed` that fits the key. When several
 * fit, the token's header would have to choose, so the key is refused.
 *
 * @throws Problem `key-invalid`, saying which member is wrong; never quoting it.
 */
export function checkJwk(
  jwk: unknown,
  purpose: 'verify' | 'sign',
  allowed: readonly Algorithm[] | undefined,
  where: string,
): CheckedJwk {
  if (typeof jwk !== 'object' || jwk === null || Array.isArray(jwk)) throw bad(where, 'not a JSON object')
  const key = jwk as Jwk
  const algorithm = chooseAlgorithm(key, allowed, where)
  const row = algorithmRow(algorithm)
  checkUse(key, purpose, row.family === 'hmac', where)
  const keyId = key['kid']
  if (keyId !== undefined && (typeof keyId !== 'string' || keyId === '' || keyId.length > maxKeyIdLength)) {
    throw bad(where, `"kid" must be a string of 1 to ${maxKeyIdLength} characters`)
  }
  const members =
    row.kty === 'oct' ? ['k'] : purpose === 'sign' ? privateMembers[row.kty] : publicMembers[row.kty]
  if (purpose === 'verify' && row.kty !== 'oct') {
    const secret = secretMembers.find((member) => key[member] !== undefined)
    if (secret !== undefined)
      throw bad(where, `a verification key must not hold the private member "${secret}"`)
  }
  const bytes: Record<string, Buffer> = {}
  for (const member of members) bytes[member] = readBytes(key, member, where)
  if (row.kty === 'oct') refuseKeyFile(bytes['k']!, where)
  const weakness =
    row.kty === 'RSA' ? checkRsa(bytes) : row.kty === 'oct' ? checkSecret(bytes['k']!, algorithm) : ''
  if (weakness) throw new Problem('key-too-weak', `${where}: ${weakness}`)
  return { algorithm, keyId, material: importJwk(key, members, bytes, row.kty, purpose, where) }
}

/**
 * The RFC 7638 thumbprint (SHA-256, base64url) of a public, private or symmetric JWK: its required members alone.
 *
 * @throws Problem `key-invalid` when a required member is missing.
 */
export function jwkThumbprint(jwk: Jwk): string {
  if (typeof jwk !== 'object' || jwk === null) throw bad('jwk', 'not a JSON object')
  const kty = jwk['kty']
  if (typeof kty !== 'string' || !Object.hasOwn(thumbprintMembers, kty)) {
    throw bad('jwk', '"kty" must be one of RSA, EC, OKP, AKP, oct')
  }
  const members = thumbprintMembers[kty]!
  const required = members.map((member) => {
    const value = jwk[member]
    if (typeof value !== 'string') throw bad('jwk', `"${member}" must be a string`)
    return `${JSON.stringify(member)}:${JSON.stringify(value)}`
  })
  return createHash('sha256')
    .update(`{${required.join(',')}}`)
    .digest('base64url')
}

function chooseAlgorithm(key: Jwk, allowed: readonly Algorithm[] | undefined, where: string): Algorithm {
  const named = key['alg']
  if (named !== undefined) {
    if (!isAlgorithm(named)) throw bad(where, '"alg" is not a signature algorithm that is known here')
    if (!fits(key, named)) throw bad(where, `"kty" and "crv" do not fit "alg" ${named}`)
    if (allowed !== undefined && !allowed.includes(named))
      throw bad(where, `"alg" ${named} is not allowed here`)
    return named
  }
  const fitting = (allowed ?? impliedAlgorithms).filter((algorithm) => fits(key, algorithm))
  if (fitting.length === 1) return fitting[0]!
  throw bad(
    where,
    fitting.length === 0
      ? 'no allowed algorithm fits its "kty" and "crv"'
      : `it has no "alg", and ${fitting.join(', ')} would all fit: a key must have exactly one algorithm`,
  )
}

function fits(key: Jwk, algorithm: Algorithm): boolean {
  const row = algorithmRow(algorithm)
  if (key['kty'] !== row.kty) return false
  if (row.kty === 'AKP') return key['alg'] === algorithm
  return row.curves.length === 0 || row.curves.includes(key['crv'] as string)
}

function checkUse(key: Jwk, purpose: 'verify' | 'sign', symmetric: boolean, where: string): void {
  if (key['use'] !== undefined && key['use'] !== 'sig') throw bad(where, '"use" must be "sig"')
  const operations = key['key_ops']
  if (operations === undefined) return
  if (!Array.isArray(operations) || operations.some((operation) => typeof operation !== 'string')) {
    throw bad(where, '"key_ops" must be an array of strings')
  }
  if (new Set(operations).size !== operations.length) throw bad(where, '"key_ops" must not repeat a value')
  // A key published for both sides of one signature is common for secrets, and of no harm.
  const good =
    operations.includes(purpose) && operations.every((operation) => signatureOperations.has(operation))
  if (!good) throw bad(where, `"key_ops" must be for ${symmetric ? 'sign and verify' : purpose} only`)
}

function readBytes(key: Jwk, member: string, where: string): Buffer {
  const text = key[member]
  if (typeof text !== 'string' || text === '') throw bad(where, `"${member}" is missing or not a string`)
  const bytes = decodeBase64url(text)
  if (bytes === undefined) throw bad(where, `"${member}" is not canonical base64url without padding`)
  return bytes
}

function checkRsa(bytes: Record<string, Buffer>): string | undefined {
  // RFC 7518 §2, Base64urlUInt: no leading zero byte, so that a key has one spelling and one thumbprint.
  if (bytes['n']![0] === 0 || bytes['e']![0] === 0) return 'an RSA number begins with a zero byte'
  return rsaWeakness(bytes['n']!, bytes['e']!)
}

export function checkSecret(bytes: Uint8Array, algorithm: Algorithm): string | undefined {
  const least = algorithmRow(algorithm).minSecretBytes
  if (bytes.length >= least) return undefined
  return `a secret for ${algorithm} needs at least ${least} bytes (RFC 7518 §3.2), this one has ${bytes.length}`
}

/**
 * Refuses a key file as a secret: it is somebody's public key in the wrong place, and everyone knows that one.
 *
 * @throws Problem `key-invalid`
 */
export function refuseKeyFile(bytes: Uint8Array, where: string): void {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  if (text.includes('-----BEGIN ')) throw bad(where, 'this is a PEM file, not a secret')
  if (text.includes('"kty"')) throw bad(where, 'this is a JSON Web Key, not a secret')
}

function importJwk(
  key: Jwk,
  members: readonly string[],
  bytes: Record<string, Buffer>,
  kty: AlgorithmRow['kty'],
  purpose: 'verify' | 'sign',
  where: string,
): KeyObject {
  if (kty === 'oct') return createSecretKey(bytes['k']!)
  // Only these two kinds have a curve, and theirs has been compared with the algorithm's.
  const curve = kty === 'EC' || kty === 'OKP' ? (key['crv'] as string) : undefined
  const width = curve === undefined ? undefined : coordinateBytes[curve]
  if (
    width !== undefined &&
    members.some((member) => member.length === 1 && bytes[member]!.length !== width)
  ) {
    throw bad(where, `the members of a ${curve} key must have ${width} bytes each`)
  }
  // Only the members that were checked reach OpenSSL.
  const picked: Record<string, unknown> = { kty }
  if (curve !== undefined) picked['crv'] = curve
  for (const member of [...members, ...(kty === 'AKP' ? ['alg'] : [])]) picked[member] = key[member]
  try {
    const input = { key: picked as webcrypto.JsonWebKey, format: 'jwk' } as const
    if (purpose === 'verify') return createPublicKey(input)
    const material = createPrivateKey(input)
    // Where the private half says what the public one is, the one that was given may be another key's.
    const half = createPublicKey(material).export({ format: 'jwk' }) as Jwk
    if (publicMembers[kty].every((member) => half[member] === key[member])) return material
  } catch {
    // OpenSSL's own words are left out: they can quote what they were given.
  }
  throw bad(where, 'its numbers are not a valid key, or this runtime cannot use its type')
}

function bad(where: string, fault: string): Problem {
  return new Problem('key-invalid', `${where}: ${fault}`)
}

const signatureOperations: ReadonlySet<unknown> = new Set(['sign', 'verify'])

const publicMembers: Record<AlgorithmRow['kty'], readonly string[]> = {
  oct: ['k'],
  RSA: ['n', 'e'],
  EC: ['x', 'y'],
  OKP: ['x'],
  AKP: ['pub'],
}

const privateMembers: Record<AlgorithmRow['kty'], readonly string[]> = {
  oct: ['k'],
  RSA: ['n', 'e', 'd', 'p', 'q', 'dp', 'dq', 'qi'],
  EC: ['x', 'y', 'd'],
  OKP: ['x', 'd'],
  AKP: ['pub', 'priv'],
}

const secretMembers = ['d', 'p', 'q', 'dp', 'dq', 'qi', 'oth', 'k', 'priv'] as const

/** In the lexicographic order that RFC 7638 §3.3 asks for. */
const thumbprintMembers: Record<string, readonly string[]> = {
  RSA: ['e', 'kty', 'n'],
  EC: ['crv', 'kty', 'x', 'y'],
  OKP: ['crv', 'kty', 'x'],
  AKP: ['alg', 'kty', 'pub'],
  oct: ['k', 'kty'],
}

const coordinateBytes: Record<string, number> = {
  'P-256': 32,
  'P-384': 48,
  'P-521': 66,
  Ed25519: 32,
  Ed448: 57,
}

/** What a key without `alg` may be taken for when the caller names no algorithms: where the curve leaves one. */
const impliedAlgorithms: readonly Algorithm[] = ['ES256', 'ES384', 'ES512', 'EdDSA']
