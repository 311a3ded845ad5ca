import assert from 'node:assert/strict'
import { test } from 'node:test'
import { freePort } from '../../../../../test/cli/issuer.ts'
import { until } from '../../../../../test/gateway/stand.ts'
import { openTrust, openWorkers, workerPids } from '../../../../../test/gateway/workers-stand.ts'

test('signals are the primary’s: what a terminal sends to all ends no worker', async (t) => {
  const port = await freePort()
  const { workers, events } = openWorkers(t, { text: openTrust(port), count: 1 })
  await workers.start(undefined, false)
  const [pid] = workerPids()
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP', 'SIGUSR2']) process.kill(pid!, signal)
  assert.equal((await fetch(`http://127.0.0.1:${port}/a/`)).status, 502)
  await workers.readings()
  assert.deepEqual([workerPids(), events], [[pid], []])
})

test('a file that is told while it begins is not lost', async (t) => {
  const port = await freePort()
  const { workers } = openWorkers(t, { text: openTrust(port), count: 1 })
  const started = workers.start(undefined, false)
  // As soon as it is there, long before it listens.
  await until(() => workerPids().length === 1, 'it is forked', 60_000)
  workers.replace(openTrust(port, 'routes: { GET /x: open }'))
  await started
  await until(() => workers.isReady(), 'it is ready', 60_000)
  assert.equal((await fetch(`http://127.0.0.1:${port}/a/`)).status, 404)
})
