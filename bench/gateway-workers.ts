import { gatewayLoad } from './gateway-load.ts'
import { startServe } from './gateway-serve.ts'
import type { Serving } from './gateway-serve.ts'
import { median, table } from './measure.ts'

const rounds = 5
const seconds = 2
const connections = 64

export type WorkersSample = {
  readonly workers: number
  readonly cpuMicros: number
  readonly perSecond: number
  /** What the busiest worker did of all CPU time. */
  readonly busiest: number
}

/**
 * CPU per request with one process and with two workers, by turns. The second core is where load and service run, so the rate
 * says little: what can be known is how much more a request costs when workers share an address.
 */
export async function measureWorkers(): Promise<readonly WorkersSample[]> {
  const stands: { readonly workers: number; readonly serving: Serving; readonly shots: WorkersSample[] }[] =
    []
  try {
    for (const workers of [1, 2]) {
      stands.push({ workers, serving: await startServe({ workers, tokens: 1 }), shots: [] })
    }
    for (const { workers, serving } of stands) await shot(workers, serving, 6)
    for (let round = 0; round < rounds; round++) {
      for (const { workers, serving, shots } of stands) shots.push(await shot(workers, serving, seconds))
    }
    return stands.map(({ workers, shots }) => ({
      workers,
      cpuMicros: median(shots.map(({ cpuMicros }) => cpuMicros)),
      perSecond: median(shots.map(({ perSecond }) => perSecond)),
      busiest: median(shots.map(({ busiest }) => busiest)),
    }))
  } finally {
    await Promise.all(stands.map(({ serving }) => serving.stop()))
  }
}

export function workersText(samples: readonly WorkersSample[]): string {
  const [one, two] = samples
  return [
    '## Several workers',
    '',
    '`countersign serve --only gateway`, one token, small replies, all processes of the gateway together. Load and service share both cores with',
    'it, so what tells is the CPU of a request: on two cores of their own two workers do',
    `${((2 * one!.cpuMicros) / two!.cpuMicros).toFixed(2)} × as much as one.`,
    '',
    table(
      ['workers', 'µs per request', 'requests per CPU second', 'per s here', 'busiest process'],
      samples.map(({ workers, cpuMicros, perSecond, busiest }) => [
        String(workers),
        cpuMicros.toFixed(1),
        String(Math.round(1e6 / cpuMicros)),
        String(Math.round(perSecond)),
        `${Math.round(busiest * 100)} %`,
      ]),
    ),
    '',
  ].join('\n')
}

async function shot(workers: number, serving: Serving, forSeconds: number): Promise<WorkersSample> {
  const before = serving.cpuSeconds()
  const result = await gatewayLoad({
    port: serving.port,
    path: '/billing/invoices/7',
    tokens: serving.tokens,
    connections,
    seconds: forSeconds,
    core: 1,
  })
  if (result.failed > 0 || result.requests === 0) {
    throw new Error(`${workers} workers: ${result.failed} of ${result.requests} requests failed`)
  }
  const spent = serving.cpuSeconds().map((now, index) => now - before[index]!)
  const total = spent.reduce((sum, one) => sum + one, 0)
  return {
    workers,
    cpuMicros: (total * 1e6) / result.requests,
    perSecond: result.requests / result.seconds,
    busiest: Math.max(...spent) / total,
  }
}
