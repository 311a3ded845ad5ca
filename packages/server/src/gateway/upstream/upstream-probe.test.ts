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
  const { told } = await open(t, () => undefined, { timeoutMs: 30 })
  await until(() => told.length === 1, 'it is told')
  assert.deepEqual(told, [false])
})

test('nobody listening is a bad one, and so is garbage', async (t) => {
  const { told } = await open(t, (socket) => socket.write('no HTTP\r\n\r\n'))
  await until(() => told.length === 1, 'garbage is told')
  const gone = await open(t, undefined, { url: 'http://127.0.0.1:1' })
  await until(() => gone.told.length === 1, 'nobody is told')
  assert.deepEqual([told, gone.told], [[false], [false]])
})

test('closed, it asks no more and tells no more', async (t) => {
  let asked = (): void => undefined
  const { probe, told, requests } = await open(t, () => asked(), { timeoutMs: 200, outAfter: 1 })
  asked = () => probe.close()
  await until(() => requests.length === 1, 'it is asked')
  await new Promise((resolve) => setTimeout(resolve, 300))
  assert.deepEqual([told, requests.length], [[], 1])
})

async function open(
  t: TestContext,
  script?: Script,
  { url, timeoutMs = 60_000, outAfter = 2 }: { url?: string; timeoutMs?: number; outAfter?: number } = {},
) {
  const server = await openUpstream(script ?? ((socket) => socket.write(okReply(''))))
  const ticker = { nowMs: performance.now(), stop() {} }
  const told: boolean[] = []
  const probe = new UpstreamProbe(
    { origin: readOrigin(`${url ?? server.url}/base`, 'test'), limits: readLimits(), ticker },
    { path: '/health', everyMs: 10, timeoutMs, wellAfter: 2, outAfter },
    (isWell) => told.push(isWell),
  )
  const timer = setInterval(() => {
    ticker.nowMs = performance.now()
    probe.sweep(ticker.nowMs)
  }, 5)
  t.after(async () => {
    clearInterval(timer)
    probe.close()
    await server.close()
  })
  return { probe, told, requests: server.requests }
}
