import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { openAuthzStand } from '../../../../../test/gateway/authz-stand.ts'
import type { AuthzStand } from '../../../../../test/gateway/authz-stand.ts'
import { ask, bearer, get } from '../../../../../test/gateway/stand.ts'
import type { AuthzProxy, Service } from '../../trust/trust.ts'

const key = 'Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA=='
const version = 'Sec-WebSocket-Version: 13'
const websocket = {
  routes: ['GET /files/{**}'],
  connections: 10,
  idleSeconds: 60,
  outlivesToken: false,
} as const

test('only routes that the trust file names become a WebSocket, whichever part of it the proxy shows', async (t) => {
  const stand = await open(t, 'traefik', { websocket })
  const token = bearer(stand.token())
  for (const shown of [
    [key, version],
    ['Upgrade: websocket'],
    ['Upgrade: h2c, WebSocket/13', 'Connection: x'],
  ]) {
    const reply = await inquire(stand, '/billing/invoices/7', token, ...shown)
    assert.ok([400, 405].includes(reply.status), `${shown.join()}: ${reply.status}`)
  }
  assert.equal((await inquire(stand, '/billing/files/live', token, key, version)).status, 200)
  assert.equal((await inquire(stand, '/billing/files/live', token, key)).status, 400)
  assert.equal((await inquire(stand, '/billing/files/live', key, version)).status, 401)
  assert.equal((await inquire(stand, '/billing/invoices/7', token)).status, 200)
})

test('where a cookie may be the token, no page of another origin opens one in its visitor’s name', async (t) => {
  const stand = await open(t, 'traefik', { websocket, tokenFrom: [{ kind: 'cookie', name: 'session' }] })
  const cookie = `Cookie: session=${stand.token()}`
  const from = async (...origin: string[]): Promise<number> =>
    (await inquire(stand, '/billing/files/live', cookie, key, version, ...origin)).status
  assert.equal(await from('Origin: https://app.acme.example'), 200)
  assert.equal(await from('Origin: https://evil.example'), 400)
  assert.equal(await from('Origin: null'), 400)
  // Our own address, which every inquiry goes to.
  assert.equal(await from('Origin: http://gateway.test'), 400)
  assert.equal(await from(), 400)
  const page = await inquire(stand, '/billing/files/live', cookie, 'Origin: https://evil.example')
  assert.equal(page.status, 200, 'what is no WebSocket is the service’s own matter')
})

async function open(t: TestContext, proxy: AuthzProxy, service: Partial<Service>): Promise<AuthzStand> {
  const stand = await openAuthzStand(proxy, { service })
  t.after(() => stand.close())
  return stand
}

function inquire(stand: AuthzStand, target: string, ...headers: string[]) {
  return ask(
    stand.authzPort,
    get(
      '/authz',
      'X-Forwarded-Method: GET',
      `X-Forwarded-Uri: ${target}`,
      'X-Forwarded-Host: app.acme.example',
      ...headers,
    ),
  )
}
