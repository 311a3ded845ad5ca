import { writeFile } from 'node:fs/promises'
import { gatewayLoad } from './gateway-load.ts'
import type { GatewayLoadResult } from './gateway-load.ts'
import { canServe, startServe } from './gateway-serve.ts'
import { machine, median, table } from './measure.ts'
import { withYoungGeneration } from '../packages/server/src/serve/workers/worker-process.ts'

const minutes = Number(process.env['SOAK_MINUTES'] ?? 10)
const sliceSeconds = 30
const tokenCount = 10_000
// What a worker of several has by itself.
const nodeOptions = withYoungGeneration([]).join(' ')

/** Moderate, so that what grows does so by time and not because there is no room. */
const loads = [
  { name: 'small', path: '/billing/invoices/7', perSecond: 1_400, connections: 32 },
  { name: '100 KiB', path: '/billing/files/100k', perSecond: 150, connections: 8 },
  { name: 'POST', path: '/billing/invoices/7', perSecond: 450, connections: 16, body: 'x'.repeat(1024) },
] as const

type Slice = {
  readonly seconds: number
  readonly rssMiB: number
  readonly results: readonly GatewayLoadResult[]
}

/**
 * One gateway process for `SOAK_MINUTES` minutes (10 unless given): 2,000 requests a second, 10,000 tokens in rotation. What it holds
 * of memory every 30 s, and how long requests took.
 */
export async function run(): Promise<void> {
  if (!canServe())
    throw new Error('it needs nginx to stand behind the gateway, and wrk, which keeps to a rate')
  const serving = await startServe({ workers: 1, tokens: tokenCount, core: 0, nodeOptions })
  const slices: Slice[] = []
  try {
    const started = performance.now()
    const startMiB = serving.rssMiB()
    process.stderr.write(`at rest: ${startMiB.toFixed(1)} MiB\n`)
    while (performance.now() - started < minutes * 60_000) {
      const results = await Promise.all(
        loads.map(({ name: _, ...load }) =>
          gatewayLoad({
            ...load,
            port: serving.port,
            tokens: serving.tokens,
            seconds: sliceSeconds,
            core: 1,
          }),
        ),
      )
      const seconds = Math.round((performance.now() - started) / 1000)
      const slice = { seconds, rssMiB: serving.rssMiB(), results }
      slices.push(slice)
      process.stderr.write(`${lineOf(slice).join('  ')}\n`)
    }
    await report(startMiB, slices)
  } finally {
    await serving.stop()
  }
}

async function report(startMiB: number, slices: readonly Slice[]): Promise<void> {
  // What fills caches and warms up is over by then.
  const settled = slices.slice(Math.floor(slices.length / 3)).map(({ rssMiB }) => rssMiB)
  const half = Math.ceil(settled.length / 2)
  const growth = median(settled.slice(-half)) - median(settled.slice(0, half))
  const most = Math.max(...slices.map(({ rssMiB }) => rssMiB))
  const text = [
    '# Gateway: a long run',
    '',
    `${machine()}. \`countersign serve --only gateway\`, one process on one core, ${minutes} minutes, ${tokenCount} tokens in rotation, about`,
    `${loads.map(({ name, perSecond }) => `${perSecond} ${name}`).join(', ')} a second; load and service on the other core.`,
    '',
    `At rest ${startMiB.toFixed(1)} MiB, at most ${most.toFixed(1)} MiB. In the last third against the one before: ${growth >= 0 ? '+' : ''}${growth.toFixed(1)} MiB (medians).`,
    '',
    table(
      ['s', 'RSS MiB', 'requests', 'failed', ...loads.map(({ name }) => `${name}: p50 / p99 ms`)],
      slices.map(lineOf),
    ),
    '',
  ].join('\n')
  const json = {
    machine: machine(),
    at: new Date().toISOString().slice(0, 10),
    minutes,
    startMiB,
    most,
    growth,
    slices,
  }
  await writeFile(new URL('results/gateway-soak.json', import.meta.url), JSON.stringify(json, null, 2) + '\n')
  await writeFile(new URL('results/gateway-soak.md', import.meta.url), text)
  process.stdout.write(text)
}

function lineOf({ seconds, rssMiB, results }: Slice): string[] {
  const sum = (of: (result: GatewayLoadResult) => number): number =>
    results.reduce((total, result) => total + of(result), 0)
  return [
    String(seconds),
    rssMiB.toFixed(1),
    String(sum(({ requests }) => requests)),
    String(sum(({ failed }) => failed)),
    ...results.map(({ p50Ms = 0, p99Ms = 0 }) => `${p50Ms.toFixed(2)} / ${p99Ms.toFixed(1)}`),
  ]
}
