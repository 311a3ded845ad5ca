import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { createSigner, generateSigningKey, publicJwk } from '@countersign/sdk/jwt'
import { contestants } from './guard-contestants.ts'
import type { Trusted } from './guard-contestants.ts'
import { gatewayLoad } from './gateway-load.ts'
import { loader, pinned } from './http-load.ts'
import { machine, median, table } from './measure.ts'

const rounds = 5
const seconds = 1
const connections = 32
/** More than our guard may remember in this bench, sent in turn: each is new again when its turn comes. */
const distinctTokens = 4000

type Running = { readonly name: string; readonly child: ChildProcess; readonly port: number }
type Case = 'repeated' | 'distinct'

/**
 * CPU per request of one route that says hello: bare, behind our guard, and behind what people of that framework use.
 * Each in a process of its own on one core, by turns in one run; the load has the other core.
 */
export async function run(): Promise<void> {
  const { trusted, tokens } = makeTokens()
  const running: Running[] = []
  const samples = new Map<string, number[]>()
  try {
    for (const name of Object.keys(contestants)) running.push(await start(name, trusted))
    for (const one of running) for (const how of casesOf(one.name)) await shot(one, how, tokens)
    for (let round = 0; round < rounds; round++) {
      for (const one of running) {
        for (const how of casesOf(one.name)) {
          const key = `${one.name}: ${how}`
          samples.set(key, [...(samples.get(key) ?? []), await shot(one, how, tokens)])
        }
      }
      process.stderr.write(`round ${round + 1} of ${rounds}\n`)
    }
  } finally {
    for (const { child } of running) child.kill()
  }
  await report(samples)
}

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

async function start(name: string, trusted: Trusted): Promise<Running> {
  const script = fileURLToPath(new URL('guard-contestants.ts', import.meta.url))
  const [command, ...rest] = pinned(0, [process.execPath, '--conditions=source', script, name])
  const env = { ...process.env, NODE_ENV: 'production' }
  const child = spawn(command!, rest, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'], env })
  child.send(trusted)
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
  const before = cpuSeconds(child)
  const { requests, failed } = await gatewayLoad({
    port,
    path: '/',
    tokens: how === 'repeated' ? tokens.slice(0, 1) : tokens,
    connections,
    seconds,
    core: 1,
  })
  if (failed > 0 || requests === 0) throw new Error(`${name}: ${failed} of ${requests} requests failed`)
  return ((cpuSeconds(child) - before) * 1e6) / requests
}

/** utime + stime (proc_pid_stat(5)), in clock ticks of 10 ms. */
function cpuSeconds({ pid }: ChildProcess): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return (Number(fields[11]) + Number(fields[12])) / 100
}

async function report(samples: ReadonlyMap<string, readonly number[]>): Promise<void> {
  const results = Object.keys(contestants).map((name) => {
    const bare = samples.get(`${name.split(',')[0]}: repeated`)!
    const cases = casesOf(name).map((how) => {
      const own = samples.get(`${name}: ${how}`)!
      // Taken within a round, so that a slow minute of the machine falls on both.
      const added = median(own.map((micros, round) => micros - bare[round]!))
      return { case: how, cpuMicros: median(own), addedMicros: added }
    })
    return { name, cases }
  })
  const rows = results.map(({ name, cases: [repeated, distinct] }) => [
    isBare(name) ? `**${name}**` : name,
    repeated!.cpuMicros.toFixed(1),
    isBare(name) ? '–' : repeated!.addedMicros.toFixed(1),
    distinct?.cpuMicros.toFixed(1) ?? '–',
    distinct?.addedMicros.toFixed(1) ?? '–',
  ])
  const text = [
    '# Guards: CPU microseconds per request',
    '',
    `${machine()}; ${versions()}; load by ${loader()}, ${connections} keep-alive connections.`,
    `Medians of ${rounds} interleaved rounds of ${seconds} s; CPU is utime + stime of the process by the kernel. "Added" is the difference to`,
    'the bare framework in the same round. RS256, keys at hand; issuer, audience and expiry checked by all, a role by our guards only.',
    `New tokens: ${distinctTokens} in turn, more than our guards (or @fastify/jwt's cache) remember here.`,
    '',
    table(['', 'one token', 'added', 'every token new', 'added'], rows),
    '',
  ].join('\n')
  const json = { machine: machine(), versions: versions(), rounds, seconds, results }
  await writeFile(new URL('results/guard.json', import.meta.url), `${JSON.stringify(json, null, 2)}\n`)
  await writeFile(new URL('results/guard.md', import.meta.url), text)
  process.stdout.write(text)
}

function versions(): string {
  const { devDependencies } = JSON.parse(
    readFileSync(new URL('../package.json', import.meta.url), 'utf8'),
  ) as { devDependencies: Record<string, string> }
  const shown = ['express', 'express-jwt', 'fastify', '@fastify/jwt', 'hono', '@hono/node-server']
  return shown.map((name) => `${name} ${devDependencies[name]}`).join(', ')
}

if (import.meta.main) await run()
