import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readTrust } from './read.ts'

test('headers are filled from claims', () => {
  assert.deepEqual(headersOf('{ X-Tenant: /tenant, X-Email: email, X-Groups: /realm/groups }'), [
    ['X-Tenant', '/tenant'],
    ['X-Email', 'email'],
    ['X-Groups', '/realm/groups'],
  ])
})

for (const [text, message] of [
  ['{}', /1 to 20 headers/],
  ['{ X-Tenant: [tenant] }', /name of a claim/],
  ['{ X-Tenant: "" }', /name of a claim/],
  ['{ X-Tenant: /a~2 }', /name of a claim/],
  ['{ X_Tenant: tenant }', /letters, digits and -/],
  ['{ X-Tenant: a, x-tenant: b }', /another meaning/],
  ['{ Countersign-Tenant: tenant }', /another meaning/],
  ['{ X-Forwarded-For: sub }', /another meaning/],
  ['{ Authorization: sub }', /another meaning/],
  ['{ Host: sub }', /another meaning/],
  ['{ Cookie: sub }', /another meaning/],
] as const) {
  test(`refused: ${text}`, () => assert.match(String(headersOf(text)), message))
}

function headersOf(headers: string): unknown {
  const text = `services:\n  billing:\n    audience: b\n    claimHeaders: ${headers}\n    routes: { GET /health: open }\n`
  const reading = readTrust(text, { file: 'test.yaml', env: {}, readFile: () => '' })
  if (reading.kind === 'mistakes') return reading.mistakes.map(({ message }) => message).join('\n')
  return [...reading.trust.services.get('billing')!.claimHeaders!]
}
