import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { httpLoad, loader, pinned } from './http-load.ts'
import { machine, median, table } from './measure.ts'

const algorithms = ['ES256', 'Ed25519', 'RS256'] as const
const contestants = ['no signature', 'node:http + node:crypto', 'countersign', 'oidc-provider'] as const
const rounds = 5
const seconds = 1
const connections = 32

type Sample = { readonly tokensPerSecond: number; readonly cpuMicros: number; readonly rssMiB: number }

/**
 * Tokens per second and CPU per token of the client credentials grant over loopback: us, what a careful person writes
 * by hand, the same without its signature, and oidc-provider. Each in a process of its own, by turns in one run.
 */
export async function run(): Promise<void> {
  const running: { name: string; algorithm: string; child: ChildProcess; port: number; samples: Sample[] }[] =
    []
  try {
    for (const algorithm of algorithms) {
      for (const name of contestants) {
        // Without a signature the algorithm makes no difference.
        if (name === 'no signature' && algorithm !== 'ES256') continue
        running.push({ name, algorithm, ...(await start(name, algorithm)), samples: [] })
      }
    }
    for (const { port } of running) await load(port)
    for (let round = 0; round < rounds; round++) {
      for (const contestant of running) contestant.samples.push(await sample(contestant))
      process.stderr.write(`round ${round + 1} of ${rounds}\n`)
    }
  } finally {
    for (const { child } of running) child.kill()
  }
  const floor = medians(running[0]!.samples)
  const results = running.map(({ name, algorithm, samples }) => ({ name, algorithm, ...medians(samples) }))
  const text = [
    '# Issuer: tokens by the client credentials grant',
    '',
    `${machine()}; ${peer()}; load by ${loader()}, ${connections} keep-alive connections, one core for the contestant and`,
    `one for the load. Medians of ${rounds} interleaved rounds of ${seconds} s. CPU is utime + stime of the contestant's process by the`,
    'kernel, per token; in brackets the ratio to the hand-written issuer of the same algorithm. Read ratios, not',
    `absolutes. The hand-written one without any signature costs ${floor.cpuMicros.toFixed(1)} µs a token.`,
    '',
    table(
      ['', ...algorithms.flatMap((algorithm) => [`${algorithm} µs`, 'tokens/s']), 'RSS MiB'],
      contestants.slice(1).map((name) => row(name, results)),
    ),
    '',
    'What each does for a token: oidc-provider runs its whole middleware chain and writes to its memory adapter; the',
    'hand-written one knows one client and one service; Countersign reads the form strictly, authenticates among all',
    'clients, decides about audience, scope and roles, and logs nothing here.',
    '',
  ].join('\n')
  await writeFile(
    new URL('results/issuer.json', import.meta.url),
    JSON.stringify({ machine: machine(), results }, null, 2) + '\n',
  )
  await writeFile(new URL('results/issuer.md', import.meta.url), text)
  process.stdout.write(text)
}

function row(name: string, results: readonly (Sample & { name: string; algorithm: string })[]): string[] {
  const of = (wanted: string, algorithm: string): Sample =>
    results.find((result) => result.name === wanted && result.algorithm === algorithm)!
  const cells = algorithms.flatMap((algorithm) => {
    const { cpuMicros, tokensPerSecond } = of(name, algorithm)
    const ratio = cpuMicros / of('node:http + node:crypto', algorithm).cpuMicros
    return [`${cpuMicros.toFixed(1)} (${ratio.toFixed(2)})`, String(Math.round(tokensPerSecond))]
  })
  return [name, ...cells, String(Math.round(of(name, 'ES256').rssMiB))]
}

async function start(name: string, algorithm: string): Promise<{ child: ChildProcess; port: number }> {
  const script = fileURLToPath(new URL('issuer-contestants.ts', import.meta.url))
  const [command, ...rest] = pinned(0, [process.execPath, '--conditions=source', script, name, algorithm])
  const child = spawn(command!, rest, { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] })
  const port = await new Promise<number>((resolve, reject) => {
    child.once('message', (message) => resolve(Number(message)))
    child.once('exit', (code) => reject(new Error(`${name} ${algorithm} ended with ${code}`)))
  })
  return { child, port }
}

async function sample({
  child,
  port,
  name,
}: {
  child: ChildProcess
  port: number
  name: string
}): Promise<Sample> {
  const before = cpuSeconds(child.pid!)
  const { requests, failed, seconds: measured } = await load(port)
  const used = cpuSeconds(child.pid!) - before
  if (failed > 0 || requests === 0) throw new Error(`${name}: ${failed} of ${requests} requests failed`)
  return { tokensPerSecond: requests / measured, cpuMicros: (used * 1e6) / requests, rssMiB: rss(child.pid!) }
}

function load(port: number): ReturnType<typeof httpLoad> {
  const form = {
    grant_type: 'client_credentials',
    client_id: 'orders',
    client_secret: 'a-client-secret-of-some-length-01',
  }
  const headers = { 'Content-Type': 'application/x-www-form-urlencoded' }
  const body = new URLSearchParams(form).toString()
  return httpLoad({ port, path: '/token', headers, body, connections, seconds, core: 1 })
}

function medians(samples: readonly Sample[]): Sample {
  return {
    tokensPerSecond: median(samples.map((one) => one.tokensPerSecond)),
    cpuMicros: median(samples.map((one) => one.cpuMicros)),
    rssMiB: median(samples.map((one) => one.rssMiB)),
  }
}

/** utime + stime, fields 14 and 15; the kernel counts in hundredths of a second. */
function cpuSeconds(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return (Number(fields[11]) + Number(fields[12])) / 100
}

function rss(pid: number): number {
  return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0) / 1024
}

function peer(): string {
  const manifest = new URL('../node_modules/oidc-provider/package.json', import.meta.url)
  return `oidc-provider ${(JSON.parse(readFileSync(manifest, 'utf8')) as { version: string }).version}`
}
