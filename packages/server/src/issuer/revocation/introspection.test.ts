import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { createSigner, generateSigningKey, inspectToken } from '@countersign/sdk/jwt'
import { caller, chainTrust, secretOf } from '../../../../../test/issuer/exchange.ts'
import { basic, startIssuer } from '../../../../../test/issuer/fixture.ts'
import type { Answer } from '../../../../../test/issuer/fixture.ts'

const scopes = ['read', 'write']
const fixture = await startIssuer({
  trust: chainTrust({
    clients: [
      caller('front', [{ service: 'billing', roles: ['reader'], scopes }]),
      {
        ...caller('billing-api', [{ service: 'stock', roles: ['reader'], scopes: ['read'] }]),
        mayExchange: ['billing'],
        introspects: ['billing'],
      },
      { ...caller('stock-api', []), introspects: ['stock'] },
      caller('stranger', []),
    ],
  }),
})
after(() => fixture.close())

const post = (path: string, id: string, fields: Record<string, string>): Promise<Answer> =>
  fixture.send('POST', path, {
    body: new URLSearchParams(fields).toString(),
    headers: { 'Content-Type': 'application/x-www-form-urlencoded', ...basic(id, secretOf(id)) },
  })
const introspect = (id: string, token: string): Promise<Answer> => post('/introspect', id, { token })

async function take(id: string, fields: Record<string, string>): Promise<string> {
  const { json } = await post('/token', id, { grant_type: 'client_credentials', ...fields })
  return String(json['access_token'])
}

const exchange = (subject: string): Promise<string> =>
  take('billing-api', {
    grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
    subject_token: subject,
    subject_token_type: 'urn:ietf:params:oauth:token-type:access_token',
    audience: 'stock',
  })

test('tells all that the token says to whom it was issued, and to its service', async () => {
  const token = await take('front', { audience: 'billing' })
  const { iat, exp, jti } = inspectToken(token).claims as { iat: number; exp: number; jti: string }
  for (const id of ['front', 'billing-api']) {
    const { status, headers, json } = await introspect(id, token)
    assert.equal(status, 200)
    assert.equal(headers['cache-control'], 'no-store')
    assert.equal(headers['content-type'], 'application/json')
    assert.deepEqual(json, {
      active: true,
      token_type: 'Bearer',
      iss: fixture.url,
      sub: 'front',
      aud: 'https://billing.acme.example',
      client_id: 'front',
      exp,
      iat,
      jti,
      scope: 'read write',
      roles: ['reader'],
    })
  }
})

test('an exchanged token shows who acts for whom, and not what it descends from', async () => {
  const token = await exchange(await take('front', { audience: 'billing' }))
  const { json } = await introspect('stock-api', token)
  assert.deepEqual([json['active'], json['sub'], json['client_id']], [true, 'front', 'billing-api'])
  assert.deepEqual(json['act'], { sub: 'billing-api', iss: fixture.url })
  assert.ok(!('lineage' in json))
})

test('for everybody else it is inactive, and nothing more is said', async () => {
  const token = await take('front', { audience: 'billing' })
  for (const id of ['stranger', 'stock-api']) {
    const { status, json } = await introspect(id, token)
    assert.deepEqual([status, json], [200, { active: false }])
  }
})

test('what is no token of ours is inactive', async () => {
  const token = await take('front', { audience: 'billing' })
  const { claims } = inspectToken(token)
  const forged = createSigner({ key: generateSigningKey('ES256') }).sign({ ...claims })
  for (const other of [forged, 'x', 'a.b.c', token.slice(0, -1), `${token}x`, '{}']) {
    assert.deepEqual((await introspect('front', other)).json, { active: false })
  }
})

test('from the second of its exp on it is inactive', async () => {
  const token = await take('front', { audience: 'billing' })
  const { exp } = inspectToken(token).claims as { exp: number }
  const before = fixture.clock.nowMs
  fixture.clock.nowMs = exp * 1000 - 1
  assert.equal((await introspect('front', token)).json['active'], true)
  fixture.clock.nowMs = exp * 1000
  assert.deepEqual((await introspect('front', token)).json, { active: false })
  fixture.clock.nowMs = before
})

test('what is revoked is inactive at once, with all that descends from it', async () => {
  const parent = await take('front', { audience: 'billing' })
  const child = await exchange(parent)
  assert.equal((await introspect('stock-api', child)).json['active'], true)
  const { jti } = inspectToken(parent).claims as { jti: string }
  await fixture.issuer.revoke({ tokenId: jti }, { nowMs: fixture.clock.nowMs })
  assert.deepEqual((await introspect('front', parent)).json, { active: false })
  assert.deepEqual((await introspect('stock-api', child)).json, { active: false })
})

test('a client or a subject that is revoked makes its tokens inactive, and later ones are good again', async () => {
  for (const what of [{ clientId: 'front' }, { subject: 'front' }]) {
    const token = await take('front', { audience: 'billing' })
    await fixture.issuer.revoke(what, { nowMs: fixture.clock.nowMs })
    assert.deepEqual((await introspect('front', token)).json, { active: false })
    fixture.clock.nowMs += 1000
    const later = await take('front', { audience: 'billing' })
    assert.equal((await introspect('front', later)).json['active'], true)
  }
})

test('another trust file’s services count from the next request on', async () => {
  const token = await take('front', { audience: 'billing' })
  const trust = chainTrust({ clients: [{ ...caller('stranger', []), introspects: ['billing'] }] })
  fixture.issuer.replace(trust)
  assert.equal((await introspect('stranger', token)).json['active'], true)
  const services = new Map([...trust.services].filter(([name]) => name !== 'billing'))
  fixture.issuer.replace({ ...trust, services })
  assert.deepEqual((await introspect('stranger', token)).json, { active: false })
})
