import { writeFile } from 'node:fs/promises'
import { gatewayLoad } from './gateway-load.ts'
import { startContestants } from './gateway-contestants.ts'
import type { Running } from './gateway-contestants.ts'
import { loader } from './http-load.ts'
import { machine, median, table } from './measure.ts'

const rounds = 5
const seconds = 2
const connections = 64

type Case = { readonly name: string; readonly path: string; readonly tokens: 1 | 10_000 }
const cases: readonly Case[] = [
  { name: 'one token', path: '/invoices/7', tokens: 1 },
  { name: '10,000 tokens', path: '/invoices/7', tokens: 10_000 },
  { name: '100 KiB reply', path: '/files/100k', tokens: 1 },
]

type Sample = { readonly perSecond: number; readonly cpuMicros: number; readonly p99Ms: number | undefined }

/**
 * CPU per proxied request over loopback: us with an ES256 token on each request, and plain proxies that check nothing.
 * Each in a process of its own on one core, by turns in one run; load and upstream share the other core.
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
    await report(field.contestants, samples, field.notes)
  } finally {
    field.stop()
  }
}

/** Who does not look at tokens is not measured with more of them. */
function measures(contestant: Running, one: Case): boolean {
  return one.tokens === 1 || contestant.checks
}

/** Until every token has been seen for the first time, which costs a signature, and the compiler has nothing left to do. */
async function warmUp(contestant: Running, one: Case, tokens: readonly string[]): Promise<void> {
  const enough = contestant.checks ? Math.max(2 * one.tokens, 15_000) : 1
  for (let requests = 0; requests < enough;)
    requests += (await shot(contestant, one, tokens, 2)).perSecond * 2
}

async function shot(
  contestant: Running,
  one: Case,
  tokens: readonly string[],
  forSeconds: number,
): Promise<Sample> {
  const before = contestant.cpuSeconds()
  const result = await gatewayLoad({
    port: contestant.port,
    path: contestant.prefix + one.path,
    tokens: tokens.slice(0, one.tokens),
    connections,
    seconds: forSeconds,
    core: 1,
  })
  if (result.failed > 0 || result.requests === 0) {
    throw new Error(`${contestant.name}, ${one.name}: ${result.failed} of ${result.requests} requests failed`)
  }
  return {
    perSecond: result.requests / result.seconds,
    cpuMicros: ((contestant.cpuSeconds() - before) * 1e6) / result.requests,
    p99Ms: result.p99Ms,
  }
}

async function report(
  contestants: readonly Running[],
  samples: ReadonlyMap<string, readonly Sample[]>,
  notes: readonly string[],
): Promise<void> {
  const results = contestants.map((contestant) => ({
    name: contestant.name,
    version: contestant.version,
    rssMiB: contestant.rssMiB(),
    cases: cases.map((one) => {
      const own = samples.get(`${contestant.name}, ${one.name}`)
      // Ratios are taken within a round, so that a slow minute of the machine falls on both.
      const baseName = contestants.find(({ isBase }) => isBase)?.name ?? ''
      const base = samples.get(`${baseName}, ${one.name}`) ?? samples.get(`${baseName}, ${cases[0]!.name}`)
      return {
        name: one.name,
        cpuMicros: own && median(own.map(({ cpuMicros }) => cpuMicros)),
        ratio: own && base && median(own.map(({ cpuMicros }, round) => cpuMicros / base[round]!.cpuMicros)),
        perSecond: own && median(own.map(({ perSecond }) => perSecond)),
        p99Ms: own?.every(({ p99Ms }) => p99Ms !== undefined)
          ? median(own.map(({ p99Ms }) => p99Ms!))
          : undefined,
      }
    }),
  }))
  const rows = results.map((result) => [
    `${result.name}${result.version === '' ? '' : ` (${result.version})`}`,
    ...result.cases.flatMap(({ cpuMicros, ratio, perSecond, p99Ms }) => [
      cpuMicros === undefined
        ? '–'
        : `${cpuMicros.toFixed(1)}${ratio === undefined ? '' : ` (${ratio.toFixed(2)})`}`,
      perSecond === undefined
        ? '–'
        : `${Math.round(perSecond)}${p99Ms === undefined ? '' : ` / ${p99Ms.toFixed(1)}`}`,
    ]),
    String(Math.round(result.rssMiB)),
  ])
  const text = [
    '# Gateway: proxied requests',
    '',
    `${machine()}; load by ${loader()}, ${connections} keep-alive connections. Medians of ${rounds} interleaved rounds of ${seconds} s.`,
    "CPU is utime + stime of the contestant's process by the kernel, per request; in brackets the ratio to the plain proxy",
    'measured in the same round. Read ratios, not absolutes. "Direct" is the upstream itself, without any proxy.',
    ...notes,
    '',
    table(['', ...cases.flatMap(({ name }) => [`${name}: µs (ratio)`, 'per s / p99 ms']), 'RSS MiB'], rows),
    '',
  ].join('\n')
  await writeFile(
    new URL('results/gateway.json', import.meta.url),
    JSON.stringify({ machine: machine(), results }, null, 2) + '\n',
  )
  await writeFile(new URL('results/gateway.md', import.meta.url), text)
  process.stdout.write(text)
}

if (import.meta.main) await run()
