import { fork } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { Secret } from '@countersign/sdk/core'
import {
  createSigner,
  generateSigningKey,
  privateJwk,
  publicJwk,
  readSecretSigningKey,
  supportedAlgorithms,
} from '@countersign/sdk/jwt'
import type { Algorithm } from '@countersign/sdk/jwt'
import { footprint } from './jwt-footprint.ts'
import { claims, keyId } from './jwt-material.ts'
import type { MaterialSource } from './jwt-material.ts'
import type { Batch, Section } from './jwt-contestant.ts'
import { peerVersions } from './jwt-peers.ts'
import { machine, measure, table } from './measure.ts'
import type { Measured, Timed } from './measure.ts'

const shown: readonly Algorithm[] = ['HS256', 'RS256', 'PS256', 'ES256', 'Ed25519', 'ML-DSA-44', 'ML-DSA-65']
const names = [
  'node:crypto',
  'countersign',
  'jose',
  'fast-jwt',
  'jsonwebtoken',
  '@node-rs/jsonwebtoken',
  'aws-jwt-verify',
]
const titles: Record<Section, string> = {
  verify: 'Verify, nothing remembered',
  hit: 'Verify a token seen before',
  sign: 'Sign',
}

// Long enough that a process which has been waiting for its turn has its caches back, as in a service under load.
const batches = { rounds: 11, batchMs: 250 }

type Results = Record<Section, Record<string, Measured[]>>

/**
 * Verify and sign per algorithm beside raw node:crypto and the libraries people use: each in a process of its own, all of
 * them by turns.
 */
export async function run(): Promise<void> {
  const results: Results = { verify: {}, hit: {}, sign: {} }
  for (const algorithm of shown.filter((one) => supportedAlgorithms().includes(one))) {
    const source = makeMaterial(algorithm)
    const running = await Promise.all(names.map((name) => start(name, source)))
    for (const section of ['verify', 'hit', 'sign'] as const) {
      const able = running.filter(({ sections }) => sections.includes(section))
      results[section][algorithm] = await measure(
        able.map((one) => timed(one, section)),
        batches,
      )
    }
    for (const { child } of running) child.disconnect()
    process.stderr.write(`${algorithm} done\n`)
  }
  const text = [
    '# Tokens: CPU microseconds per operation',
    '',
    `${machine()}; ${await peerVersions()}.`,
    'Median CPU time (user and system, all threads) of interleaved batches, each library in a process of its own as in a service; in',
    'brackets the ratio to the raw node:crypto call with a cached key in its fastest form (median of the ratios within one round). Read',
    `ratios, not absolutes. Claims: RFC 9068, ${JSON.stringify(claims()).length} bytes of JSON. Each verified text is a fresh string, as it is in a server.`,
    ...(['verify', 'hit', 'sign'] as const).flatMap((section) => [
      '',
      `## ${titles[section]}`,
      '',
      toTable(results[section]),
    ]),
    '',
    await footprint(),
    '',
  ].join('\n')
  process.stdout.write(text)
  await writeFile(new URL('results/jwt.md', import.meta.url), text)
  const json = { machine: machine(), at: new Date().toISOString().slice(0, 10), results }
  await writeFile(new URL('results/jwt.json', import.meta.url), `${JSON.stringify(json, null, 2)}\n`)
}

function makeMaterial(algorithm: Algorithm): MaterialSource {
  if (algorithm.startsWith('HS')) {
    const secret = randomBytes(64)
    const signer = createSigner({ key: readSecretSigningKey(new Secret(secret), { algorithm, keyId }) })
    const tokens = Array.from({ length: 64 }, () => signer.sign(claims()))
    return { algorithm, privateJwk: undefined, publicJwk: undefined, secret: secret.toString('hex'), tokens }
  }
  const key = generateSigningKey(algorithm, { keyId })
  const signer = createSigner({ key })
  return {
    algorithm,
    privateJwk: JSON.parse(privateJwk(key).revealText()) as Record<string, unknown>,
    publicJwk: { ...publicJwk(key) },
    secret: undefined,
    tokens: Array.from({ length: 64 }, () => signer.sign(claims())),
  }
}

type Running = { readonly name: string; readonly child: ChildProcess; readonly sections: readonly string[] }

async function start(name: string, source: MaterialSource): Promise<Running> {
  const script = fileURLToPath(new URL('jwt-contestant.ts', import.meta.url))
  const child = fork(script, [name], { execArgv: ['--conditions=source', '--no-warnings'] })
  child.send(source)
  const [sections] = (await once(child, 'message')) as [string[]]
  return { name, child, sections }
}

function timed({ name, child }: Running, section: Section): Timed {
  return {
    name,
    cpuMicros: async (times) => {
      const batch: Batch = { section, times }
      child.send(batch)
      const [micros] = (await once(child, 'message')) as [number]
      return micros
    },
  }
}

function toTable(results: Record<string, Measured[]>): string {
  const algorithms = Object.keys(results)
  const shownNames = names.filter((name) =>
    algorithms.some((algorithm) => results[algorithm]!.some((one) => one.name === name)),
  )
  return table(
    ['', ...algorithms],
    shownNames.map((name) => [
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
