import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { test } from 'node:test'
import { readTrust } from '../../trust/read.ts'
import { freePort } from '../../../../../test/cli/issuer.ts'
import { until } from '../../../../../test/gateway/stand.ts'
import { openTrust, openWorkers, workerPids } from '../../../../../test/gateway/workers-stand.ts'
import type { GatewayWorkers } from './workers.ts'

test('two at one address: started, told of another file, replaced, ended', async (t) => {
  const port = await freePort()
  const { workers, events } = openWorkers(t, { text: openTrust(port) })
  const { gateway } = await workers.start(undefined, false)
  assert.deepEqual(gateway, { host: '127.0.0.1', port })
  await until(() => workers.isReady(), 'one is ready', 60_000)
  const before = workerPids()
  assert.equal(before.length, 2)
  assert.equal((await fetch(`http://127.0.0.1:${port}/a/`)).status, 502)

  workers.replace(openTrust(port, 'routes: { GET /x: open }'))
  while (!(await statuses(port, '/a/')).every((status) => status === 404)) continue

  await workers.renew()
  const after = workerPids()
  assert.equal(after.length, 2)
  assert.deepEqual(
    after.filter((pid) => before.includes(pid)),
    [],
  )
  assert.ok(
    (await statuses(port, '/a/')).every((status) => status === 404),
    'they begin with the file of now',
  )
  assert.deepEqual(
    events.map(({ event }) => event),
    ['workers.renewing', 'workers.renewed'],
  )
  await workers.close()
  assert.deepEqual(workerPids(), [])
  await assert.rejects(fetch(`http://127.0.0.1:${port}/a/`))
})

test('one that ends is replaced, and what it has counted stays', async (t) => {
  const port = await freePort()
  const { workers, events } = openWorkers(t, { text: openTrust(port) })
  await workers.start(undefined, false)
  await until(() => workers.isReady(), 'one is ready', 60_000)
  for (let count = 0; count < 10; count++) await fetch(`http://127.0.0.1:${port}/a/`)
  assert.equal(await counted(workers, 10), 10)
  const [victim, other] = workerPids()
  process.kill(victim!, 'SIGKILL')
  await until(() => events.some(({ event }) => event === 'worker.started'), 'another one is there', 60_000)
  const ended = events.find(({ event }) => event === 'worker.ended')!
  assert.deepEqual([ended.level, ended.fields['signal']], ['error', 'SIGKILL'])
  const now = workerPids()
  assert.deepEqual([now.length, now.includes(other!), now.includes(victim!)], [2, true, false])
  await fetch(`http://127.0.0.1:${port}/a/`)
  assert.equal(await counted(workers, 11), 11)
})

test('where the first cannot listen, that is said once, and none is left', async (t) => {
  const taken = createServer().listen(0, '127.0.0.1')
  await once(taken, 'listening')
  t.after(() => taken.close())
  const { port } = taken.address() as AddressInfo
  const { workers } = openWorkers(t, { text: openTrust(port), count: 3 })
  await assert.rejects(workers.start(undefined, false), {
    code: 'worker-failed',
    message: `gateway.listen: 127.0.0.1:${port} is taken by another program`,
  })
  assert.deepEqual(workerPids(), [])
})

test('a replacement that cannot begin changes nothing', async (t) => {
  const port = await freePort()
  const { workers, events } = openWorkers(t, { text: openTrust(port) })
  await workers.start(undefined, false)
  const before = workerPids()
  workers.replace('gateway: { listen: nowhere }')
  await workers.renew()
  assert.equal(events.at(-1)!.event, 'workers.not-renewed')
  assert.deepEqual(workerPids(), before)
  assert.equal((await fetch(`http://127.0.0.1:${port}/a/`)).status, 502)
})

test('what cannot be shared out is said before anybody is told', (t) => {
  const { workers } = openWorkers(t, { text: openTrust(2), count: 4 })
  const text = openTrust(2).replace('http://127.0.0.1:1,', '{ targets: http://127.0.0.1:1, connections: 3 },')
  const reading = readTrust(text, { file: 'f', env: {}, readFile: () => '' })
  const trust = reading.kind === 'trust' ? reading.trust : assert.fail(JSON.stringify(reading.mistakes))
  assert.throws(() => workers.check(trust), {
    code: 'trust-unusable',
    message: 'services.a.upstream.connections: 3 cannot be shared among 4 processes',
  })
})

/** Of several requests, each on a connection of its own. */
async function statuses(port: number, path: string): Promise<number[]> {
  const asked = Array.from({ length: 8 }, () =>
    fetch(`http://127.0.0.1:${port}${path}`, { headers: { connection: 'close' } }),
  )
  return (await Promise.all(asked)).map(({ status }) => status)
}

/** How many requests were counted, asked for until it is so many: a worker that is busy may tell it too late. */
async function counted(workers: GatewayWorkers, atLeast: number): Promise<number> {
  for (;;) {
    const readings = await workers.readings()
    const requests = readings.find(({ name }) => name === 'countersign_gateway_requests_total')
    const sum = requests?.numbers.reduce((total, [, value]) => total + value, 0) ?? 0
    if (sum >= atLeast) return sum
  }
}
