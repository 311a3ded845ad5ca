import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Ajv2020 } from 'ajv/dist/2020.js'
import { startAdmin } from '../../../../test/issuer/admin.ts'
import { openApi } from './openapi.ts'
import { adminOperations } from './operations.ts'
import type { AdminOperation } from './operation.ts'

const document = openApi('https://issuer.acme.example/')

test('every operation is in the document, with its scope', () => {
  for (const { name, method, path, scope } of adminOperations) {
    const described = document.paths[`/admin${path}`]?.[method.toLowerCase()] as Record<string, unknown>
    assert.equal(described['operationId'], name)
    const open = scope === 'open' || scope === 'code'
    assert.deepEqual(described['security'], open ? [] : [{ token: [scope] }])
  }
  const names = adminOperations.map(({ name }) => name)
  assert.equal(new Set(names).size, names.length)
})

test('what the API answers is what the document says', async (t) => {
  const ajv = new Ajv2020({ strict: false, formats: { 'date-time': true, uri: true } })
  const stand = await startAdmin()
  t.after(stand.close)
  const may = { billing: { roles: ['reader'] } }
  const made = await stand.ask('POST', '/clients', { body: { name: 'shop', may } })
  await stand.ask('POST', '/revocations', { body: { kind: 'subject', id: 'alice' } })
  const id = String(made.json['id'])
  const secret = await stand.ask('POST', `/clients/${id}/secrets`, { headers: { 'If-Match': '*' } })
  const answers: [string, Record<string, unknown>][] = [
    ['createClient', made.json],
    ['addClientSecret', secret.json],
    ['showClient', (await stand.ask('GET', `/clients/${id}`)).json],
    ['listClients', (await stand.ask('GET', '/clients')).json],
    ['listKeys', (await stand.ask('POST', '/keys/rotate')).json],
    ['listRevocations', (await stand.ask('GET', '/revocations')).json],
    ['listAudit', (await stand.ask('GET', '/audit')).json],
  ]
  for (const [name, json] of answers) {
    const schema = closed(operation(name).answers.schema)
    const check = ajv.compile(schema as object)
    assert.ok(check(json), `${name}: ${ajv.errorsText(check.errors)}`)
  }
})

test('the document of a body takes what the API takes, and no secret', () => {
  const ajv = new Ajv2020({ strict: false, formats: { 'date-time': true, uri: true } })
  const check = ajv.compile(operation('createClient').body as object)
  const federated = { issuer: 'https://ci.acme.example', subject: 'x' }
  for (const good of [
    {},
    { name: 'x', disabled: true, may: { billing: { roles: 'a' } } },
    { authenticate: { federated } },
  ])
    assert.ok(check(good), JSON.stringify(good))
  for (const bad of [{ maay: {} }, { name: 7 }, { authenticate: { secret: { env: 'X' } } }])
    assert.ok(!check(bad), JSON.stringify(bad))
})

function operation(name: string): AdminOperation {
  return adminOperations.find((candidate) => candidate.name === name)!
}

/** Members that the document does not tell of are found this way. */
function closed(schema: unknown): unknown {
  if (Array.isArray(schema)) return schema.map(closed)
  if (typeof schema !== 'object' || schema === null) return schema
  const entries = Object.entries(schema).map(([key, value]): [string, unknown] => [key, closed(value)])
  const inner = Object.fromEntries(entries)
  return 'properties' in inner && !('additionalProperties' in inner)
    ? { ...inner, additionalProperties: false }
    : inner
}
