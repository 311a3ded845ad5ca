import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { createSigner, generateSigningKey, publicJwk } from '@countersign/sdk/jwt'
import type { SigningKey } from '@countersign/sdk/jwt'
import { ask, bearer, get, listenOn, openStand, openUpstream } from '../gateway/stand.ts'
import { backToStart } from './back-to-start.ts'

// The issuer's key endpoint is somebody else's machine: it is down when the gateway starts, or later, or says nonsense.

test('down at start: 503 for whoever has a token, what is open stays open; there again, it decides', async (t) => {
  const { port, issuer, token } = await open(t)
  issuer.answer = () => undefined
  assert.deepEqual([await get503(port, token()), await statusOf(port, '/billing/health')], ['503 1', 200])
  issuer.answer = issuer.wellFormed
  await untilStatus(port, token(), 200)
})

test('down later: who is known goes on, and so does everybody whose key is; an unknown key is no way in', async (t) => {
  const { port, issuer, token } = await open(t)
  const known = token()
  assert.equal(await statusOf(port, '/billing/invoices/7', known), 200)
  issuer.answer = () => undefined
  assert.equal(await statusOf(port, '/billing/invoices/7', known), 200)
  assert.equal(await statusOf(port, '/billing/invoices/7', token({ jti: 'new' })), 200)
  const stranger = token({ jti: 'strange' }, generateSigningKey('ES256', { keyId: 'unknown' }))
  assert.ok([401, 503].includes(await statusOf(port, '/billing/invoices/7', stranger)))
})

for (const [what, text] of [
  ['nonsense', '<html>'],
  ['no keys', '{"keys":[]}'],
  ['keys of another kind', '{"keys":[{"kty":"oct","k":"c2VjcmV0"}]}'],
] as const) {
  test(`${what} in place of keys lets nobody in`, async (t) => {
    const { port, issuer, token } = await open(t)
    issuer.answer = (path) => (path === '/jwks' ? text : issuer.wellFormed(path))
    assert.ok([401, 503].includes(await statusOf(port, '/billing/invoices/7', token())))
    assert.equal(await statusOf(port, '/billing/health'), 200)
  })
}

test('down and there again and again: nothing is left of it', async (t) => {
  const { port, issuer, token, upstream, clock } = await open(t)
  await backToStart(upstream.sockets, async () => {
    issuer.answer = () => undefined
    clock.aheadMs += 3_600_000
    // The keys that are there still count; that they are not refreshed is the issuer's trouble.
    for (let count = 0; count < 5; count++)
      await statusOf(port, '/billing/invoices/7', token({ jti: `${count}` }))
    const stranger = token({}, generateSigningKey('ES256', { keyId: 'unknown' }))
    assert.ok([401, 503].includes(await statusOf(port, '/billing/invoices/7', stranger)))
    issuer.answer = issuer.wellFormed
    clock.aheadMs += 3_600_000
    await untilStatus(port, token(), 200)
  })
})

type Issuer = {
  wellFormed: (path: string) => string
  /** What is answered at a path; undefined: the connection is cut. */
  answer: (path: string) => string | undefined
}

async function open(t: TestContext) {
  const key = generateSigningKey('ES256', { keyId: 'known' })
  const server = createServer((request, response) => {
    const text = issuer.answer(request.url ?? '')
    if (text === undefined) request.socket.destroy()
    else response.setHeader('content-type', 'application/json').setHeader('connection', 'close').end(text)
  })
  const url = `http://127.0.0.1:${await listenOn(server)}`
  const wellFormed = (path: string): string =>
    JSON.stringify(path === '/jwks' ? { keys: [publicJwk(key)] } : { issuer: url, jwks_uri: `${url}/jwks` })
  const issuer: Issuer = { wellFormed, answer: wellFormed }
  const upstream = await openUpstream()
  const clock = { aheadMs: 0 }
  const now = (): number => Date.now() + clock.aheadMs
  const stand = await openStand(upstream.url, {
    remoteIssuer: url,
    gateway: { clock: now },
    limits: { upstreamKeepAliveMs: 200 },
  })
  t.after(async () => {
    await Promise.all([stand.close(), upstream.close()])
    server.closeAllConnections()
    server.close()
  })
  const claims = {
    iss: url,
    aud: 'https://billing.acme.example',
    client_id: 'orders',
    roles: ['reader'],
  }
  const token = (changes: Record<string, unknown> = {}, by: SigningKey = key): string =>
    createSigner({ key: by }).sign({ ...claims, exp: Math.floor(now() / 1000) + 300, ...changes })
  return { port: stand.port, issuer, token, upstream, clock }
}

async function statusOf(port: number, path: string, token?: string): Promise<number> {
  return (await ask(port, get(path, ...(token === undefined ? [] : [bearer(token)])))).status
}

async function get503(port: number, token: string): Promise<string> {
  const { status, headers } = await ask(port, get('/billing/invoices/7', bearer(token)))
  return `${status} ${Math.sign(Number(headers['retry-after']))}`
}

/** After a failure the issuer is left alone for a moment. */
async function untilStatus(port: number, token: string, wanted: number): Promise<void> {
  const deadline = Date.now() + 60_000
  for (;;) {
    const status = await statusOf(port, '/billing/invoices/7', token)
    if (status === wanted) return
    assert.ok(status === 503 && Date.now() < deadline, `${status}`)
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
}
