import { writeFile } from 'node:fs/promises'
import { createPrivateKey, createPublicKey, createSecretKey, randomBytes, randomUUID } from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import {
  createKeySet,
  createSigner,
  createVerifier,
  generateSigningKey,
  privateJwk,
  publicJwk,
  readPrivateJwk,
  readSecretKey,
  readSecretSigningKey,
  supportedAlgorithms,
  verificationKey,
} from '@countersign/sdk/jwt'
import type { Algorithm } from '@countersign/sdk/jwt'
import { Secret } from '@countersign/sdk/core'
import { machine, measure, table } from './measure.ts'
import type { Contestant, Measured } from './measure.ts'
import { footprint } from './jwt-footprint.ts'
import { rawSigner, rawVerifier } from './jwt-raw.ts'
import { peerSigners, peerVerifiers, peerHits, peerVersions } from './jwt-peers.ts'

/** What every contestant of one algorithm works on. */
export type Material = {
  readonly algorithm: Algorithm
  readonly privateKey: KeyObject
  readonly publicKey: KeyObject
  readonly secret: Uint8Array | undefined
  readonly keyId: string
  readonly publicJwk: Record<string, unknown> | undefined
  readonly privateJwk: Record<string, unknown> | undefined
  readonly issuer: string
  readonly audience: string
}

const issuer = 'https://issuer.acme.example'
const audience = 'https://billing.acme.example'
const shown: readonly Algorithm[] = ['HS256', 'RS256', 'PS256', 'ES256', 'Ed25519', 'ML-DSA-44', 'ML-DSA-65']

/** Verify and sign per algorithm beside raw node:crypto and the libraries people use. */
export async function run(): Promise<void> {
  const wanted = shown.filter((algorithm) => supportedAlgorithms().includes(algorithm))
  const sections: { title: string; results: Record<string, Measured[]> }[] = [
    { title: 'Verify, nothing remembered', results: {} },
    { title: 'Verify a token seen before', results: {} },
    { title: 'Sign', results: {} },
  ]
  for (const algorithm of wanted) {
    const material = await makeMaterial(algorithm)
    const tokens = Array.from({ length: 64 }, () => sign(material))
    sections[0]!.results[algorithm] = await measure([
      rawVerifier(material, tokens),
      ourVerifier('countersign', material, tokens, false),
      ...(await peerVerifiers(material, tokens)),
    ])
    sections[1]!.results[algorithm] = await measure([
      ourVerifier('countersign', material, tokens.slice(0, 1), true),
      ...(await peerHits(material, tokens.slice(0, 1))),
    ])
    sections[2]!.results[algorithm] = await measure([
      rawSigner(material, claims()),
      ourSigner(material),
      ...(await peerSigners(material, claims())),
    ])
    process.stderr.write(`${algorithm} done\n`)
  }
  const text = [
    '# Tokens: CPU microseconds per operation',
    '',
    `${machine()}; ${await peerVersions()}.`,
    'Median CPU time (user and system, all threads) of interleaved batches in one process; in brackets the ratio to the',
    'raw node:crypto call with a cached key in its fastest form (median of the ratios within one round). Read ratios, not absolutes. Claims: RFC 9068,',
    `${JSON.stringify(claims()).length} bytes of JSON. Each verified text is a fresh string, as it is in a server.`,
    ...sections.flatMap(({ title, results }) => ['', `## ${title}`, '', toTable(results)]),
    '',
    await footprint(),
    '',
  ].join('\n')
  process.stdout.write(text)
  await writeFile(new URL('results/jwt.md', import.meta.url), text)
  const json = { machine: machine(), at: new Date().toISOString().slice(0, 10), sections }
  await writeFile(new URL('results/jwt.json', import.meta.url), `${JSON.stringify(json, null, 2)}\n`)
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

async function makeMaterial(algorithm: Algorithm): Promise<Material> {
  if (algorithm.startsWith('HS')) {
    const secret = randomBytes(64)
    const key = createSecretKey(secret)
    return {
      algorithm,
      privateKey: key,
      publicKey: key,
      secret,
      keyId: 'k1',
      publicJwk: undefined,
      privateJwk: undefined,
      issuer,
      audience,
    }
  }
  const key = generateSigningKey(algorithm, { keyId: 'k1' })
  const jwk = JSON.parse(privateJwk(key).revealText()) as Record<string, unknown>
  const { alg: _alg, kid: _kid, ...bare } = jwk
  const privateKey = createPrivateKey({ key: algorithm.startsWith('ML') ? jwk : bare, format: 'jwk' })
  return {
    algorithm,
    privateKey,
    publicKey: createPublicKey(privateKey),
    secret: undefined,
    keyId: 'k1',
    publicJwk: { ...publicJwk(key) },
    privateJwk: jwk,
    issuer,
    audience,
  }
}

function signingKey(material: Material) {
  return material.secret === undefined
    ? readPrivateJwk(material.privateJwk)
    : readSecretSigningKey(new Secret(material.secret), {
        algorithm: material.algorithm,
        keyId: material.keyId,
      })
}

function sign(material: Material): string {
  return createSigner({ key: signingKey(material) }).sign(claims())
}

function ourVerifier(
  name: string,
  material: Material,
  tokens: readonly string[],
  cached: boolean,
): Contestant {
  const key =
    material.secret === undefined
      ? verificationKey(signingKey(material))
      : readSecretKey(new Secret(material.secret), { algorithm: material.algorithm, keyId: material.keyId })
  const verifier = createVerifier({
    issuer,
    audience,
    keySet: createKeySet([key]),
    ...(cached ? {} : { cache: false }),
  })
  return onFreshTexts(name, tokens, (token) => {
    if (verifier.verifyNow(token)?.kind !== 'verified') throw new Error('refused')
  })
}

function ourSigner(material: Material): Contestant {
  const signer = createSigner({ key: signingKey(material) })
  const payload = claims()
  return {
    name: 'countersign',
    run: (times) => {
      for (let index = 0; index < times; index++) signer.sign(payload)
    },
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

function toTable(results: Record<string, Measured[]>): string {
  const algorithms = Object.keys(results)
  const names = [...new Set(algorithms.flatMap((algorithm) => results[algorithm]!.map(({ name }) => name)))]
  return table(
    ['', ...algorithms],
    names.map((name) => [
      name,
      ...algorithms.map((algorithm) => {
        const one = results[algorithm]!.find((measured) => measured.name === name)
        const raw = results[algorithm]!.find((measured) => measured.name === 'node:crypto')
        if (one === undefined) return '–'
        const micros = one.cpuMicros.toFixed(one.cpuMicros < 10 ? 2 : 1)
        return raw === undefined || raw === one ? micros : `${micros} (${one.toFirst.toFixed(2)})`
      }),
    ]),
  )
}

if (import.meta.main) await run()
