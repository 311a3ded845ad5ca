import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { connect } from 'node:net'
import type { Socket } from 'node:net'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { ask, bearer, get, okReply, openStand, openUpstream, RawClient, until } from '../gateway/stand.ts'
import type { Script, ScriptedUpstream, Stand } from '../gateway/stand.ts'
import type { GatewayLimits } from '../../packages/server/src/gateway/front/limits.ts'

setFlagsFromString('--expose_gc')
const collect = runInNewContext('gc') as () => void

/** What a service may do wrong, and what its client sees: a status, or the connection cut in the middle of the reply. */
const services: Readonly<Record<string, readonly [script: Script, seen: number | 'cut']>> = {
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
    const { stand, upstream } = await open(t, script, { replyHeadMs: 400, replyStallMs: 400 })
    await backToStart(upstream, async () => {
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
  await backToStart(upstream, async () => {
    const clients = Array.from({ length: 5 }, () => new RawClient(stand.port).send(get('/billing/health')))
    await until(() => clients.every(({ received }) => received.length > 100_000), 'it flows')
    for (const client of clients) client.socket.pause()
    await new Promise((resolve) => setTimeout(resolve, 100))
    for (const client of clients) client.destroy()
  })
})

test('clients gone in the middle of their upload', async (t) => {
  const { stand, upstream } = await open(t, () => undefined)
  const head = `POST /billing/echo HTTP/1.1\r\nHost: gateway.test\r\n${bearer(stand.token())}\r\n`
  await backToStart(upstream, async () => {
    const clients = [
      'Content-Length: 1000000\r\n\r\nsome',
      'Transfer-Encoding: chunked\r\n\r\n4\r\nsome\r\n',
    ].map((rest) => new RawClient(stand.port).send(head + rest))
    const before = upstream.requests.length
    await until(() => upstream.requests.length === before + 2, 'both arrive')
    for (const client of clients) client.destroy()
  })
})

test('a trust file that cannot be put to work changes nothing, under load as well', async (t) => {
  const { stand } = await open(t, (socket) => socket.write(okReply('ok')))
  const billing = stand.trust.services.get('billing')!
  const bad = { ...stand.trust, services: new Map([['billing', { ...billing, at: '/a/../b' }]]) }
  const good = { ...stand.trust, services: new Map([['billing', { ...billing, roles: ['reader'] }]]) }
  const seen = new Set<number | 'cut'>()
  for (let round = 0; round < 20; round++) {
    const asked = Array.from({ length: 5 }, () => see(stand, get('/billing/health')))
    if (round % 2 === 0) assert.throws(() => stand.gateway.replace(bad), { code: 'trust-unusable' })
    else stand.gateway.replace(good)
    for (const one of await Promise.all(asked)) seen.add(one)
  }
  assert.deepEqual([...seen], [200])
})

// COUNTERSIGN_LONG_FAULTS=1: as many as fit; two descriptors each, since both ends are in this process.
const wanted = process.env['COUNTERSIGN_LONG_FAULTS'] === '1' ? 10_000 : 2_000
const most = Math.min(wanted, Math.floor(openFiles() / 2) - 300)

test(`${most} idle connections cost little, and others are served beside them`, async (t) => {
  const { stand } = await open(t, (socket) => socket.write(okReply('ok')))
  collect()
  const before = process.memoryUsage.rss()
  const idle: Socket[] = []
  t.after(() => idle.forEach((socket) => socket.destroy()))
  for (let opened = 0; opened < most; opened += 500) {
    const batch = Array.from({ length: Math.min(500, most - opened) }, () => connect(stand.port, '127.0.0.1'))
    idle.push(...batch)
    // Each has been answered once, so that all it waits for is its next request.
    await Promise.all(
      batch.map(
        (socket) =>
          new Promise((resolve, reject) => {
            socket.once('data', resolve).once('error', reject)
            socket.write(get('/billing/health'))
          }),
      ),
    )
  }
  assert.equal((await ask(stand.port, get('/billing/health'))).status, 200)
  const each = (process.memoryUsage.rss() - before) / most
  assert.ok(each < 64 * 1024, `${Math.round(each / 1024)} KiB a connection, both ends`)
  const gone = new Promise<void>((resolve) => {
    let left = idle.length
    for (const socket of idle) socket.once('close', () => (left -= 1) === 0 && resolve())
  })
  await stand.gateway.close()
  await gone
})

async function open(
  t: TestContext,
  script: Script,
  limits: Partial<GatewayLimits> = {},
): Promise<{ stand: Stand; upstream: ScriptedUpstream }> {
  const upstream = await openUpstream(script)
  const stand = await openStand(upstream.url, { limits })
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

/** Does it several times, and holds what is left of sockets and memory against what there was after the first time. */
async function backToStart(upstream: ScriptedUpstream, once: () => Promise<void>): Promise<void> {
  await once()
  const released = (): boolean => upstream.sockets.size === 0
  await until(released, 'the connections to the service are gone')
  collect()
  const before = process.memoryUsage().heapUsed
  for (let i = 0; i < 5; i++) await once()
  await until(released, 'the connections to the service are gone')
  const sockets = (): number =>
    process.getActiveResourcesInfo().filter((name) => name === 'TCPSocketWrap').length
  await until(() => sockets() === 0, 'all sockets are gone')
  collect()
  const more = process.memoryUsage().heapUsed - before
  assert.ok(more < 2_000_000, `${Math.round(more / 1000)} kB more than before`)
}

function openFiles(): number {
  return Number(execFileSync('sh', ['-c', 'ulimit -n'], { encoding: 'utf8' })) || 1_024
}
