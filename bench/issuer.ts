import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { createSigner, generateSigningKey, publicJwk } from '@countersign/sdk/jwt'
import { startPostgres, whyNoPostgres } from '../test/store/postgres-server.ts'
import type { PostgresServer } from '../test/store/postgres-server.ts'
import { httpLoad, loader, pinned } from './http-load.ts'
import { managedId, managedSecret } from './issuer-clients.ts'
import { issuerStart } from './issuer-start.ts'
import { machine, median, table } from './measure.ts'

const algorithms = ['ES256', 'Ed25519', 'RS256'] as const
const rounds = 5
const seconds = 1
const connections = 32
const byHand = 'node:http + node:crypto'

/** How clients say who they are. */
type Way = 'secret' | 'managed' | 'assertion'
type Contestant = { readonly name: string; readonly algorithm: string; readonly way: Way }
type Running = Contestant & { child: ChildProcess; port: number; samples: Sample[]; sign: () => string }
type Sample = { readonly tokensPerSecond: number; readonly cpuMicros: number; readonly rssMiB: number }
type Result = Contestant & Sample

/**
 * Tokens per second and CPU per token of the client credentials grant over loopback: us, what a careful person writes
 * by hand, the same without its signature, and oidc-provider. Each in a process of its own, by turns in one run.
 */
export async function run(): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'bench-issuer-'))
  const why = whyNoPostgres()
  let postgres: PostgresServer | undefined
  const running: Running[] = []
  try {
    postgres = why === undefined ? await startPostgres() : undefined
    const key = generateSigningKey('ES256', { keyId: 'client-key' })
    const signer = createSigner({ key, type: 'JWT' })
    const env: Record<string, string> = {
      BENCH_FOLDER: folder,
      BENCH_ASSERTION_JWK: JSON.stringify(publicJwk(key)),
    }
    for (const contestant of field(postgres !== undefined)) {
      if (contestant.name.endsWith('PostgreSQL'))
        // A password never stands in a trust file, and this server asks for none.
        env['BENCH_POSTGRES'] = (await postgres!.newDatabase()).revealText().replace(/:[^:@]*@/, '@')
      const started = await start(contestant, {
        ...env,
        BENCH_FOLDER: mkdtempSync(join(folder, 'contestant-')),
      })
      const audience = `http://127.0.0.1:${started.port}`
      running.push({ ...contestant, ...started, samples: [], sign: () => assertion(signer, audience) })
    }
    // Each one's own warm-up: a compiler that has seen a thousand requests knows a way that ten thousand change.
    for (const contestant of running) for (let times = 0; times < 3; times++) await load(contestant)
    for (let round = 0; round < rounds; round++) {
      for (const contestant of running) contestant.samples.push(await sample(contestant))
      process.stderr.write(`round ${round + 1} of ${rounds}\n`)
    }
  } finally {
    for (const { child } of running) child.kill()
    await postgres?.stop()
    rmSync(folder, { recursive: true, force: true })
  }
  const results = running.map(({ name, algorithm, way, samples }): Result => {
    const of = (pick: (one: Sample) => number): number => median(samples.map(pick))
    const { rssMiB } = samples.at(-1)!
    return {
      ...{ name, algorithm, way, rssMiB },
      tokensPerSecond: of((one) => one.tokensPerSecond),
      cpuMicros: of((one) => one.cpuMicros),
    }
  })
  await report(results, why)
}

/** Everybody by every algorithm with a secret; then, by ES256, the stores and the other ways. */
function field(hasPostgres: boolean): Contestant[] {
  const stores = hasPostgres ? ['countersign, SQLite', 'countersign, PostgreSQL'] : ['countersign, SQLite']
  const way = 'secret'
  return [
    { name: 'no signature', algorithm: 'ES256', way },
    ...algorithms.flatMap((algorithm) =>
      [byHand, 'countersign', 'oidc-provider'].map((name) => ({ name, algorithm, way }) as const),
    ),
    ...[byHand, 'countersign', 'oidc-provider'].map((name) => ({ name, algorithm: 'HS256', way }) as const),
    ...stores.map((name) => ({ name, algorithm: 'ES256', way }) as const),
    { name: 'countersign, 100,000 clients', algorithm: 'ES256', way: 'managed' },
    ...['countersign', ...stores, 'oidc-provider'].map(
      (name) => ({ name, algorithm: 'ES256', way: 'assertion' }) as const,
    ),
  ]
}

async function start(
  { name, algorithm }: Contestant,
  env: Record<string, string>,
): Promise<{ child: ChildProcess; port: number }> {
  const script = fileURLToPath(new URL('issuer-contestants.ts', import.meta.url))
  const [command, ...rest] = pinned(0, [process.execPath, '--conditions=source', script, name, algorithm])
  const child = spawn(command!, rest, {
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    env: { ...process.env, ...env, NODE_ENV: 'production' },
  })
  const port = await new Promise<number>((resolve, reject) => {
    child.once('message', (message) => resolve(Number(message)))
    child.once('exit', (code) => reject(new Error(`${name} ${algorithm} ended with ${code}`)))
  })
  return { child, port }
}

async function sample(contestant: Running): Promise<Sample> {
  const pid = contestant.child.pid!
  const before = cpuSeconds(pid)
  const { requests, failed, seconds: measured, tookCpuSeconds } = await load(contestant)
  const used = (tookCpuSeconds ?? cpuSeconds(pid)) - before
  if (failed > 0 || requests === 0) {
    throw new Error(`${contestant.name}, ${contestant.way}: ${failed} of ${requests} requests failed`)
  }
  return { tokensPerSecond: requests / measured, cpuMicros: (used * 1e6) / requests, rssMiB: rss(pid) }
}

async function load({
  child,
  port,
  way,
  sign,
}: Running): Promise<Awaited<ReturnType<typeof httpLoad>> & { tookCpuSeconds?: number }> {
  const headers = { 'Content-Type': 'application/x-www-form-urlencoded' }
  const bodies = bodiesOf(way, sign)
  const result = await httpLoad({ port, path: '/token', headers, bodies, connections, seconds, core: 1 })
  return { ...result, tookCpuSeconds: cpuSeconds(child.pid!) }
}

/** What is posted, in turn. */
function bodiesOf(way: Way, sign: () => string): string[] {
  const grant_type = 'client_credentials'
  const form = (fields: Record<string, string>): string =>
    new URLSearchParams({ grant_type, ...fields }).toString()
  if (way === 'secret') {
    return [form({ client_id: 'orders', client_secret: 'a-client-secret-of-some-length-01' })]
  }
  if (way === 'managed') {
    // One in fifty of them asks, from all over the table.
    const asking = Array.from({ length: 2000 }, (_, index) => index * 50)
    return asking.map((index) => form({ client_id: managedId(index), client_secret: managedSecret(index) }))
  }
  // Each may be used once: more of them than anybody gets through in a second.
  return Array.from({ length: 8000 * seconds }, () =>
    form({
      client_id: 'keyed',
      client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
      client_assertion: sign(),
    }),
  )
}

function assertion(signer: ReturnType<typeof createSigner>, audience: string): string {
  const iat = Math.floor(Date.now() / 1000)
  return signer.sign({
    iss: 'keyed',
    sub: 'keyed',
    aud: audience,
    jti: randomUUID(),
    iat,
    exp: iat + 60,
  })
}

async function report(results: readonly Result[], why: string | undefined): Promise<void> {
  const of = (name: string, algorithm: string, way: Way = 'secret'): Result | undefined =>
    results.find((one) => one.name === name && one.algorithm === algorithm && one.way === way)
  const bare = of(byHand, 'ES256')!
  const cells = (one: Result | undefined, base: Result): string[] =>
    one === undefined
      ? ['–', '–', '–']
      : [
          `${one.cpuMicros.toFixed(1)} (${(one.cpuMicros / base.cpuMicros).toFixed(2)})`,
          String(Math.round(one.tokensPerSecond)),
          String(Math.round(one.rssMiB)),
        ]
  const stores = ['countersign', 'countersign, SQLite', 'countersign, PostgreSQL']
  const text = [
    '# Issuer: tokens by the client credentials grant',
    '',
    `${machine()}; ${peer()}; load by ${loader()}, ${connections} keep-alive connections, one core for the contestant and`,
    `one for the load. Medians of ${rounds} interleaved rounds of ${seconds} s. CPU is utime + stime of the contestant's process by the`,
    'kernel, per token. Read ratios, not absolutes.',
    ...(why === undefined ? [] : [`PostgreSQL was not measured: ${why}.`]),
    '',
    '## A client by its secret',
    '',
    'In brackets the ratio to the hand-written issuer of the same algorithm, which knows one client and one service. The same without',
    `any signature costs ${of('no signature', 'ES256')!.cpuMicros.toFixed(1)} µs a token.`,
    '',
    table(
      ['', ...algorithms.flatMap((algorithm) => [`${algorithm} µs`, 'tokens/s']), 'RSS MiB'],
      [byHand, 'countersign', 'oidc-provider'].map((name) => [
        name,
        ...algorithms.flatMap((algorithm) => cells(of(name, algorithm), of(byHand, algorithm)!).slice(0, 2)),
        cells(of(name, 'ES256'), bare)[2]!,
      ]),
    ),
    '',
    '## With an HMAC in place of the signature',
    '',
    'Not a way to run it: whoever verifies HS256 could sign as well, so no trust file can ask for it. Here the bench puts a signer with a',
    'secret into the running issuer, to show what a token costs beside its signature. In brackets the ratio to the hand-written issuer.',
    '',
    table(
      ['', 'HS256 µs', 'tokens/s', 'RSS MiB'],
      [byHand, 'countersign', 'oidc-provider'].map((name) => [
        name,
        ...cells(of(name, 'HS256'), of(byHand, 'HS256')!),
      ]),
    ),
    '',
    '## By store, and with many clients',
    '',
    'ES256; in brackets the ratio to the hand-written issuer. A plain token writes nothing to any store. Of the 100,000 clients 2,000 ask.',
    '',
    table(
      ['', 'µs', 'tokens/s', 'RSS MiB'],
      [...stores, 'countersign, 100,000 clients'].map((name) => [
        name.replace('countersign', 'countersign, memory').replace('memory, ', ''),
        ...cells(of(name, 'ES256', name.endsWith('clients') ? 'managed' : 'secret'), bare),
      ]),
    ),
    '',
    '## A client by private_key_jwt',
    '',
    'ES256 on both sides: each token costs a verification, an insert that marks the assertion as used, and a signature. In brackets the',
    'ratio to oidc-provider, which keeps the marks in memory.',
    '',
    table(
      ['', 'µs', 'tokens/s', 'RSS MiB'],
      [...stores, 'oidc-provider'].map((name) => [
        name.replace('countersign', 'countersign, memory').replace('memory, ', ''),
        ...cells(of(name, 'ES256', 'assertion'), of('oidc-provider', 'ES256', 'assertion')!),
      ]),
    ),
    '',
    await issuerStart(),
    '',
  ].join('\n')
  const json = { machine: machine(), at: new Date().toISOString().slice(0, 10), results }
  await writeFile(new URL('results/issuer.json', import.meta.url), JSON.stringify(json, null, 2) + '\n')
  await writeFile(new URL('results/issuer.md', import.meta.url), text)
  process.stdout.write(text)
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
