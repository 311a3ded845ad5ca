import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { Ajv } from 'ajv'
import { parse } from 'yaml'
import { trustFileSchema } from './schema.ts'

const file = join(import.meta.dirname, '../../schema/trust-file.schema.json')

/** The common case, with all four ways a section can be left short. */
const example = `issuer:
  url: http://localhost:8080
  listen: 127.0.0.1:8080
  store: sqlite:countersign.db
  keys: { algorithm: ES256, rotateEvery: 30d, seal: { env: COUNTERSIGN_SEAL_KEY } }
  tokens: { lifetime: 5m }
gateway:
  listen: 127.0.0.1:9001
trusted:
  fusionauth: { issuer: https://login.acme.example, audience: acme-web, algorithms: [RS256], roles: /roles }
  tutorial:   { issuer: jwtgo.io, audience: billing.jwtgo.io, secret: { env: SECRET_KEY } }
services:
  billing:
    audience: https://billing.acme.example
    roles: [reader, admin]
    upstream: http://127.0.0.1:9101
    at: /billing
    accepts: [own, fusionauth]
    tokenFrom: [bearer, { header: Token }]
    routes:
      GET /health: open
      GET /invoices/{id}: { roles: reader }
      POST /invoices: { roles: admin, scopes: invoices:write }
      PUT /invoices/{id}: { anyOf: [{ roles: admin }, { not: { claims: { /tenant: { equals: acme } } } }] }
clients:
  orders:
    authenticate: { secret: { env: ORDERS_SECRET } }
    may: { billing: { roles: [reader] } }
`

test('the schema on disk is the one the readers make', () => {
  const made = JSON.stringify(trustFileSchema(), null, 2)
  if (process.env['UPDATE_GOLDEN'] === '1') writeFileSync(file, `${made}\n`)
  // Parsed, so that the formatter may break lines as it likes; the order of keys counts.
  const onDisk = JSON.stringify(JSON.parse(readFileSync(file, 'utf8')), null, 2)
  assert.ok(onDisk === made, 'the readers have changed: run this test with UPDATE_GOLDEN=1')
})

describe('what editors say', () => {
  const validate = new Ajv({ strict: false, validateFormats: false, allErrors: true }).compile(
    trustFileSchema(),
  )
  const says = (text: string): string[] => {
    validate(parse(text))
    return (validate.errors ?? []).map(({ instancePath, message }) => `${instancePath} ${message}`)
  }

  test('the common case is fine, with and without a seal', () => {
    assert.deepEqual(says(example), [])
    assert.deepEqual(says(example.replace(', seal: { env: COUNTERSIGN_SEAL_KEY }', '')), [])
  })

  const wrong: [what: string, from: string, to: string, path: string][] = [
    ['an unknown key', 'gateway:\n', 'gateway:\n  relm: x\n', '/gateway must NOT have additional properties'],
    ['a literal secret', '{ env: SECRET_KEY }', 'hunter2', '/trusted/tutorial/secret must be object'],
    ['a duration without unit', 'lifetime: 5m', 'lifetime: 5', '/issuer/tokens/lifetime must be string'],
    [
      'HMAC for our own tokens',
      'algorithm: ES256',
      'algorithm: HS256',
      '/issuer/keys/algorithm must be equal to one of the allowed values',
    ],
    [
      'an unknown member of a policy',
      'roles: admin,',
      'role: admin,',
      '/services/billing/routes/POST ~1invoices must NOT have additional properties',
    ],
    [
      'a service without audience',
      'audience: https://billing.acme.example',
      'host: x',
      "/services/billing must have required property 'audience'",
    ],
    [
      'a lower-case method',
      'GET /health',
      'get /health',
      '/services/billing/routes must match pattern "^([A-Z-]+|\\*) /"',
    ],
  ]
  for (const [what, from, to, error] of wrong) {
    test(what, () => {
      assert.ok(example.includes(from))
      const found = says(example.replace(from, to))
      assert.ok(found.includes(error), JSON.stringify(found))
    })
  }
})
