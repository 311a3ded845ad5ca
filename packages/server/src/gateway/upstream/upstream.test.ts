import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { readLimits } from '../front/limits.ts'
import type { GatewayLimits } from '../front/limits.ts'
import { okReply, openUpstream, until } from '../../../../../test/gateway/stand.ts'
import type { Script } from '../../../../../test/gateway/stand.ts'
import { startTicker } from '../front/ticker.ts'
import type { UpstreamConnection, UpstreamExchange, UpstreamFailure } from './upstream-connection.ts'
import { Upstream } from './upstream.ts'
import { readOrigin } from './upstream-origin.ts'

test('an exchange uses the connection of the one before it', async (t) => {
  const { upstream, server } = await open(t)
  for (let i = 0; i < 3; i++) assert.equal(await new Probe(upstream).outcome, 'ok')
  assert.equal(server.sockets.size, 1)
  assert.deepEqual(upstream.counts, { connections: 1, idle: 1, waiting: 0, out: false })
})

test('what must not be repeated gets a connection that was used just now, or a new one', async (t) => {
  const { upstream, server, clock } = await open(t)
  await new Probe(upstream).outcome
  await new Probe(upstream, 'recent').outcome
  assert.equal(server.sockets.size, 1)
  clock.nowMs += 1_500
  await new Probe(upstream, 'recent').outcome
  assert.equal(server.sockets.size, 2)
  await new Probe(upstream, 'none').outcome
  assert.equal(server.sockets.size, 3)
})

test('the last one used is used next', async (t) => {
  const { upstream } = await open(t)
  const two = [new Probe(upstream), new Probe(upstream)]
  const used: unknown[] = []
  // Which of them is answered last is chance.
  await Promise.all(two.map((probe) => probe.outcome.then(() => used.push(probe.used))))
  const next = new Probe(upstream)
  assert.equal(next.connection, used[1])
  await next.outcome
})

test('when there are enough connections the others wait, first come first served', async (t) => {
  const held: (() => void)[] = []
  const { upstream } = await open(t, { upstreamConnections: 1 }, (socket) => {
    held.push(() => socket.write(okReply('ok')))
  })
  const order: number[] = []
  const probes = [0, 1, 2].map((index) => {
    const probe = new Probe(upstream)
    void probe.outcome.then(() => order.push(index))
    return probe
  })
  assert.equal(upstream.counts.waiting, 2)
  for (let i = 0; i < 3; i++) {
    await until(() => held.length > 0, 'a request arrives')
    held.shift()!()
    await probes[i]!.outcome
  }
  assert.deepEqual(order, [0, 1, 2])
  assert.equal(upstream.counts.connections, 1)
})

test('an idle connection too old for the request makes room for a new one', async (t) => {
  const { upstream, clock } = await open(t, { upstreamConnections: 1 })
  await new Probe(upstream).outcome
  clock.nowMs += 1_500
  assert.equal(await new Probe(upstream, 'recent').outcome, 'ok')
  assert.equal(upstream.counts.connections, 1)
})

test('nobody waits for ever, nor behind too many', async (t) => {
  const { upstream } = await open(
    t,
    { upstreamConnections: 1, upstreamWaiting: 1, waitMs: 60 },
    () => undefined,
  )
  const first = new Probe(upstream)
  const waiting = new Probe(upstream)
  assert.equal(await new Probe(upstream).outcome, 'wait-full')
  assert.equal(await waiting.outcome, 'wait-timeout')
  assert.equal(upstream.counts.waiting, 0)
  first.connection?.abandon()
})

test('who has given up is not given a connection', async (t) => {
  const { upstream } = await open(t, { upstreamConnections: 1 }, () => undefined)
  const first = new Probe(upstream)
  const leaver = new Probe(upstream)
  upstream.cancel(leaver)
  first.connection?.abandon()
  assert.equal(leaver.connection, undefined)
  assert.deepEqual(upstream.counts, { connections: 0, idle: 0, waiting: 0, out: false })
})

test('when a connection is lost the next one waiting gets a new one', async (t) => {
  const { upstream } = await open(t, { upstreamConnections: 1 }, (socket, _text, index) => {
    if (index === 0) socket.destroy()
    else socket.write(okReply('ok'))
  })
  const first = new Probe(upstream)
  const second = new Probe(upstream)
  assert.equal(await first.outcome, 'closed')
  assert.equal(await second.outcome, 'ok')
})

test('idle connections are closed after their time, or a second before the upstream does it', async (t) => {
  const { upstream } = await open(t, { upstreamKeepAliveMs: 60 })
  await new Probe(upstream).outcome
  await until(() => upstream.counts.connections === 0, 'the idle connection is closed')

  const hinting = await open(t, {}, (socket) => socket.write(okReply('ok', 'Keep-Alive: timeout=1')))
  await new Probe(hinting.upstream).outcome
  assert.equal(hinting.upstream.counts.connections, 0)
})

test('an upstream closing an idle connection takes it off', async (t) => {
  const { upstream, server } = await open(t)
  await new Probe(upstream).outcome
  for (const socket of server.sockets) socket.end()
  await until(() => upstream.counts.connections === 0, 'the closed connection is forgotten')
})

test('retired, exchanges end and their connections with them; closed, they fail', async (t) => {
  const held: (() => void)[] = []
  const { upstream } = await open(t, { upstreamConnections: 1 }, (socket) => {
    held.push(() => socket.write(okReply('ok')))
  })
  const first = new Probe(upstream)
  await until(() => held.length === 1, 'the request arrives')
  upstream.retire()
  held[0]!()
  assert.equal(await first.outcome, 'ok')
  assert.equal(upstream.counts.connections, 0)

  const second = new Probe(upstream)
  const waiting = new Probe(upstream)
  upstream.close()
  assert.equal(await waiting.outcome, 'closed')
  assert.equal(await second.outcome, 'closed')
})

/** A GET whose outcome is 'ok' or the failure. */
class Probe implements UpstreamExchange {
  connection: UpstreamConnection | undefined
  used: UpstreamConnection | undefined
  readonly outcome: Promise<UpstreamFailure | 'ok'>
  #settle: (outcome: UpstreamFailure | 'ok') => void = () => undefined

  constructor(upstream: Upstream, reuse: 'any' | 'recent' | 'none' = 'any') {
    this.outcome = new Promise((resolve) => (this.#settle = resolve))
    const connection = upstream.connect(this, reuse)
    if (connection !== undefined) this.onConnection(connection)
  }

  onConnection(connection: UpstreamConnection): void {
    this.connection = connection
    this.used = connection
    connection.begin(this, false, false)
    connection.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n')
    connection.endRequest()
  }

  onReplyHead(): void {}
  onReplyBody(): boolean {
    return false
  }
  onReplyFlush(): boolean {
    return false
  }
  onReplyEnd(): boolean {
    // Told only once the connection is free again.
    setImmediate(() => this.#settle('ok'))
    return false
  }
  onFailure(failure: UpstreamFailure): void {
    this.#settle(failure)
  }
  onUpstreamDrain(): void {}
  stalledByClient(): boolean {
    return false
  }
  sweep(): void {}
}

async function open(
  t: TestContext,
  limits: Partial<GatewayLimits> = {},
  script?: Script,
): Promise<{
  upstream: Upstream
  server: Awaited<ReturnType<typeof openUpstream>>
  clock: { nowMs: number }
}> {
  const server = await openUpstream(script)
  const clock = { nowMs: performance.now(), stop() {} }
  const ticker = startTicker(10, () => {
    clock.nowMs = Math.max(clock.nowMs, performance.now())
    upstream.sweep(clock.nowMs)
  })
  const upstream = new Upstream(readOrigin(server.url, 'test'), readLimits(limits), clock)
  t.after(async () => {
    upstream.close()
    ticker.stop()
    await server.close()
  })
  return { upstream, server, clock }
}
