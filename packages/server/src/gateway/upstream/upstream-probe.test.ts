import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { readLimits } from '../front/limits.ts'
import { okReply, openUpstream, until } from '../../../../../test/gateway/stand.ts'
import type { Script } from '../../../../../test/gateway/stand.ts'
import { UpstreamProbe } from './upstream-probe.ts'
import { readOrigin } from './upstream-origin.ts'

test('bad answers in a row put it out, good ones bring it back', async (t) => {
  let status = '200 OK'
  const { told, requests } = await open(t, (socket) =>
    socket.write(`HTTP/1.1 ${status}\r\nContent-Length: 0\r\n\r\n`),
  )
  await until(() => requests.length >= 3, 'it is asked')
  assert.deepEqual(told, [])
  status = '503 Busy'
  await until(() => told.length === 1, 'it is told')
  status = '204 Fine'
  await until(() => told.length === 2, 'it is told')
  assert.deepEqual(told, [false, true])
  assert.match(requests[0]!, /^GET \/base\/health HTTP\/1\.1\r\nHost: 127\.0\.0\.1:\d+\r\n/)
})

test('no answer in time is a bad one', async (t) => {
  const { told } = await open(t, () => undefined)
  await until(() => told.length === 1, 'it is told')
  assert.deepEqual(told, [false])
})

test('nobody listening is a bad one, and so is garbage', async (t) => {
  const { told, close } = await open(t, (socket) => socket.write('no HTTP\r\n\r\n'))
  await until(() => told.length === 1, 'garbage is told')
  await close()
  const gone = await open(t, undefined, true)
  await until(() => gone.told.length === 1, 'nobody is told')
  assert.deepEqual([told, gone.told], [[false], [false]])
})

test('closed, it asks no more and tells no more', async (t) => {
  const { probe, told, requests } = await open(t, () => undefined)
  await until(() => requests.length === 1, 'it is asked')
  probe.close()
  await new Promise((resolve) => setTimeout(resolve, 60))
  assert.deepEqual([told, requests.length], [[], 1])
})

async function open(t: TestContext, script?: Script, isGone = false) {
  const server = await openUpstream(script ?? ((socket) => socket.write(okReply(''))))
  if (isGone) await server.close()
  const ticker = { nowMs: performance.now(), stop() {} }
  const told: boolean[] = []
  const probe = new UpstreamProbe(
    { origin: readOrigin(`${server.url}/base`, 'test'), limits: readLimits(), ticker },
    { path: '/health', everyMs: 10, timeoutMs: 30, wellAfter: 2, outAfter: 2 },
    (isWell) => told.push(isWell),
  )
  const timer = setInterval(() => {
    ticker.nowMs = performance.now()
    probe.sweep(ticker.nowMs)
  }, 5)
  const close = async (): Promise<void> => {
    clearInterval(timer)
    probe.close()
    if (!isGone) await server.close()
    isGone = true
  }
  t.after(close)
  return { probe, told, requests: server.requests, close }
}
