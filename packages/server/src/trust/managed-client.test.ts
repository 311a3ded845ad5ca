import assert from 'node:assert/strict'
import { test } from 'node:test'
import { adminScopes, adminService } from './admin-service.ts'
import { readClientSettings, withoutUnknown } from './managed-client.ts'
import type { ClientSettings } from './managed-client.ts'
import type { Service } from './trust.ts'

const admin = adminService('https://issuer.acme.example')
const billing: Service = { ...admin, name: 'billing', roles: ['reader', 'admin'], scopes: ['invoices:write'] }
const services = new Map([billing, admin].map((service) => [service.name, service]))

test('a client with nothing said authenticates by secret and may call nothing', () => {
  assert.deepEqual(read({}), { id: 'c1', secrets: [], may: [] })
})

test('rights are read as in the trust file', () => {
  assert.deepEqual(read({ may: { billing: { roles: 'reader' } } }).may, [
    { service: 'billing', roles: ['reader'], scopes: [] },
  ])
  assert.deepEqual(read({ may: { billing: { roles: ['admin'] } }, mayExchange: ['billing'] }).mayExchange, [
    'billing',
  ])
  assert.deepEqual(read({ may: { countersign: { scopes: [...adminScopes] } } }).may[0]?.scopes, adminScopes)
})

test('a client may show assertions instead of secrets', () => {
  const federated = { issuer: 'https://ci.acme.example', subject: 'repo:acme/shop' }
  assert.equal(read({ authenticate: { federated } }).assertion?.kind, 'federated')
})

test('what the services no longer have is left out, and nothing else', () => {
  const settings = {
    may: {
      gone: { roles: ['reader'] },
      billing: { roles: ['reader', 'gone'], scopes: 'gone' },
      countersign: { scopes: 'keys:read' },
    },
    mayExchange: ['gone', 'billing'],
    introspects: ['billing', 'gone'],
  }
  const client = read(withoutUnknown(settings, services))
  assert.deepEqual(client.may, [
    { service: 'billing', roles: ['reader'], scopes: [] },
    { service: 'countersign', roles: [], scopes: ['keys:read'] },
  ])
  assert.deepEqual(client.mayExchange, ['billing'])
  assert.deepEqual(client.introspects, ['billing'])
  assert.deepEqual(read(withoutUnknown(settings, new Map())).may, [])
  assert.deepEqual(read(withoutUnknown({}, services)), read({}))
})

test('what is exchanged and asserted goes with its service and its issuer, and nothing else', () => {
  const settings = {
    may: { billing: { roles: 'reader' } },
    mayExchange: 'gone',
    mayExchangeBound: true,
    mayAssert: { partner: { subject: 'alice' }, gone: { subject: 'bob' } },
  }
  const client = read(withoutUnknown(settings, services, ['partner']), ['partner'])
  assert.deepEqual(client.may, [{ service: 'billing', roles: ['reader'], scopes: [] }])
  assert.deepEqual([client.mayExchange, client.mayExchangeBound], [undefined, undefined])
  assert.deepEqual([...client.mayAssert!], [['partner', { subjects: ['alice'], match: [] }]])
  assert.equal(read(withoutUnknown(settings, services)).mayAssert, undefined)
})

const mistaken: [what: string, settings: ClientSettings, path: string, message: RegExp][] = [
  ['an unknown key', { maay: {} }, 'maay', /unknown key/],
  ['an unknown service', { may: { biling: {} } }, 'may.biling', /unknown service/],
  ['an unknown role', { may: { billing: { roles: ['root'] } } }, 'may.billing.roles[0]', /unknown role/],
  [
    'a scope it does not have',
    { may: { countersign: { scopes: 'all' } } },
    'may.countersign.scopes',
    /scope/,
  ],
  ['a secret from a variable', { authenticate: { secret: { env: 'HOME' } } }, 'authenticate.secret', /mints/],
  [
    'a secret from a file',
    { authenticate: { secret: { file: '/etc/passwd' } } },
    'authenticate.secret',
    /mints/,
  ],
  ['a list for a map', { may: [] }, 'may', /expected a map/],
  ['nothing for a map', { may: null }, 'may', /expected a map/],
  [
    'an issuer that is not trusted',
    { mayAssert: { partner: { subject: 'a' } } },
    'mayAssert.partner',
    /unknown trusted/,
  ],
  ['no way to authenticate', { authenticate: {} }, 'authenticate', /expected one of/],
]
for (const [what, settings, path, message] of mistaken) {
  test(`refuses ${what}`, () => {
    const reading = readClientSettings('c1', settings, services)
    assert.ok(reading.kind === 'mistakes')
    assert.deepEqual(
      reading.mistakes.map((mistake) => mistake.path),
      [path],
    )
    assert.match(reading.mistakes[0]!.message, message)
  })
}

function read(settings: ClientSettings, trusted: readonly string[] = []) {
  const reading = readClientSettings('c1', settings, services, trusted)
  assert.ok(reading.kind === 'client', JSON.stringify(reading))
  return reading.client
}
