import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { openAuthzStand } from '../../../../test/gateway/authz-stand.ts'
import { nginx, startNginx } from '../../../../test/gateway/real-nginx.ts'
import {
  ask,
  bearer,
  get,
  okReply,
  openUpstream,
  standService,
  standTrust,
} from '../../../../test/gateway/stand.ts'
import { exportNginx } from './nginx.ts'
import type { Service, Trust } from '../trust/trust.ts'

test('what nginx cannot be told is named, all of it', () => {
  const cors = { origins: '*', headers: [], expose: [], credentials: false, maxAgeSeconds: 1 } as const
  const service = standService('https://10.0.0.1', {
    cors,
    token: 'remove',
    tokenFrom: [{ kind: 'cookie', name: 's' }],
  })
  assert.throws(
    () => exportNginx(trustOf([service], 9002), '80'),
    (error: Error & { code: string }) => {
      assert.equal(error.code, 'export-impossible')
      assert.deepEqual(error.message.match(/services\.billing\.\w+/g), [
        'services.billing.cors',
        'services.billing.token',
        'services.billing.upstream',
      ])
      return true
    },
  )
})

test('without an endpoint for nginx there is nothing to export', () => {
  assert.throws(() => exportNginx(standTrust('http://127.0.0.1:1'), '80'), { code: 'export-impossible' })
})

describe('the real nginx', { skip: nginx === undefined ? 'nginx is not installed' : false }, () => {
  test('answers as the gateway does, and forwards what the gateway would', async (t) => {
    const upstream = await openUpstream((socket) => socket.end(okReply('ok', 'Connection: close')))
    const claimHeaders = new Map([['X-Tenant', 'tenant']])
    const service = standService(`${upstream.url}/v2`, {
      claimHeaders,
      token: 'remove',
      bodyLimitBytes: 1024,
    })
    const hosted = standService(upstream.url, {
      name: 'hosted',
      audience: 'https://hosted.acme.example',
      at: undefined,
      host: 'hosted.acme.example',
    })
    const stand = await openAuthzStand('nginx', { service, services: [hosted] })
    const text = exportNginx(trustOf([service, hosted], stand.authzPort), 'LISTEN')
    const server = await startNginx((port) => text.replaceAll('LISTEN', `127.0.0.1:${port}`))
    t.after(async () => {
      await server.stop()
      await stand.close()
      await upstream.close()
    })
    const token = bearer(stand.token({ tenant: 'acme' }))
    const paths = () => upstream.requests.map((request) => request.split(' ')[1])
    assert.equal(
      (await ask(server.port, get('/billing/invoices/7?x=1', token, 'X-Tenant: evil'))).status,
      200,
    )
    assert.equal((await ask(server.port, get('/billing/files/a%20b/c', token))).status, 200)
    assert.equal((await ask(server.port, get('/billing'))).status, 200)
    const atHost = get('/health').replace('gateway.test', 'hosted.acme.example')
    assert.equal((await ask(server.port, atHost)).status, 200)
    assert.deepEqual(paths(), ['/v2/invoices/7?x=1', '/v2/files/a%20b/c', '/v2/', '/health'])
    const [first] = upstream.requests
    assert.match(first!, /^X-Tenant: acme\r$/m)
    assert.match(first!, /^countersign-subject: orders\r$/im)
    assert.match(first!, new RegExp(`^Host: ${new URL(upstream.url).host}\\r$`, 'm'))
    assert.doesNotMatch(first!, /evil|^authorization/im)
    for (const [target, status] of [
      ['/billing/invoices/7', 401],
      ['/billing/nothing', 404],
      ['/billing/x/../health', 400],
      ['/billing//health', 400],
      ['/billing/health%2f..', 400],
      ['/billings/health', 404],
      ['/nowhere', 404],
      ['/_countersign', 404],
    ] as const) {
      assert.equal((await ask(server.port, get(target))).status, status, target)
    }
    const long = get('/billing/open', 'Content-Length: 1025').replace('GET', 'POST') + 'x'.repeat(1025)
    assert.equal((await ask(server.port, long)).status, 413)
    assert.equal(upstream.requests.length, 4)
  })
})

function trustOf(services: readonly Service[], port: number): Trust {
  const made = standTrust('http://127.0.0.1:1')
  const authz = [{ proxy: 'nginx', listen: { host: '127.0.0.1', port }, peers: [] }] as const
  return {
    ...made,
    gateway: { ...made.gateway!, authz },
    services: new Map(services.map((service) => [service.name, service])),
  }
}
