/** Test support: published vectors, which stand outside of this repository. */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { fileURLToPath } from 'node:url'
import { isProblem, Secret } from '@countersign/sdk/core'
import { readJwk, readPrivateJwk, readSecretSigningKey } from '@countersign/sdk/jwt'
import type { Algorithm, Jwk, SigningKey, VerificationKey } from '@countersign/sdk/jwt'

const folder =
  process.env['JOSE_VECTORS'] ?? fileURLToPath(new URL('../../../shared/vectors', import.meta.url))
const present = existsSync(folder)

/** A test that needs the vectors, and says so in one line where they are not at hand. */
export function vectorTest(name: string, run: (t: TestContext) => void): void {
  test(name, { skip: present ? false : 'no vectors here: set JOSE_VECTORS to their folder' }, run)
}

/** One file of vectors. */
export function readVectors<T>(path: string): T {
  return JSON.parse(readFileSync(join(folder, path), 'utf8')) as T
}

/** The files of one folder of vectors, sorted. */
export function listVectors(path: string): readonly string[] {
  return readdirSync(join(folder, path))
    .sort()
    .map((name) => `${path}/${name}`)
}

/** The verification key of a JWK that may also hold the private half, for one algorithm. */
export function verifierOf(jwk: Jwk, algorithm: Algorithm): VerificationKey {
  const symmetric = jwk['kty'] === 'oct'
  const members = Object.entries(jwk).filter(([name]) => symmetric || !privateMembers.includes(name))
  return readJwk(Object.fromEntries(members), { algorithms: [algorithm] })
}

export function signerOf(jwk: Jwk, algorithm: Algorithm): SigningKey {
  if (jwk['kty'] !== 'oct') return readPrivateJwk(jwk, { algorithm })
  const secret = new Secret(Buffer.from(jwk['k'] as string, 'base64url'))
  const keyId = jwk['kid'] as string | undefined
  return readSecretSigningKey(secret, { algorithm, ...(keyId === undefined ? {} : { keyId }) })
}

/** What `read` gives, or undefined when it refuses the key; every other failure is one of the test. */
export function unlessRefused<T>(read: () => T): T | undefined {
  try {
    return read()
  } catch (problem) {
    if (isProblem(problem) && problem.code.startsWith('key-')) return undefined
    throw problem
  }
}

const privateMembers = ['d', 'p', 'q', 'dp', 'dq', 'qi']
