import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { generateSigningKey, publicJwk } from '@countersign/sdk/jwt'
import { mistakesText } from './mistake.ts'
import { readTrust } from './read.ts'
import type { Client } from './trust.ts'

const jwk = JSON.stringify(publicJwk(generateSigningKey('ES256', { keyId: 'one' })))
const same = JSON.stringify(publicJwk(generateSigningKey('ES256', { keyId: 'one' })))
const other = JSON.stringify(publicJwk(generateSigningKey('EdDSA', { keyId: 'two' })))

describe('keys', () => {
  test('that stand here', () => {
    const { client } = read(`keys: [${jwk}, ${other}]`)
    assert.deepEqual(client?.secrets, [])
    const { assertion } = client!
    assert.ok(assertion?.kind === 'own' && assertion.keys.kind === 'keys')
    assert.deepEqual(
      assertion.keys.keys.map(({ keyId, algorithm }) => [keyId, algorithm]),
      [
        ['one', 'ES256'],
        ['two', 'EdDSA'],
      ],
    )
    assert.equal(assertion.legacyAudience, false)
  })

  test('that are published', () => {
    const { client } = read('keys: { jwks: https://orders.example/jwks.json, algorithms: ES256 }')
    assert.deepEqual(client?.assertion, {
      kind: 'own',
      keys: { kind: 'jwks', url: 'https://orders.example/jwks.json', algorithms: ['ES256'] },
      legacyAudience: false,
    })
    const all = read('keys: { jwks: https://orders.example/jwks.json }').client?.assertion
    assert.ok(all?.kind === 'own' && all.keys.kind === 'jwks')
    assert.ok(
      all.keys.algorithms.includes('PS256') && !all.keys.algorithms.some((one) => one.startsWith('HS')),
    )
  })

  test('with the older audience', () => {
    const { client } = read(`keys: [${jwk}], legacyAudience: true`)
    assert.equal(client?.assertion?.kind === 'own' && client.assertion.legacyAudience, true)
  })
})

describe('mistakes', () => {
  const wrong: [members: string, mistake: RegExp][] = [
    ['', /c\.authenticate: expected one of secret/],
    [`secret: { env: A }, keys: [${jwk}]`, /secret and keys exclude each other/],
    ['secret: { env: A }, legacyAudience: true', /legacyAudience: is for clients with keys/],
    [`keys: [${jwk}], legacyAudience: false`, /legacyAudience: expected true/],
    ['keys: []', /keys: expected at least 1/],
    [`keys: [${jwk}, ${same}]`, /keys: .*two keys have one "kid"/],
    ['keys: https://orders.example/jwks.json', /keys: expected a list of public keys, got a text/],
    ['keys: { jwks: http://orders.example/jwks.json }', /keys\.jwks: expected https:/],
    ['keys: { jwks: https://orders.example/jwks.json, algorithms: HS256 }', /keys\.algorithms: expected/],
    ['keys: { algorithms: ES256 }', /keys\.jwks: missing/],
    ['key: x', /authenticate\.key: unknown key "key"\n {4}next: did you mean "keys"/],
  ]
  for (const [members, mistake] of wrong) {
    test(members.slice(0, 70), () => assert.match(read(members).mistakes, mistake))
  }
})

function read(members: string): { client: Client | undefined; mistakes: string } {
  const text = `issuer: { url: http://localhost:8080, listen: 127.0.0.1:8080, store: 'memory:' }
clients: { c: { authenticate: { ${members} } } }`
  const env = { A: 'a'.repeat(32) }
  const reading = readTrust(text, { file: 'f', env, readFile: () => '' })
  return {
    client: reading.kind === 'trust' ? reading.trust.clients.get('c') : undefined,
    mistakes: reading.kind === 'mistakes' ? mistakesText('f', reading.mistakes) : '',
  }
}
