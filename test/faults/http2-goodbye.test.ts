/** A service of HTTP/2 that is renewed under load: its goodbyes are nobody's failure. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { constants, createServer } from 'node:http2'
import type { IncomingHttpHeaders, ServerHttp2Session, ServerHttp2Stream } from 'node:http2'
import { Agent, request } from 'node:http'
import type { AddressInfo } from 'node:net'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { createMetrics } from '../../packages/server/src/metrics/registry.ts'
import { openStand, poolOf } from '../gateway/stand.ts'

/** What the service does to a connection that has carried so many streams; streams behind the last one it never serves. */
const goodbyes: Readonly<Record<string, (session: ServerHttp2Session, lastServed: number) => void>> = {
  'says goodbye': (session) => session.close(),
  'says goodbye and names the last request it has seen': (session, lastServed) => {
    session.goaway(constants.NGHTTP2_NO_ERROR, lastServed)
  },
}
for (const [what, goodbye] of Object.entries(goodbyes)) {
  test(`a service that ${what}: no request without a body fails, under load`, async (t) => {
    const { port, service, failures } = await openService(t, (session, streams, lastServed) => {
      if (streams !== 40) return false
      goodbye(session, lastServed)
      return true
    })
    const statuses = await load(port, 8, 250)
    assert.deepEqual([...statuses], [[200, 2_000]])
    assert.ok(service.sessions > 20, `${service.sessions} connections`)
    assert.ok(service.unserved > 0, 'some met a goodbye on their way')
    assert.ok(failures() > 0, 'and were sent again')
  })
}

test('a service that refuses streams one by one: each is sent again', async (t) => {
  const { port, service } = await openService(t, (_session, streams) => streams % 10 === 0)
  assert.deepEqual([...(await load(port, 4, 200))], [[200, 800]])
  assert.ok(service.unserved >= 80, `${service.unserved}`)
})

test('what has a body is never sent twice: 503, and a time to come back', async (t) => {
  const { port, service } = await openService(t, (_session, streams) => streams % 5 === 0)
  const statuses = await load(port, 4, 50, 'POST')
  assert.deepEqual([...statuses.keys()].sort(), [200, 503])
  assert.equal(service.unserved, statuses.get(503))
  assert.equal(service.served, statuses.get(200))
})

test('a service that refuses everything is asked a few times, and no more', async (t) => {
  const { port, service } = await openService(t, () => true)
  assert.deepEqual([...(await load(port, 1, 10))], [[503, 10]])
  assert.ok(service.unserved <= 50, `${service.unserved}`)
})

/** @param refuses whether it will not serve this stream of a connection; it may say goodbye first */
async function openService(
  t: TestContext,
  refuses: (session: ServerHttp2Session, streams: number, lastServed: number) => boolean,
) {
  const service = { sessions: 0, served: 0, unserved: 0 }
  const sessions = new Set<ServerHttp2Session>()
  const server = createServer()
  server.on('session', (session) => {
    service.sessions += 1
    sessions.add(session)
    session.on('error', () => undefined)
    session.on('close', () => sessions.delete(session))
    let streams = 0
    let lastServed = 0
    let isOver = false
    session.on('stream', (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) => {
      stream.on('error', () => undefined)
      streams += 1
      const refused = isOver || refuses(session, streams, lastServed)
      if (refused) {
        service.unserved += 1
        isOver ||= session.closed || session.destroyed
        if (!stream.destroyed) stream.close(constants.NGHTTP2_REFUSED_STREAM)
        return
      }
      lastServed = stream.id!
      service.served += 1
      stream.resume()
      const answer = (): void => {
        if (stream.destroyed) return
        stream.respond({ ':status': 200 })
        stream.end(`ok ${String(headers[':path'])}`)
      }
      // Some wait, so that there is always something under way.
      if (streams % 3 === 0) setTimeout(answer, 2)
      else answer()
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const metrics = createMetrics()
  const stand = await openStand(url, {
    service: poolOf([url], { protocol: 'h2' }),
    gateway: { metrics },
  })
  t.after(async () => {
    await stand.close()
    for (const session of sessions) session.destroy()
    server.close()
  })
  const failures = (): number =>
    Number(/upstream_failures_total\{[^}]*failure="refused"\} (\d+)/.exec(metrics.text())?.[1] ?? 0)
  return { port: stand.port, service, failures }
}

/** How often each status was seen. */
async function load(
  port: number,
  clients: number,
  each: number,
  method: 'GET' | 'POST' = 'GET',
): Promise<Map<number, number>> {
  const agent = new Agent({ keepAlive: true, maxSockets: clients })
  const statuses = new Map<number, number>()
  const path = method === 'GET' ? '/billing/health' : '/billing/open'
  const one = (): Promise<number> =>
    new Promise((resolve, reject) => {
      const asked = request({ agent, port, host: '127.0.0.1', method, path }, (reply) => {
        reply.resume()
        reply.once('end', () => resolve(reply.statusCode ?? 0)).once('error', reject)
      })
      asked.once('error', reject)
      asked.end(method === 'POST' ? 'body' : undefined)
    })
  await Promise.all(
    Array.from({ length: clients }, async () => {
      for (let count = 0; count < each; count++) {
        const status = await one()
        statuses.set(status, (statuses.get(status) ?? 0) + 1)
      }
    }),
  )
  agent.destroy()
  return statuses
}
