import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  ask,
  get,
  openStand,
  standIssuer,
  standService,
  standTrust,
} from '../../../../../test/gateway/stand.ts'
import { resourceMetadata } from './resource-metadata.ts'
import type { Service, Trust } from '../../trust/trust.ts'

test('published where the audience is the URL at which the service stands', () => {
  for (const [service, path] of [
    [{ audience: 'https://api.acme.example/billing' }, '/billing'],
    [{ audience: 'http://127.0.0.1:9001/billing' }, '/billing'],
    [{ audience: 'https://api.acme.example/', at: '/' }, ''],
    [{ audience: 'https://api.acme.example', at: '/' }, ''],
    [{ audience: 'https://billing.acme.example', at: undefined, host: 'billing.acme.example' }, ''],
  ] as const) {
    const metadata = resourceMetadata(standService('http://x', service), trust())
    assert.equal(metadata?.path, `/.well-known/oauth-protected-resource${path}`, service.audience)
    assert.equal(metadata.url, new URL(service.audience).origin + metadata.path)
    assert.equal(JSON.parse(metadata.document).resource, service.audience)
  }
})

test('and not where it is something else', () => {
  for (const service of [
    { audience: 'billing' },
    { audience: 'urn:billing' },
    { audience: 'https://billing.acme.example' },
    { audience: 'https://api.acme.example/billing/' },
    { audience: 'https://api.acme.example/billing?x' },
    { audience: 'https://other.acme.example', at: undefined, host: 'billing.acme.example' },
  ] satisfies Partial<Service>[]) {
    assert.equal(resourceMetadata(standService('http://x', service), trust()), undefined, service.audience)
  }
  const elsewhere = standService('http://x', { audience: 'https://api.acme.example/billing' })
  assert.equal(resourceMetadata(elsewhere, trust('https://gateway.acme.example')), undefined)
  assert.ok(resourceMetadata(elsewhere, trust('https://api.acme.example')))
})

test('it is found without a token, and challenges name it', async (t) => {
  const audience = 'http://127.0.0.1:9001/billing'
  const stand = await openStand('http://127.0.0.1:1', { service: { audience } })
  t.after(() => stand.close())
  const refused = await ask(stand.port, get('/billing/invoices/7'))
  const url = 'http://127.0.0.1:9001/.well-known/oauth-protected-resource/billing'
  assert.equal(refused.headers['www-authenticate'], `Bearer realm="acme", resource_metadata="${url}"`)
  const reply = await ask(stand.port, get('/.well-known/oauth-protected-resource/billing'))
  assert.equal(reply.status, 200)
  assert.equal(reply.headers['content-type'], 'application/json')
  assert.equal(reply.headers['access-control-allow-origin'], '*')
  assert.deepEqual(JSON.parse(reply.body), {
    resource: audience,
    authorization_servers: [],
    scopes_supported: ['invoices:write'],
    bearer_methods_supported: ['header'],
  })
  for (const path of ['', '/', '/billing/', '/other', '/billing/invoices']) {
    assert.equal(
      (await ask(stand.port, get(`/.well-known/oauth-protected-resource${path}`))).status,
      404,
      path,
    )
  }
})

test('a service with a host answers at that host alone', async (t) => {
  const service = { audience: 'https://billing.acme.example', at: undefined, host: 'billing.acme.example' }
  const stand = await openStand('http://127.0.0.1:1', { service })
  t.after(() => stand.close())
  const path = '/.well-known/oauth-protected-resource'
  const at = (host: string): string => get(path).replace('gateway.test', host)
  assert.equal((await ask(stand.port, at('billing.acme.example'))).status, 200)
  assert.equal((await ask(stand.port, at('other.acme.example'))).status, 404)
})

test('the issuers are those whose tokens are accepted', () => {
  const service = standService('http://x', { audience: 'https://a.example/billing', accepts: [] })
  const { document } = resourceMetadata(service, trust(undefined, standIssuer))!
  assert.deepEqual(JSON.parse(document).authorization_servers, [standIssuer])
})

function trust(url?: string, remoteIssuer?: string): Trust {
  const made = standTrust('http://x', remoteIssuer === undefined ? {} : { remoteIssuer })
  return url === undefined ? made : { ...made, gateway: { ...made.gateway!, url } }
}
