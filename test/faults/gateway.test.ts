import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { bearer, get, okReply, openStand, openUpstream, RawClient, until } from '../gateway/stand.ts'
import type { Script, ScriptedUpstream, Stand } from '../gateway/stand.ts'
import type { GatewayLimits } from '../../packages/server/src/gateway/front/limits.ts'
import { freePort } from '../machine/free-port.ts'
import { backToStart } from './back-to-start.ts'

/** What a service may do wrong, and what its client sees: a status, or the connection cut in the middle of the reply. */
const services: Readonly<Record<string, readonly [script: Script | 'gone', seen: number | 'cut']>> = {
  'is not there': ['gone', 502],
  'closes without a word': [(socket) => socket.destroy(), 502],
  'resets the connection': [(socket) => socket.resetAndDestroy(), 502],
  'is slow to reply': [() => undefined, 504],
  'replies half a head': [(socket) => socket.end('HTTP/1.1 200 OK\r\nX-Half: '), 502],
  'replies half a body': [(socket) => socket.end('HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf'), 'cut'],
  'resets in the body': [
    (socket) => {
      socket.write('HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf')
      setTimeout(() => socket.resetAndDestroy(), 10)
    },
    'cut',
  ],
  'says two lengths': [
    (socket) => socket.write('HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab'),
    502,
  ],
  'says a length and sends chunks': [
    (socket) =>
      socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n'),
    502,
  ],
  'sends more than it says': [(socket) => socket.write(`${okReply('ok')}HTTP/1.1 200 OK\r\n\r\nmore`), 200],
  'stalls in the body': [(socket) => socket.write('HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf'), 'cut'],
}
for (const [what, [script, seen]] of Object.entries(services)) {
  test(`a service that ${what}: its clients see ${seen}, and nothing is left of it`, async (t) => {
    const isGone = script === 'gone'
    // Where it is not time that ends it, a busy machine may take its time.
    const limits = what.includes('slow')
      ? { replyHeadMs: 400 }
      : what.includes('stalls')
        ? { replyStallMs: 400 }
        : {}
    const { stand, upstream } = await open(t, isGone ? undefined : script, limits, isGone)
    await backToStart(upstream.sockets, async () => {
      const replies = Array.from({ length: 5 }, () => see(stand, get('/billing/health')))
      assert.deepEqual([...new Set(await Promise.all(replies))], [seen])
    })
  })
}

test('a reply without end: what the client does not take is not held, and it ends with the client', async (t) => {
  const { stand, upstream } = await open(t, (socket) => {
    socket.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n')
    const more = (): void => {
      while (socket.writable && socket.write(`4000\r\n${'x'.repeat(0x4000)}\r\n`)) continue
    }
    socket.on('drain', more)
    more()
  })
  await backToStart(upstream.sockets, async () => {
    const clients = Array.from({ length: 5 }, () => new RawClient(stand.port).send(get('/billing/health')))
    await until(() => clients.every(({ received }) => received.length > 100_000), 'it flows', 60_000)
    for (const client of clients) client.socket.pause()
    await new Promise((resolve) => setTimeout(resolve, 100))
    for (const client of clients) client.destroy()
  })
})

test('clients gone in the middle of their upload', async (t) => {
  const { stand, upstream } = await open(t, () => undefined)
  const head = `POST /billing/echo HTTP/1.1\r\nHost: gateway.test\r\n${bearer(stand.token())}\r\n`
  await backToStart(upstream.sockets, async () => {
    const clients = [
      'Content-Length: 1000000\r\n\r\nsome',
      'Transfer-Encoding: chunked\r\n\r\n4\r\nsome\r\n',
    ].map((rest) => new RawClient(stand.port).send(head + rest))
    const before = upstream.requests.length
    await until(() => upstream.requests.length === before + 2, 'both arrive', 60_000)
    for (const client of clients) client.destroy()
  })
})

test('a trust file that cannot be put to work changes nothing, under load as well', async (t) => {
  const limits = { upstreamKeepAliveMs: 100 }
  const { stand, upstream } = await open(t, (socket) => socket.write(okReply('ok')), limits)
  const billing = stand.trust.services.get('billing')!
  const bad = { ...stand.trust, services: new Map([['billing', { ...billing, at: '/a/../b' }]]) }
  const good = { ...stand.trust, services: new Map([['billing', { ...billing, roles: ['reader'] }]]) }
  const seen = new Set<number | 'cut'>()
  await backToStart(upstream.sockets, async () => {
    for (let round = 0; round < 20; round++) {
      const asked = Array.from({ length: 5 }, () => see(stand, get('/billing/health')))
      if (round % 2 === 0) assert.throws(() => stand.gateway.replace(bad), { code: 'trust-unusable' })
      else stand.gateway.replace(good)
      for (const one of await Promise.all(asked)) seen.add(one)
    }
  })
  assert.deepEqual([...seen], [200])
})

async function open(
  t: TestContext,
  script: Script | undefined,
  limits: Partial<GatewayLimits> = {},
  isGone = false,
): Promise<{ stand: Stand; upstream: ScriptedUpstream }> {
  const upstream = await openUpstream(script)
  // A port at which nobody listens, and which nobody else is given meanwhile.
  const url = isGone ? `http://127.0.0.1:${await freePort()}` : upstream.url
  const stand = await openStand(url, { limits })
  t.after(async () => {
    await stand.close()
    await upstream.close()
  })
  return { stand, upstream }
}

/** What a client sees of a request. */
async function see(stand: Stand, text: string): Promise<number | 'cut'> {
  const client = new RawClient(stand.port).send(text)
  try {
    return (await client.reply()).status
  } catch {
    return 'cut'
  } finally {
    client.destroy()
  }
}
