import { execFile } from 'node:child_process'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { promisify } from 'node:util'
import { JwtVerifier } from 'aws-jwt-verify'
import type { Jwk } from 'aws-jwt-verify/jwk'
import { createSigner as createFastSigner, createVerifier as createFastVerifier } from 'fast-jwt'
import * as jose from 'jose'
import jsonwebtoken from 'jsonwebtoken'
import { onFreshTexts, onFreshTextsAsync } from './jwt-material.ts'
import type { Material } from './jwt-material.ts'
import type { Contestant } from './measure.ts'

/** Each library in its documented fast form: keys imported once, issuer and audience checked, algorithm pinned. */
export async function peerVerifiers(material: Material, tokens: readonly string[]): Promise<Contestant[]> {
  const { algorithm, issuer, audience, publicKey, secret } = material
  const peers: Contestant[] = []
  const joseKey = secret ?? (await jose.importJWK(material.publicJwk as jose.JWK, algorithm))
  peers.push(
    onFreshTextsAsync('jose', tokens, (token) =>
      jose.jwtVerify(token, joseKey, { issuer, audience, algorithms: [algorithm], typ: 'at+jwt' }),
    ),
  )
  const fast = fastName(algorithm)
  if (fast !== undefined) {
    const check = createFastVerifier({
      key: pem(material),
      algorithms: [fast],
      allowedIss: issuer,
      allowedAud: audience,
      checkTyp: 'at+jwt',
    })
    peers.push(onFreshTexts('fast-jwt', tokens, (token) => void check(token)))
  }
  if (/^[HRPE]S/.test(algorithm)) {
    const known = algorithm as jsonwebtoken.Algorithm
    peers.push(
      onFreshTexts(
        'jsonwebtoken',
        tokens,
        (token) => void jsonwebtoken.verify(token, publicKey, { algorithms: [known], issuer, audience }),
      ),
    )
  }
  if (/^(RS|ES|Ed)/.test(algorithm)) {
    const verifier = JwtVerifier.create({ issuer, audience, jwksUri: `${issuer}/jwks` })
    const alg = algorithm === 'Ed25519' ? 'EdDSA' : algorithm
    verifier.cacheJwks({ keys: [{ ...material.publicJwk, alg } as unknown as Jwk] })
    // It knows Ed25519 only under its older name, which the token then must use as well.
    if (algorithm !== 'Ed25519') {
      peers.push(onFreshTexts('aws-jwt-verify', tokens, (token) => void verifier.verifySync(token)))
    }
  }
  const rust = await rustPeer()
  if (rust !== undefined && /^(HS|RS|PS|ES)/.test(algorithm)) {
    const key = secret === undefined ? (publicKey.export({ type: 'spki', format: 'pem' }) as string) : secret
    const rules = { algorithms: [rust.Algorithm[algorithm]], aud: [audience], iss: [issuer] }
    peers.push(
      onFreshTexts('@node-rs/jsonwebtoken', tokens, (token) => void rust.verifySync(token, key, rules)),
    )
  }
  return peers
}

/** The libraries that remember verified tokens. */
export async function peerHits(material: Material, tokens: readonly string[]): Promise<Contestant[]> {
  const fast = fastName(material.algorithm)
  if (fast === undefined) return []
  const { issuer, audience } = material
  const check = createFastVerifier({
    key: pem(material),
    algorithms: [fast],
    allowedIss: issuer,
    allowedAud: audience,
    checkTyp: 'at+jwt',
    cache: true,
  })
  return [onFreshTexts('fast-jwt', tokens, (token) => void check(token))]
}

export async function peerSigners(
  material: Material,
  claims: Record<string, unknown>,
): Promise<Contestant[]> {
  const { algorithm, privateKey, secret, keyId } = material
  const peers: Contestant[] = []
  const joseKey = secret ?? (await jose.importJWK(material.privateJwk as jose.JWK, algorithm))
  peers.push({
    name: 'jose',
    run: async (times) => {
      for (let index = 0; index < times; index++) {
        await new jose.SignJWT(claims)
          .setProtectedHeader({ alg: algorithm, typ: 'at+jwt', kid: keyId })
          .sign(joseKey)
      }
    },
  })
  const fast = fastName(algorithm)
  if (fast !== undefined) {
    const key =
      secret === undefined
        ? (privateKey.export({ type: 'pkcs8', format: 'pem' }) as string)
        : Buffer.from(secret)
    const sign = createFastSigner({ key, algorithm: fast, kid: keyId, header: { typ: 'at+jwt' } as never })
    peers.push({ name: 'fast-jwt', run: (times) => repeat(times, () => sign({ ...claims })) })
  }
  if (/^[HRPE]S/.test(algorithm)) {
    const known = algorithm as jsonwebtoken.Algorithm
    peers.push({
      name: 'jsonwebtoken',
      run: (times) =>
        repeat(times, () => jsonwebtoken.sign(claims, privateKey, { algorithm: known, keyid: keyId })),
    })
  }
  return peers
}

export async function peerVersions(): Promise<string> {
  const require = createRequire(import.meta.url)
  const versions: string[] = []
  for (const name of ['jose', 'fast-jwt', 'jsonwebtoken', 'aws-jwt-verify']) {
    const path = require.resolve.paths(name)!.map((folder) => `${folder}/${name}/package.json`)
    for (const candidate of path) {
      const text = await readFile(candidate, 'utf8').catch(() => undefined)
      if (text === undefined) continue
      versions.push(`${name} ${(JSON.parse(text) as { version: string }).version}`)
      break
    }
  }
  if ((await rustPeer()) !== undefined) versions.push(`@node-rs/jsonwebtoken ${rustVersion}`)
  return versions.join(', ')
}

type RustPeer = {
  readonly Algorithm: Record<string, number>
  verifySync(token: string, key: string | Uint8Array, rules: object): unknown
}

const rustVersion = '0.5.11'
let rust: Promise<RustPeer | undefined> | undefined

/**
 * A native add-on, so it stays out of our lockfile: installed beside the project for a bench, and left out when that
 * does not work.
 */
function rustPeer(): Promise<RustPeer | undefined> {
  rust ??= (async () => {
    const folder = new URL('../.cache/bench-peers/', import.meta.url)
    await mkdir(folder, { recursive: true })
    const require = createRequire(new URL('package.json', folder))
    try {
      return require('@node-rs/jsonwebtoken') as RustPeer
    } catch {
      // Not installed yet.
    }
    await writeFile(new URL('package.json', folder), '{"private":true}\n')
    try {
      await promisify(execFile)(
        'npm',
        ['install', '--no-audit', '--no-fund', `@node-rs/jsonwebtoken@${rustVersion}`],
        { cwd: folder },
      )
      return require('@node-rs/jsonwebtoken') as RustPeer
    } catch {
      process.stderr.write('@node-rs/jsonwebtoken could not be installed: left out\n')
      return undefined
    }
  })()
  return rust
}

type FastName = 'HS256' | 'RS256' | 'PS256' | 'ES256' | 'EdDSA'

function fastName(algorithm: string): FastName | undefined {
  return ['HS256', 'RS256', 'PS256', 'ES256'].includes(algorithm) ? (algorithm as FastName) : undefined
}

function pem(material: Material): string | Buffer {
  const { secret, publicKey } = material
  return secret === undefined
    ? (publicKey.export({ type: 'spki', format: 'pem' }) as string)
    : Buffer.from(secret)
}

function repeat(times: number, act: () => unknown): void {
  for (let index = 0; index < times; index++) act()
}
