import assert from 'node:assert/strict'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { until } from '../gateway/stand.ts'

setFlagsFromString('--expose_gc')
const collect = runInNewContext('gc') as () => void

/** At once on a machine that has time for it. */
const soonMs = 60_000

/**
 * Does something several times, and holds what is left of sockets and memory against what there was after the first time.
 *
 * @param upstreamSockets the service's ends of its connections
 */
export async function backToStart(
  upstreamSockets: { readonly size: number },
  once: () => Promise<void>,
): Promise<void> {
  await once()
  const released = (): boolean => upstreamSockets.size === 0
  await until(released, 'the connections to the service are gone', soonMs)
  collect()
  const before = process.memoryUsage().heapUsed
  for (let i = 0; i < 5; i++) await once()
  await until(released, 'the connections to the service are gone', soonMs)
  const sockets = (): number =>
    process.getActiveResourcesInfo().filter((name) => name === 'TCPSocketWrap').length
  await until(() => sockets() === 0, 'all sockets are gone', soonMs)
  collect()
  const more = process.memoryUsage().heapUsed - before
  assert.ok(more < 2_000_000, `${Math.round(more / 1000)} kB more than before`)
}
