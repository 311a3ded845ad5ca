import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import {
  ask,
  bearer,
  get,
  okReply,
  openStand,
  openUpstream,
  standService,
} from '../../../../../test/gateway/stand.ts'
import type { ScriptedUpstream, Stand } from '../../../../../test/gateway/stand.ts'
import { compilePassing } from './passed-headers.ts'
import type { Service } from '../../trust/trust.ts'

test('where nothing is taken out nothing is done', () => {
  assert.equal(compilePassing(standService('http://x')), undefined)
  assert.equal(compilePassing(standService('http://x', { token: 'forward' })), undefined)
})

test('the token is taken out of every place it may stand in', async (t) => {
  const tokenFrom = [
    { kind: 'bearer' },
    { kind: 'header', name: 'Token' },
    { kind: 'cookie', name: 'session' },
  ] as const
  const { stand, upstream } = await open(t, { token: 'remove', tokenFrom })
  const token = stand.token()
  for (const headers of [
    [bearer(token)],
    [`token: ${token}`],
    [`Cookie: a=1; session=${token}; b=2`],
    [`Cookie: session=${token}`],
    [`Cookie: a=1; session =${token}; b=2`],
    [bearer(token), 'DPoP: eyJ', 'Cookie: theme=dark'],
  ]) {
    assert.equal((await ask(stand.port, get('/billing/invoices/7', ...headers))).status, 200, headers.join())
    const sent = upstream.requests.at(-1)!
    assert.ok(!sent.includes(token))
    assert.doesNotMatch(sent, /^(authorization|token|dpop|cookie: *$)/im)
    assert.match(sent, /Countersign-Subject: orders/)
  }
  assert.match(upstream.requests[2]!, /^Cookie: a=1; b=2$/m)
  assert.match(upstream.requests[4]!, /^Cookie: a=1; b=2$/m)
  assert.match(upstream.requests[5]!, /^Cookie: theme=dark$/m)
})

test('an unused token is taken out on open routes as well', async (t) => {
  const { stand, upstream } = await open(t, { token: 'remove' })
  await ask(
    stand.port,
    get('/billing/health', 'Authorization: Basic eDp5', bearer('x').replace('Authorization', 'X-Other')),
  )
  assert.doesNotMatch(upstream.requests[0]!, /^authorization:/im)
  assert.match(upstream.requests[0]!, /^X-Other: /m)
})

test('headers are filled from claims, and by nobody else', async (t) => {
  const claimHeaders = new Map([
    ['X-Tenant', '/tenant'],
    ['X-Level', 'level'],
    ['X-Groups', '/realm/groups'],
    ['X-Text', 'text'],
  ])
  const { stand, upstream } = await open(t, { claimHeaders })
  const token = stand.token({
    tenant: 'acme',
    level: 7,
    realm: { groups: ['a,b', 'c"d', 'é'] },
    text: ' tab\t\r\nX-Admin: true %',
  })
  await ask(stand.port, get('/billing/invoices/7', bearer(token), 'X-Tenant: evil', 'x-groups: ["root"]'))
  const lines = upstream.requests[0]!.split('\r\n').filter((line) =>
    /^x-(tenant|level|groups|text|admin)/i.test(line),
  )
  assert.deepEqual(lines, [
    'X-Tenant: acme',
    'X-Level: 7',
    'X-Groups: ["a,b","c\\"d","\\u00e9"]',
    'X-Text: %20tab%09%0D%0AX-Admin: true %25',
  ])
  await ask(stand.port, get('/billing/health', 'X-Tenant: evil', 'X-TENANT: evil'))
  assert.doesNotMatch(upstream.requests[1]!, /tenant/i)
  await ask(stand.port, get('/billing/invoices/7', bearer(stand.token({ tenant: null })), 'X-Tenant: evil'))
  assert.doesNotMatch(upstream.requests[2]!, /tenant/i)
})

test('a claim that is too long refuses the token', async (t) => {
  const { stand, upstream } = await open(t, { claimHeaders: new Map([['X-Tenant', 'tenant']]) })
  const token = bearer(stand.token({ tenant: 'x'.repeat(4097) }))
  assert.equal((await ask(stand.port, get('/billing/invoices/7', token))).status, 401)
  assert.equal(upstream.requests.length, 0)
})

async function open(
  t: TestContext,
  service: Partial<Service>,
): Promise<{ stand: Stand; upstream: ScriptedUpstream }> {
  const upstream = await openUpstream((socket) => socket.write(okReply('ok')))
  const stand = await openStand(upstream.url, { service })
  t.after(async () => {
    await stand.close()
    await upstream.close()
  })
  return { stand, upstream }
}
