import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { freePort } from '../../../../../test/cli/issuer.ts'
import { until } from '../../../../../test/gateway/stand.ts'
import { forkWorkers, openTrust } from '../../../../../test/gateway/workers-stand.ts'
import { WorkerProcess, withYoungGeneration } from './worker-process.ts'

test('its young generation is small, unless somebody has chosen', () => {
  assert.deepEqual(withYoungGeneration(['--enable-source-maps']), [
    '--enable-source-maps',
    '--max-semi-space-size=4',
  ])
  assert.deepEqual(withYoungGeneration(['--max_semi_space_size=32']), ['--max_semi_space_size=32'])
  assert.deepEqual(withYoungGeneration([], '--max-semi-space-size=16'), [])
})

test('from its start to its end', async (t) => {
  const port = await freePort()
  const worker = open(t, openTrust(port))
  assert.deepEqual(await worker.listening, { gateway: { host: '127.0.0.1', port } })
  await until(() => worker.isReady, 'it is ready', 60_000)
  await fetch(`http://127.0.0.1:${port}/a/`)
  // One that is too busy to answer within a second is asked again.
  while (worker.reading.length === 0) await worker.askNumbers()
  const names = worker.reading.map(({ name }) => name)
  assert.ok(names.includes('countersign_gateway_requests_total'))
  await worker.leave({ announceMs: 0, unnoticed: false }, 60_000)
  assert.equal(worker.isReady, false)
  assert.deepEqual(await worker.ended, { code: 0, signal: null, failure: undefined })
  await worker.askNumbers()
})

test('one that cannot begin says why', async (t) => {
  const worker = open(t, 'gateway: { listen: nowhere }')
  assert.equal(await worker.listening, undefined)
  const { failure } = await worker.ended
  assert.match(failure!.message, /^test\.yaml: /)
  assert.equal(failure!.next, '`countersign check` lists every mistake')
})

test('one that does not leave in time is ended', async (t) => {
  const worker = open(t, openTrust(await freePort()))
  await worker.listening
  const left = worker.leave({ announceMs: 60_000, unnoticed: false }, 100)
  await left
  assert.equal((await worker.ended).signal, 'SIGKILL')
})

function open(t: TestContext, text: string): WorkerProcess {
  forkWorkers()
  const start = () =>
    ({
      kind: 'start',
      text,
      file: 'test.yaml',
      processes: 1,
      viaName: 'v',
      issuerAtHand: false,
      nonceSecret: Buffer.alloc(32, 1).toString('base64'),
      keysWithinMs: 0,
      needsKeys: false,
    }) as const
  const worker = new WorkerProcess(1, start, ({ id }) => ({ id, told: true }))
  t.after(() => worker.kill())
  return worker
}
