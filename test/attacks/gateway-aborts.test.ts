import assert from 'node:assert/strict'
import type { Socket } from 'node:net'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { ask, bearer, get, okReply, openStand, openUpstream, RawClient, until } from '../gateway/stand.ts'
import type { Script, ScriptedUpstream, Stand } from '../gateway/stand.ts'

// Naive Node proxies hang for good when clients leave early: a reply nobody takes stays paused and keeps its upstream
// connection, until there is none left. So after any number of early leavers the whole capacity must be there again.

const capacity = 8

const half: Script = (socket) => {
  // More than all buffers on the way hold, so that the reply is under way for as long as nobody takes it.
  socket.write('HTTP/1.1 200 OK\r\nContent-Length: 50000000\r\n\r\n')
  const more = (): void => {
    while (socket.writable && socket.write('x'.repeat(65_536)));
  }
  socket.on('drain', more)
  more()
}

/** `busy` waits until this round's requests fill every connection: those of the round before may still be closing. */
type Leave = (client: RawClient, busy: () => Promise<void>) => Promise<void>

const leavings: Readonly<Record<string, readonly [script: Script, leave: Leave]>> = {
  'before the reply begins': [() => undefined, (_, busy) => busy()],
  'in the middle of the reply, reading': [
    half,
    (client) => until(() => client.received.length > 1_000, 'a part'),
  ],
  'in the middle of the reply, not reading': [
    half,
    (client, busy) => {
      client.socket.pause()
      return busy()
    },
  ],
}

for (const [name, [script, leave]] of Object.entries(leavings)) {
  test(`naive Node proxies hang for good: clients that leave ${name}`, async (t) => {
    let leaving = true
    const { stand, upstream } = await open(t, (socket, text, index) =>
      leaving ? script(socket, text, index) : void socket.write(okReply('ok')),
    )
    const request = get('/billing/invoices/7', bearer(stand.token()))
    for (let round = 0; round < 8; round++) {
      // Twice as many as there is room for: half of them leave while they wait for a connection.
      const clients = Array.from({ length: capacity * 2 }, () => new RawClient(stand.port).send(request))
      const full = upstream.requests.length + capacity
      const busy = (): Promise<void> => until(() => upstream.requests.length >= full, 'every one is busy')
      await Promise.all(clients.slice(0, capacity).map((client) => leave(client, busy)))
      for (const client of clients) client.destroy()
      await until(() => upstream.sockets.size === 0, 'every upstream connection is released', 10_000)
    }
    assert.ok(upstream.requests.length >= 8 * capacity)
    leaving = false
    await fullCapacity(stand, request)
  })
}

test('naive Node proxies hang for good: a thousand clients that leave at any moment', async (t) => {
  let turn = 0
  let leaving = true
  /** Exchanges that the upstream will never bring to an end. */
  const stuck = new Set<Socket>()
  const { stand } = await open(t, (socket, text, index) => {
    if (!leaving || turn % 3 === 0) {
      socket.write(okReply('ok'))
    } else {
      stuck.add(socket)
      socket.on('close', () => stuck.delete(socket))
      if (turn % 3 === 1) half(socket, text, index)
    }
    turn += 1
  })
  const request = get('/billing/invoices/7', bearer(stand.token()))
  const upload = `POST /billing/open HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n${'x'.repeat(500)}`
  for (let batch = 0; batch < 20; batch++) {
    const clients = Array.from({ length: 50 }, (_, index) =>
      new RawClient(stand.port).send(
        index % 5 === 0 ? upload : index % 7 === 0 ? request.slice(0, -10) : request,
      ),
    )
    // Some batches leave as soon as the upstream is busy, others a few moments later.
    await until(() => stuck.size > capacity / 2, 'the upstream is busy with them')
    await new Promise((resolve) => setTimeout(resolve, batch % 4))
    clients.forEach((client, index) => {
      if (index % 2 === 0) client.destroy()
      else client.socket.resetAndDestroy()
    })
  }
  leaving = false
  await until(() => stuck.size === 0, 'every upstream connection that was stuck is released', 10_000)
  assert.ok(turn > 100, `only ${turn} requests came so far as the upstream`)
  await fullCapacity(stand, request)
  const idle = new RawClient(stand.port).send(get('/.well-known/countersign/livez'))
  assert.equal((await idle.reply()).status, 200)
  idle.destroy()
})

test('uploads that break off release everything', async (t) => {
  const { stand, upstream } = await open(
    t,
    (socket, text) => text.startsWith('GET') && socket.write(okReply('ok')),
  )
  for (const framing of [
    'Content-Length: 1000000\r\n\r\nhalf',
    'Transfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n',
  ]) {
    for (let i = 0; i < 3 * capacity; i++) {
      const client = new RawClient(stand.port).send(`POST /billing/open HTTP/1.1\r\nHost: a\r\n${framing}`)
      if (i % 2 === 0) await until(() => upstream.sockets.size > 0, 'the upload is under way')
      client.destroy()
    }
  }
  await until(() => upstream.sockets.size === 0, 'every upstream connection is released')
  await fullCapacity(stand, get('/billing/health'))
})

/** As many requests at once as there are upstream connections, twice, none of which may have to wait for long. */
async function fullCapacity(stand: Stand, request: string): Promise<void> {
  for (let round = 0; round < 2; round++) {
    const replies = await Promise.all(Array.from({ length: capacity }, () => ask(stand.port, request)))
    assert.deepEqual(
      replies.map(({ status }) => status),
      Array<number>(capacity).fill(200),
    )
  }
}

async function open(t: TestContext, script: Script): Promise<{ stand: Stand; upstream: ScriptedUpstream }> {
  const upstream = await openUpstream(script)
  const stand = await openStand(upstream.url, { limits: { upstreamConnections: capacity, waitMs: 1_500 } })
  t.after(async () => {
    await stand.close()
    await upstream.close()
  })
  return { stand, upstream }
}
