import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { createGuard } from '@countersign/sdk/guard'
import {
  createKeySet,
  createSigner,
  createVerifier,
  generateSigningKey,
  publicJwk,
  readJwk,
} from '@countersign/sdk/jwt'
import { joinModules } from '../scripts/join-modules.js'
import { contestants } from './guard-contestants.ts'
import type { Batch, Trusted } from './guard-contestants.ts'
import { gatewayLoad } from './gateway-load.ts'
import { loader, pinned } from './http-load.ts'
import { buildSdk, importCost } from './import-cost.ts'
import { machine, measure, median, table } from './measure.ts'

const rounds = 5
const seconds = 1
const leadSeconds = 1
const warmUps = 4
const connections = 32
/** More than our guard may remember in this bench, sent in turn: each is new again when its turn comes. */
const distinctTokens = 4000
/** Without a connection: rounds, and about how long one batch of one contestant takes. */
const batchRounds = 25
const batchMs = 50

type Running = { readonly name: string; readonly child: ChildProcess; readonly port: number }
type Case = Batch['how']

/**
 * CPU per request of one route that says hello: bare, behind our guard, and behind what people of that framework use.
 * Each in a process of its own on one core, by turns in one run; the load has the other core. Once over sockets, and once
 * without.
 */
export async function run(): Promise<void> {
  const { trusted, tokens } = makeTokens()
  const running: Running[] = []
  const samples = new Map<string, number[]>()
  const batches = new Map<string, number[]>()
  try {
    for (const name of Object.keys(contestants)) running.push(await start(name, trusted, tokens))
    for (const one of running) {
      for (const how of casesOf(one.name)) {
        for (let times = 0; times < warmUps; times++) await shot(one, how, tokens)
      }
    }
    for (let round = 0; round < rounds; round++) {
      for (const one of running) {
        if (isBare(one.name)) continue
        // Each beside its bare framework, so that a slow second of the machine falls on both.
        const bare = bareOf(one, running)
        const floor = await shot(bare, 'repeated', tokens)
        push(samples, `${bare.name}: repeated`, floor)
        for (const how of casesOf(one.name)) {
          const micros = await shot(one, how, tokens)
          push(samples, `${one.name}: ${how}`, micros)
          push(samples, `${one.name}: ${how}, added`, micros - floor)
        }
      }
      process.stderr.write(`round ${round + 1} of ${rounds}\n`)
    }
    await withoutConnections(running, batches)
  } finally {
    for (const { child } of running) child.kill()
  }
  await report(samples, batches, await guardAlone(trusted, tokens), await loading())
}

function push(samples: Map<string, number[]>, key: string, sample: number): void {
  samples.set(key, [...(samples.get(key) ?? []), sample])
}

/** The same listeners with requests that their own process makes, where microseconds do not drown in system calls. */
async function withoutConnections(
  running: readonly Running[],
  samples: Map<string, number[]>,
): Promise<void> {
  const cases = running.flatMap((one) => casesOf(one.name).map((how) => ({ one, how })))
  const sizes: number[] = []
  for (const { one, how } of cases) {
    let size = 200
    // The first ones are for the compiler.
    for (let times = 0; times < 6; times++) {
      size = Math.ceil((batchMs * 1000) / (await batch(one, how, size)))
    }
    sizes.push(size)
  }
  for (let round = 0; round < batchRounds; round++) {
    const floors = new Map<Running, number>()
    for (const [index, { one, how }] of cases.entries()) {
      const micros = await batch(one, how, sizes[index]!)
      push(samples, `${one.name}: ${how}`, micros)
      if (isBare(one.name)) floors.set(one, micros)
      else push(samples, `${one.name}: ${how}, added`, micros - floors.get(bareOf(one, running))!)
    }
  }
}

async function batch({ child }: Running, how: Case, times: number): Promise<number> {
  child.send({ how, times } satisfies Batch)
  const [micros] = (await once(child, 'message')) as [number]
  return micros / times
}

function bareOf({ name }: Running, running: readonly Running[]): Running {
  return running.find((one) => one.name === name.split(',')[0])!
}

/** The check itself, without a server around it: what a difference of two servers is too coarse to show. */
async function guardAlone(trusted: Trusted, tokens: readonly string[]): Promise<string> {
  const { issuer, audience, jwk } = trusted
  const guard = createGuard({
    verifier: createVerifier({ issuer, audience, keySet: createKeySet([readJwk(jwk)]) }),
  })
  const bytes = tokens.slice(0, 64).map((token) => Buffer.from(`Bearer ${token}`, 'latin1'))
  const requirement = { roles: 'reader' }
  let turn = 0
  const check = {
    name: 'check',
    run: (times: number) => {
      for (let index = 0; index < times; index++) {
        // A text nobody has seen before, as a request's header is.
        const authorization = bytes[turn++ % bytes.length]!.toString('latin1')
        const rawHeaders = ['Host', 'bench', 'Accept', '*/*', 'Authorization', authorization]
        const decision = guard.check({ method: 'GET', target: '/', rawHeaders }, requirement)
        if (decision instanceof Promise || decision.kind !== 'allow') throw new Error('refused')
      }
    },
  }
  const [measured] = await measure([check], { rounds: 25 })
  return measured!.cpuMicros.toFixed(2)
}

/** The adapters as they are published, and the package. */
async function loading(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'bench-guard-'))
  try {
    await buildSdk(folder)
    await joinModules(
      folder,
      ['guard', ...adapters].map((name) => `${name}.js`),
    )
    const rows = []
    for (const name of [...adapters, 'guard']) {
      const { cpuMs, wallMs } = await importCost(join(folder, `${name}.js`))
      rows.push([`@countersign/sdk/${name}`, cpuMs.toFixed(1), wallMs.toFixed(1)])
    }
    const crypto = await importCost('node:crypto')
    rows.push(['of the guard, node:crypto', crypto.cpuMs.toFixed(1), crypto.wallMs.toFixed(1)])
    // Express itself, and whatever else serves, has loaded these.
    const inService = await importCost(join(folder, 'guard.js'), ['node:http', 'node:crypto'])
    rows.push([
      'the guard in a service that has node:http and node:crypto',
      inService.cpuMs.toFixed(1),
      inService.wallMs.toFixed(1),
    ])
    return table(['', 'CPU ms', 'wall ms'], rows)
  } finally {
    await rm(folder, { recursive: true })
  }
}

const adapters = [
  'node',
  'fetch',
  'express',
  'fastify',
  'hono',
  'koa',
  'nest',
  'trpc',
  'graphql',
  'grpc',
  'connect',
  'mcp',
]

/** RFC 9068 claims, RS256: of all algorithms the one that is cheapest to verify, which favours those who verify again. */
function makeTokens(): { readonly trusted: Trusted; readonly tokens: readonly string[] } {
  const issuer = 'https://issuer.acme.example'
  const audience = 'https://billing.acme.example'
  const key = generateSigningKey('RS256')
  const signer = createSigner({ key })
  const iat = Math.floor(Date.now() / 1000)
  const tokens = Array.from({ length: distinctTokens }, (_, index) =>
    signer.sign({
      iss: issuer,
      aud: audience,
      sub: `orders-${index}`,
      client_id: `orders-${index}`,
      iat,
      exp: iat + 3600,
      jti: `token-${index}`,
      scope: 'invoices:read invoices:write',
      roles: ['reader', 'auditor'],
    }),
  )
  return { trusted: { issuer, audience, jwk: publicJwk(key) }, tokens }
}

async function start(name: string, trusted: Trusted, tokens: readonly string[]): Promise<Running> {
  const script = fileURLToPath(new URL('guard-contestants.ts', import.meta.url))
  const [command, ...rest] = pinned(0, [process.execPath, '--conditions=source', script, name])
  const env = { ...process.env, NODE_ENV: 'production' }
  const child = spawn(command!, rest, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'], env })
  child.send([trusted, tokens])
  const [port] = (await once(child, 'message')) as [number]
  return { name, child, port }
}

/** Who does not look at tokens is measured once. */
function casesOf(name: string): readonly Case[] {
  return isBare(name) ? ['repeated'] : ['repeated', 'distinct']
}

function isBare(name: string): boolean {
  return !name.includes(',')
}

/** CPU microseconds per request, as the kernel counts for the process. */
async function shot({ name, child, port }: Running, how: Case, tokens: readonly string[]): Promise<number> {
  const load = {
    port,
    path: '/',
    tokens: how === 'repeated' ? tokens.slice(0, 1) : tokens,
    connections,
    core: 1,
  }
  // So that no case is measured while it takes over from another.
  await gatewayLoad({ ...load, seconds: leadSeconds })
  const before = cpuSeconds(child)
  const { requests, failed } = await gatewayLoad({ ...load, seconds })
  if (failed > 0 || requests === 0) throw new Error(`${name}: ${failed} of ${requests} requests failed`)
  return ((cpuSeconds(child) - before) * 1e6) / requests
}

/** utime + stime (proc_pid_stat(5)), in clock ticks of 10 ms. */
function cpuSeconds({ pid }: ChildProcess): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return (Number(fields[11]) + Number(fields[12])) / 100
}

async function report(
  samples: ReadonlyMap<string, readonly number[]>,
  batches: ReadonlyMap<string, readonly number[]>,
  alone: string,
  loaded: string,
): Promise<void> {
  const overSockets = resultsOf(samples)
  const inProcess = resultsOf(batches)
  const text = [
    '# Guards: CPU microseconds per request',
    '',
    `${machine()}; ${versions()}; load by ${loader()}, ${connections} keep-alive connections.`,
    'RS256, keys at hand; issuer, audience and expiry checked by all, a role by our guards only. "Added" is the difference to the bare framework,',
    `measured right before. New tokens: ${distinctTokens} in turn, many more than are remembered here by our guards, or by @fastify/jwt's cache.`,
    '',
    '## Without a connection',
    '',
    "Node's own requests and responses, made in the process of the service: nothing is read from a socket or written to one. CPU of the process,",
    `medians of ${batchRounds} interleaved rounds of about ${batchMs} ms.`,
    '',
    tableOf(inProcess),
    '',
    '## Over sockets',
    '',
    `Medians of ${rounds} interleaved rounds of ${seconds} s, each after ${leadSeconds} s of the same load that is not counted; utime + stime of the process by the kernel. Differences of a few microseconds are within its noise.`,
    '',
    tableOf(overSockets),
    '',
    `\`guard.check\` alone, in one process, for tokens it has seen before: ${alone} µs, the reading of the request's text included.`,
    '',
    '## Loading an adapter',
    '',
    'As it is published, in a process that has loaded one ES module; median of 15. The framework is not part of it; the guard, which all share, is',
    'a door of its own.',
    '',
    loaded,
    '',
  ].join('\n')
  const json = {
    machine: machine(),
    versions: versions(),
    rounds,
    seconds,
    results: overSockets,
    inProcess,
    guardAloneMicros: alone,
  }
  await writeFile(new URL('results/guard.json', import.meta.url), `${JSON.stringify(json, null, 2)}\n`)
  await writeFile(new URL('results/guard.md', import.meta.url), text)
  process.stdout.write(text)
}

type Result = {
  readonly name: string
  readonly cases: readonly {
    readonly case: Case
    readonly cpuMicros: number
    readonly addedMicros: number
  }[]
}

function resultsOf(samples: ReadonlyMap<string, readonly number[]>): readonly Result[] {
  return Object.keys(contestants).map((name) => {
    const cases = casesOf(name).map((how) => {
      const own = samples.get(`${name}: ${how}`)!
      const added = samples.get(`${name}: ${how}, added`)
      return { case: how, cpuMicros: median(own), addedMicros: added === undefined ? 0 : median(added) }
    })
    return { name, cases }
  })
}

function tableOf(results: readonly Result[]): string {
  const rows = results.map(({ name, cases: [repeated, distinct] }) => [
    isBare(name) ? `**${name}**` : name,
    repeated!.cpuMicros.toFixed(1),
    isBare(name) ? '–' : repeated!.addedMicros.toFixed(1),
    distinct?.cpuMicros.toFixed(1) ?? '–',
    distinct?.addedMicros.toFixed(1) ?? '–',
  ])
  return table(['', 'one token', 'added', 'every token new', 'added'], rows)
}

function versions(): string {
  const { devDependencies } = JSON.parse(
    readFileSync(new URL('../package.json', import.meta.url), 'utf8'),
  ) as { devDependencies: Record<string, string> }
  const shown = [
    'express',
    'express-jwt',
    'express-oauth2-jwt-bearer',
    'passport-jwt',
    'fastify',
    '@fastify/jwt',
    'hono',
    '@hono/node-server',
  ]
  return shown.map((name) => `${name} ${devDependencies[name]}`).join(', ')
}

if (import.meta.main) await run()
