import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { Client, Grant, Service } from '../../trust/trust.ts'
import { readForm } from '../http/form.ts'
import type { Form } from '../http/form.ts'
import { isRefusal } from '../http/refusal.ts'
import type { Refusal } from '../http/refusal.ts'
import { createClientCredentials } from './client-credentials.ts'
import type { Granted } from './rights.ts'

const services = new Map(
  [
    service('billing', 'https://billing.acme.example'),
    service('stock', 'https://stock.acme.example'),
    service('secrets', 'https://secrets.acme.example'),
    // Named like another one's audience.
    service('https://stock.acme.example', 'https://decoy.acme.example'),
  ].map((entry) => [entry.name, entry]),
)
const clients = [
  client('orders', {
    service: 'billing',
    roles: ['reader', 'writer'],
    scopes: ['invoices:read', 'invoices:write'],
  }),
  client(
    'shop',
    { service: 'billing', roles: ['reader'], scopes: [] },
    { service: 'stock', roles: [], scopes: ['count'] },
    { service: 'https://stock.acme.example', roles: ['decoy'], scopes: [] },
  ),
  client('idle'),
]
const grant = createClientCredentials(clients, services)

test('a client of one service need not name it and gets all it may have', () => {
  assert.deepEqual(granted('orders', ''), {
    kind: 'granted',
    service: 'billing',
    audience: 'https://billing.acme.example',
    roles: ['reader', 'writer'],
    scopes: ['invoices:read', 'invoices:write'],
  })
})

test('a client of several services must name one, and is told which there are', () => {
  const refused = refusal('shop', '')
  assert.equal(refused.error, 'invalid_target')
  assert.match(refused.description, /audience.*billing, stock/)
})

test('a service is named by its audience or its name, a resource by its audience', () => {
  for (const body of [
    'audience=billing',
    'audience=https://billing.acme.example',
    'resource=https://billing.acme.example',
  ]) {
    assert.equal(granted('shop', body).service, 'billing', body)
  }
  assert.equal(refusal('shop', 'resource=billing').error, 'invalid_target')
})

test('an audience goes before a service that is named like it', () => {
  assert.equal(granted('shop', 'audience=https://stock.acme.example').service, 'stock')
  assert.equal(granted('shop', 'audience=https://decoy.acme.example').service, 'https://stock.acme.example')
})

test('the same service several times is one service, two services are refused', () => {
  const same = 'audience=billing&audience=https://billing.acme.example&resource=https://billing.acme.example'
  assert.equal(granted('shop', same).service, 'billing')
  for (const body of [
    'audience=billing&audience=stock',
    'audience=billing&resource=https://stock.acme.example',
  ]) {
    assert.match(refusal('shop', body).description, /one service/, body)
  }
})

test('a service that is not granted and one that does not exist are refused in the same words', () => {
  const forbidden = refusal('orders', 'audience=secrets')
  assert.deepEqual(forbidden, refusal('orders', 'audience=no-such-service'))
  assert.equal(forbidden.error, 'invalid_target')
  assert.doesNotMatch(forbidden.description, /secrets|stock/)
})

test('no spelling of an audience but the exact one', () => {
  for (const near of [
    'https://billing.acme.example/',
    'HTTPS://billing.acme.example',
    'https://billing.acme.example#x',
    'https://billing.acme.example ',
    'Billing',
  ]) {
    assert.equal(refusal('orders', `audience=${encodeURIComponent(near)}`).error, 'invalid_target', near)
  }
})

test('one forbidden target spoils a permitted one', () => {
  assert.equal(refusal('orders', 'audience=billing&audience=secrets').error, 'invalid_target')
})

test('a client that may call nothing is not authorised for the grant', () => {
  assert.equal(refusal('idle', '').error, 'unauthorized_client')
  assert.equal(refusal('unheard of', '').error, 'unauthorized_client')
})

test('scope narrows, in the order asked, each once', () => {
  assert.deepEqual(granted('orders', 'scope=invoices:write').scopes, ['invoices:write'])
  assert.deepEqual(granted('orders', 'scope=invoices:write+invoices:read+invoices:write').scopes, [
    'invoices:write',
    'invoices:read',
  ])
})

test('a scope that is not granted is refused and named, whatever stands beside it', () => {
  for (const scope of ['invoices:delete', 'invoices:read+invoices:delete', 'invoices']) {
    const refused = refusal('orders', `scope=${scope}`)
    assert.equal(refused.error, 'invalid_scope')
    assert.match(refused.description, /scope: invoices/)
  }
})

test('scopes are separated by one space and nothing else', () => {
  for (const scope of [
    '+invoices:read',
    'invoices:read+',
    'invoices:read++invoices:write',
    'invoices:read,invoices:write',
  ]) {
    assert.equal(refusal('orders', `scope=${scope}`).error, 'invalid_scope', scope)
  }
})

test('roles narrow in the same way', () => {
  assert.deepEqual(granted('orders', 'roles=reader').roles, ['reader'])
  assert.equal(refusal('orders', 'roles=admin').error, 'invalid_scope')
  assert.deepEqual(granted('orders', 'roles=').roles, ['reader', 'writer'])
})

test('whatever is asked for, no more than the trust file grants is given', () => {
  const word = fc.constantFrom(
    'reader',
    'writer',
    'admin',
    'invoices:read',
    'invoices:write',
    'count',
    '',
    '*',
    'decoy',
  )
  const words = fc.array(word, { maxLength: 4 }).map((list) => list.join(' '))
  const target = fc.constantFrom(
    'billing',
    'stock',
    'secrets',
    'https://billing.acme.example',
    'https://stock.acme.example',
  )
  fc.assert(
    fc.property(
      fc.constantFrom(...clients),
      fc.record({ audience: target, resource: target, scope: words, roles: words }, { requiredKeys: [] }),
      (asking, fields) => {
        const outcome = grant(asking.id, form(new URLSearchParams(fields).toString()))
        if (isRefusal(outcome)) return
        const right = asking.may.find(({ service: name }) => name === outcome.service)
        assert.ok(right !== undefined)
        assert.equal(services.get(outcome.service)?.audience, outcome.audience)
        assert.ok(outcome.scopes.every((scope) => right.scopes.includes(scope)))
        assert.ok(outcome.roles.every((role) => right.roles.includes(role)))
      },
    ),
  )
})

function service(name: string, audience: string): Service {
  return {
    name,
    audience,
    roles: [],
    scopes: [],
    upstream: undefined,
    at: undefined,
    host: undefined,
    accepts: [],
    acceptsOwn: true,
    tokenFrom: [{ kind: 'bearer' }],
    routes: [],
  }
}

function client(id: string, ...may: Grant[]): Client {
  return { id, secrets: [], may }
}

function form(body: string): Form {
  const read = readForm('application/x-www-form-urlencoded', Buffer.from(body))
  assert.ok(!isRefusal(read))
  return read
}

function granted(clientId: string, body: string): Granted {
  const outcome = grant(clientId, form(body))
  assert.ok(!isRefusal(outcome), isRefusal(outcome) ? outcome.description : '')
  return outcome
}

function refusal(clientId: string, body: string): Refusal {
  const outcome = grant(clientId, form(body))
  assert.ok(isRefusal(outcome))
  return outcome
}
