import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { freePort } from '../machine/free-port.ts'
import { ask, bearer, get, okReply, openStand, openUpstream, poolOf, until } from '../gateway/stand.ts'
import type { RawReply, Script, ScriptedUpstream, Stand } from '../gateway/stand.ts'
import type { UpstreamSettings } from '../../packages/server/src/trust/trust.ts'
import type { GatewayLimits } from '../../packages/server/src/gateway/front/limits.ts'

const bad: Readonly<Record<string, Script | 'gone'>> = {
  'nobody listens': 'gone',
  'it closes without a word': (socket) => socket.destroy(),
  'it closes in the middle of a head': (socket) => socket.end('HTTP/1.1 200 OK\r\nX: '),
  'it talks nonsense': (socket) => socket.write('SSH-2.0-OpenSSH\r\n\r\n'),
  'it never replies': () => undefined,
}
const beforeAnyByte = new Set(['nobody listens', 'it closes without a word'])

for (const [what, script] of Object.entries(bad)) {
  test(`one target of three is bad: ${what}`, async (t) => {
    // Only where it is time that ends it: a good one on a machine that stands still must not be taken for a bad one.
    const never = what === 'it never replies'
    const { stand, servers } = await open(t, [script, 'good', 'good'], {}, never ? { replyHeadMs: 400 } : {})
    let failed = 0
    for (let last = -1; last !== failed;) {
      last = failed
      failed += (await askMany(stand, 120)).filter(({ status }) => status !== 200).length
    }
    // Five failures in a row put it out, and as many may be under way beside the last of them.
    const asked = never ? servers[0]!.requests.length : failed
    assert.ok(asked <= (beforeAnyByte.has(what) ? 0 : 5 + concurrency), `${asked} failed`)
    assert.ok(servers[1]!.requests.length > 20 && servers[2]!.requests.length > 20)
  })
}

test('what may change something is never sent twice', async (t) => {
  const { stand, servers } = await open(t, [(socket) => socket.destroy(), 'good'], {
    balance: 'round-robin',
  })
  const post = `POST /billing/open HTTP/1.1\r\nHost: gateway.test\r\nContent-Length: 2\r\n\r\nhi`
  const statuses = []
  for (let i = 0; i < 8; i++) statuses.push((await ask(stand.port, post)).status)
  assert.equal(statuses.filter((status) => status === 502).length, servers[0]!.requests.length)
  assert.equal(statuses.length, servers[0]!.requests.length + servers[1]!.requests.length)
})

test('retries end when they are too many', async (t) => {
  const { stand } = await open(t, ['gone', 'gone'], {
    retries: { most: 1, percent: 0 },
    eject: { after: 1000, forSeconds: 1 },
  })
  const replies = await askMany(stand, 20)
  assert.deepEqual([...new Set(replies.map(({ status }) => status))], [502])
})

test('a target that is well again is used again', async (t) => {
  let works = false
  const { stand, servers } = await open(
    t,
    [(socket) => (works ? socket.write(okReply('ok')) : socket.destroy()), 'good'],
    { eject: { after: 2, forSeconds: 0.05 } },
  )
  await askMany(stand, 20)
  works = true
  const before = servers[0]!.requests.length
  await until(
    () => {
      void ask(stand.port, get('/billing/health')).catch(() => undefined)
      return servers[0]!.requests.length > before + 5
    },
    'it gets its share again',
    60_000,
  )
})

test('a probe finds out before any client does', async (t) => {
  let works = false
  const { stand, servers } = await open(
    t,
    [
      (socket, text) => {
        if (works) socket.write(okReply('ok'))
        else if (text.startsWith('GET /probe ')) socket.write('HTTP/1.1 500 Ill\r\nContent-Length: 0\r\n\r\n')
        else socket.destroy()
      },
      'good',
    ],
    { probe: { path: '/probe', everySeconds: 0.02, timeoutSeconds: 60, wellAfter: 1, outAfter: 1 } },
    { waitMs: 40 },
  )
  await until(() => servers[0]!.requests.length >= 2, 'it has been asked', 60_000)
  const post = `POST /billing/open HTTP/1.1\r\nHost: gateway.test\r\nContent-Length: 2\r\n\r\nhi`
  for (let i = 0; i < 6; i++) assert.equal((await ask(stand.port, post)).status, 200)
  works = true
  const served = (): number => servers[0]!.requests.filter((text) => text.startsWith('GET /health ')).length
  await until(
    () => {
      void ask(stand.port, get('/billing/health')).catch(() => undefined)
      return served() > 2
    },
    'it is back',
    60_000,
  )
})

test('above what all targets may have at once the answer is 503, with Retry-After, and at once', async (t) => {
  const { stand, servers } = await open(t, [() => undefined, () => undefined], { connections: 2, waiting: 0 })
  const held = [1, 2, 3, 4].map(() => ask(stand.port, get('/billing/health')).catch(() => undefined))
  await until(() => servers.every(({ requests }) => requests.length === 2), 'all are busy', 60_000)
  const reply = await ask(stand.port, get('/billing/health'))
  assert.deepEqual([reply.status, reply.headers['retry-after']], [503, '1'])
  // What one target has dropped is asked of the other.
  let areOver = false
  const over = Promise.all(held).then(() => (areOver = true))
  while (!areOver) {
    for (const { sockets } of servers) for (const socket of sockets) socket.destroy()
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
  await over
})

test('a new trust file keeps the connections of the targets it keeps', async (t) => {
  const { stand, servers } = await open(t, ['good', 'good'], { balance: 'round-robin' })
  await askMany(stand, 8)
  const before = servers.map(({ sockets }) => [...sockets])
  const service = stand.trust.services.get('billing')!
  const third = await openUpstream()
  t.after(() => third.close())
  const { upstreamSettings } = service
  const targets = [...upstreamSettings!.targets, third.url]
  const changed = { ...service, upstreamSettings: { ...upstreamSettings!, targets } }
  stand.gateway.replace({ ...stand.trust, services: new Map([['billing', changed]]) })
  await askMany(stand, 9)
  assert.ok(third.requests.length > 0)
  for (const [index, { sockets }] of servers.entries()) {
    for (const socket of before[index]!) assert.ok(sockets.has(socket), 'still the same connections')
  }
  assert.throws(
    () => stand.gateway.replace({ ...stand.trust, services: new Map([['a', { ...changed, at: '/a?' }]]) }),
    {
      code: 'trust-unusable',
    },
  )
  assert.equal((await ask(stand.port, get('/billing/health'))).status, 200)
})

const concurrency = 6

async function askMany(stand: Stand, count: number): Promise<RawReply[]> {
  const replies: RawReply[] = []
  const token = stand.token()
  let left = count
  const worker = async (): Promise<void> => {
    while (left-- > 0) replies.push(await ask(stand.port, get('/billing/invoices/7', bearer(token))))
  }
  await Promise.all(Array.from({ length: concurrency }, worker))
  return replies
}

async function open(
  t: TestContext,
  scripts: readonly (Script | 'good' | 'gone')[],
  changes: Partial<UpstreamSettings> = {},
  limits: Partial<GatewayLimits> = {},
): Promise<{ stand: Stand; servers: ScriptedUpstream[] }> {
  const servers = await Promise.all(
    scripts.map((script) => (typeof script === 'string' ? openUpstream() : openUpstream(script))),
  )
  const urls = servers.map(({ url }) => url)
  for (const [index, script] of scripts.entries()) {
    // A port at which nobody listens, and which nobody else is given meanwhile.
    if (script === 'gone') urls[index] = `http://127.0.0.1:${await freePort()}`
  }
  const stand = await openStand(urls[0]!, { limits, service: poolOf(urls, changes) })
  t.after(async () => {
    await stand.close()
    for (const server of servers) await server.close()
  })
  return { stand, servers }
}
