import { writeFile } from 'node:fs/promises'
import { plainHaproxy, plainNginx, startContestants } from './gateway-contestants.ts'
import type { Running } from './gateway-contestants.ts'
import { gatewayLoad } from './gateway-load.ts'
import { canServe } from './gateway-serve.ts'
import { measureWorkers, workersText } from './gateway-workers.ts'
import type { WorkersSample } from './gateway-workers.ts'
import { loader } from './http-load.ts'
import { machine, median, table } from './measure.ts'

const rounds = 5
const seconds = 2
const leadSeconds = 1
const connections = 64
const pacedSeconds = 5

type Case = { readonly name: string; readonly path: string; readonly tokens: number; readonly body?: string }

const cases: readonly Case[] = [
  { name: 'one token', path: '/invoices/7', tokens: 1 },
  { name: '10,000 tokens', path: '/invoices/7', tokens: 10_000 },
  { name: '100 KiB reply', path: '/files/100k', tokens: 1 },
  { name: 'POST of 1 KiB', path: '/invoices/7', tokens: 1, body: 'x'.repeat(1024) },
]

type Sample = { readonly perSecond: number; readonly cpuMicros: number; readonly p99Ms: number | undefined }
type Paced = { readonly perSecond: number; readonly p50Ms: number; readonly p99Ms: number }

/**
 * CPU per proxied request over loopback: us with an ES256 token on each request, plain proxies that check nothing, and
 * gateways that check tokens. Each in a process of its own on one core, by turns in one run; load and upstream share
 * the other core.
 */
export async function run(): Promise<void> {
  const field = await startContestants()
  const samples = new Map<string, Sample[]>()
  try {
    for (const contestant of field.contestants) {
      for (const one of cases) if (measures(contestant, one)) await warmUp(contestant, one, field.tokens)
    }
    for (let round = 0; round < rounds; round++) {
      for (const one of cases) {
        for (const contestant of field.contestants) {
          if (!measures(contestant, one)) continue
          const key = `${contestant.name}, ${one.name}`
          samples.set(key, [...(samples.get(key) ?? []), await shot(contestant, one, field.tokens, seconds)])
        }
      }
      process.stderr.write(`round ${round + 1} of ${rounds}\n`)
    }
    const paced = loader() === 'wrk' ? await atHalfLoad(field.contestants, field.tokens, samples) : []
    const workers = canServe() ? await measureWorkers() : []
    await report(field.contestants, samples, paced, workers, field.notes)
  } finally {
    field.stop()
  }
}

/** Who does not look at tokens is not measured with more of them. */
function measures({ checks }: Running, one: Case): boolean {
  return one.tokens === 1 || (checks !== undefined && checks.length >= one.tokens)
}

/** Until every token has been seen for the first time, which costs a signature, and the compiler has nothing left to do. */
async function warmUp(contestant: Running, one: Case, tokens: readonly string[]): Promise<void> {
  const enough = contestant.isOurs ? Math.max(4 * one.tokens, 40_000) : contestant.checks ? 10_000 : 1
  for (let requests = 0; requests < enough;)
    requests += (await shot(contestant, one, tokens, 2)).perSecond * 2
}

async function shot(
  contestant: Running,
  one: Case,
  tokens: readonly string[],
  forSeconds: number,
): Promise<Sample> {
  // Whoever has been waiting for its turn first gets its caches back; a gateway at work waits for no turn.
  await load(contestant, one, tokens, leadSeconds)
  const before = contestant.cpuSeconds()
  const result = await load(contestant, one, tokens, forSeconds)
  return {
    perSecond: result.requests / result.seconds,
    cpuMicros: ((contestant.cpuSeconds() - before) * 1e6) / result.requests,
    p99Ms: result.p99Ms,
  }
}

async function load(
  contestant: Running,
  one: Case,
  tokens: readonly string[],
  forSeconds: number,
  perSecond?: number,
) {
  const result = await gatewayLoad({
    port: contestant.port,
    path: contestant.prefix + one.path,
    tokens: (contestant.checks ?? tokens).slice(0, one.tokens),
    connections,
    seconds: forSeconds,
    core: 1,
    ...(one.body === undefined ? {} : { body: one.body }),
    ...(perSecond === undefined ? {} : { perSecond }),
  })
  if (result.failed > 0 || result.requests === 0) {
    throw new Error(`${contestant.name}, ${one.name}: ${result.failed} of ${result.requests} requests failed`)
  }
  return result
}

/** Latency is worth comparing only below saturation: all of them at half of what our gateway does at most. */
async function atHalfLoad(
  contestants: readonly Running[],
  tokens: readonly string[],
  samples: ReadonlyMap<string, readonly Sample[]>,
): Promise<{ name: string; paced: Paced }[]> {
  const one = cases[0]!
  const ours = contestants.find(({ isOurs }) => isOurs)!
  const most = median(samples.get(`${ours.name}, ${one.name}`)!.map(({ perSecond }) => perSecond))
  const able = contestants.filter(
    ({ name }) => median(samples.get(`${name}, ${one.name}`)!.map(({ perSecond }) => perSecond)) > most * 0.7,
  )
  const shots = new Map<string, Paced[]>()
  for (let round = 0; round < 3; round++) {
    for (const contestant of able) {
      const {
        requests,
        seconds: took,
        p50Ms = 0,
        p99Ms = 0,
      } = await load(contestant, one, tokens, pacedSeconds, most / 2)
      const own = shots.get(contestant.name) ?? []
      shots.set(contestant.name, [...own, { perSecond: requests / took, p50Ms, p99Ms }])
    }
  }
  return [...shots].map(([name, own]) => ({
    name,
    paced: {
      perSecond: median(own.map(({ perSecond }) => perSecond)),
      p50Ms: median(own.map(({ p50Ms }) => p50Ms)),
      p99Ms: median(own.map(({ p99Ms }) => p99Ms)),
    },
  }))
}

async function report(
  contestants: readonly Running[],
  samples: ReadonlyMap<string, readonly Sample[]>,
  paced: readonly { readonly name: string; readonly paced: Paced }[],
  workers: readonly WorkersSample[],
  notes: readonly string[],
): Promise<void> {
  const ours = contestants.find(({ isOurs }) => isOurs)!
  const results = contestants.map((contestant) => ({
    name: contestant.name,
    version: contestant.version,
    rssMiB: contestant.rssMiB(),
    cases: cases.map((one) => {
      const own = samples.get(`${contestant.name}, ${one.name}`)
      return {
        name: one.name,
        cpuMicros: own && median(own.map(({ cpuMicros }) => cpuMicros)),
        perSecond: own && median(own.map(({ perSecond }) => perSecond)),
        p99Ms: own?.every(({ p99Ms }) => p99Ms !== undefined)
          ? median(own.map(({ p99Ms }) => p99Ms!))
          : undefined,
      }
    }),
    oursToIt: ratios(samples, ours.name, contestant.name),
  }))
  const rows = results.map((result) => [
    label(result),
    ...result.cases.flatMap(({ cpuMicros, perSecond, p99Ms }) => [
      cpuMicros?.toFixed(1) ?? '–',
      perSecond === undefined
        ? '–'
        : `${Math.round(perSecond)}${p99Ms === undefined ? '' : ` / ${p99Ms.toFixed(1)}`}`,
    ]),
    String(Math.round(result.rssMiB)),
  ])
  const text = [
    '# Gateway: proxied requests',
    '',
    `${machine()}; load by ${loader()}, ${connections} keep-alive connections. Medians of ${rounds} interleaved rounds of ${seconds} s, each after ${leadSeconds} s of the same load that are not counted.`,
    "CPU is utime + stime of the contestant's process by the kernel, in microseconds per request. Read ratios, not absolutes.",
    '"direct" is the upstream itself, without any proxy. Ours runs with the young generation that a worker is started with.',
    ...notes,
    '',
    table(['', ...cases.flatMap(({ name }) => [`${name}: µs`, 'per s / p99 ms']), 'RSS MiB'], rows),
    '',
    '## Our CPU per request, as a share of theirs',
    '',
    'Taken within each round, so that a slow minute of the machine falls on both; the median of the rounds. Those who check nothing are',
    'compared with our one-token case where we have 10,000.',
    '',
    table(
      ['', ...cases.map(({ name }) => name)],
      results
        .filter(({ name }) => name !== ours.name && name !== 'direct')
        .map((result) => [
          label(result),
          ...result.oursToIt.map((ratio) => (ratio === undefined ? '–' : `${ratio.toFixed(2)} ×`)),
        ]),
    ),
    '',
    ...(paced.length === 0 ? [] : ['## Latency at half load', '', pacedTable(paced), '']),
    ...(workers.length === 0 ? [] : [workersText(workers)]),
  ].join('\n')
  const json = { machine: machine(), at: new Date().toISOString().slice(0, 10), results, paced, workers }
  await writeFile(new URL('results/gateway.json', import.meta.url), JSON.stringify(json, null, 2) + '\n')
  await writeFile(new URL('results/gateway.md', import.meta.url), text)
  process.stdout.write(text)
}

function label({ name, version }: { readonly name: string; readonly version: string }): string {
  return version === '' ? name : `${name} (${version})`
}

function ratios(
  samples: ReadonlyMap<string, readonly Sample[]>,
  ours: string,
  theirs: string,
): (number | undefined)[] {
  return cases.map((one) => {
    const own = samples.get(`${ours}, ${one.name}`)!
    const other = samples.get(`${theirs}, ${one.name}`)
    return other && median(own.map(({ cpuMicros }, round) => cpuMicros / other[round]!.cpuMicros))
  })
}

function pacedTable(paced: readonly { readonly name: string; readonly paced: Paced }[]): string {
  const plain = [plainHaproxy, plainNginx].filter((name) => paced.some((one) => one.name === name)).join(', ')
  return [
    `The same rate for all: half of what our gateway does at most, callers independent of each other (${plain} check nothing).`,
    '',
    table(
      ['', 'per s', 'p50 ms', 'p99 ms'],
      paced.map(({ name, paced: { perSecond, p50Ms, p99Ms } }) => [
        name,
        String(Math.round(perSecond)),
        p50Ms.toFixed(2),
        p99Ms.toFixed(2),
      ]),
    ),
  ].join('\n')
}
