import cluster from 'node:cluster'
import { fileURLToPath } from 'node:url'
import type { TestContext } from 'node:test'
import { silentLog } from '../../packages/server/src/log.ts'
import type { Log, LogFields } from '../../packages/server/src/log.ts'
import { createWorkers } from '../../packages/server/src/serve/workers/workers.ts'
import type { GatewayWorkers, WorkersOptions } from '../../packages/server/src/serve/workers/workers.ts'

/** Worker processes of this test, which is their primary. All of them have ended when the test has. */
export function openWorkers(
  t: TestContext,
  options: Pick<WorkersOptions, 'text'> & Partial<WorkersOptions>,
): { readonly workers: GatewayWorkers; readonly events: readonly LogEvent[] } {
  forkWorkers()
  const events: LogEvent[] = []
  const write =
    (level: string) =>
    (event: string, fields: LogFields = {}): void =>
      void events.push({ level, event, fields })
  const log: Log = { ...silentLog, info: write('info'), warn: write('warn'), error: write('error') }
  const workers = createWorkers({ count: 2, file: 'test.yaml', log, drainMs: 300, ...options })
  t.after(() => workers.close())
  return { workers, events }
}

export type LogEvent = { readonly level: string; readonly event: string; readonly fields: LogFields }

/** From now on this process forks what `countersign serve` would. */
export function forkWorkers(): void {
  cluster.schedulingPolicy = cluster.SCHED_NONE
  cluster.setupPrimary({
    exec: fileURLToPath(new URL('./worker-main.ts', import.meta.url)),
    execArgv: ['--conditions=source'],
    args: [],
    silent: true,
  })
}

/** The processes that this one has forked. */
export function workerPids(): number[] {
  return Object.values(cluster.workers ?? {}).flatMap((worker) => worker?.process.pid ?? [])
}

export function openTrust(port: number, service = 'routes: { GET /: open }'): string {
  return `gateway: { listen: 127.0.0.1:${port} }
operations: { listen: 127.0.0.1:1 }
services:
  a: { audience: a, at: /a, accepts: [], upstream: http://127.0.0.1:1, ${service} }
`
}
