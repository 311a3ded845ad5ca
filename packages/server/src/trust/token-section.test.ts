import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readTrust } from './read.ts'
import type { ReadTrustOptions } from './read.ts'

test('forward and remove are words, and an exchange names its client', () => {
  assert.equal(tokenOf('forward'), 'forward')
  assert.equal(tokenOf('remove'), 'remove')
  const token = tokenOf('{ exchange: { client: edge, secret: { env: EDGE } } }') as {
    client: string
    secret: unknown
  }
  assert.equal(token.client, 'edge')
  assert.equal(String(token.secret), '[secret]')
  const none = tokenOf('{ exchange: { client: edge, secret: { env: EDGE } } }', 'issuer') as {
    secret: unknown
  }
  assert.equal(none.secret, undefined)
})

for (const [text, message] of [
  ['drop', /expected forward, remove or/],
  ['true', /expected forward, remove or/],
  ['{}', /missing/],
  ['{ exchange: {} }', /missing/],
  ['{ exchange: { client: egde, secret: { env: EDGE } } }', /unknown client "egde"/],
  ['{ exchange: { client: orders, secret: { env: EDGE } } }', /orders may not exchange tokens of billing/],
  ['{ exchange: { client: other, secret: { env: EDGE } } }', /other may get no token for billing/],
  ['{ exchange: { client: edge, secret: { env: UNSET } } }', /UNSET is not set/],
  ['{ exchange: { client: edge, secret: plain } }', /secret/],
] as const) {
  test(`refused: ${text}`, () => assert.match(String(tokenOf(text)), message))
}

function tokenOf(token: string, secretsFor: NonNullable<ReadTrustOptions['secretsFor']> = 'all'): unknown {
  const text = `issuer: { url: http://localhost:8080, listen: 127.0.0.1:8080, store: 'memory:' }
services:
  billing:
    audience: b
    roles: [reader]
    token: ${token}
    routes: { GET /: authenticated }
  stock: { audience: s, roles: [reader], routes: { GET /: authenticated } }
clients:
  orders: { authenticate: { secret: { env: EDGE } }, may: { billing: { roles: reader } } }
  edge: { authenticate: { secret: { env: EDGE } }, mayExchange: billing, may: { billing: { roles: reader } } }
  other: { authenticate: { secret: { env: EDGE } }, mayExchange: billing, may: { stock: { roles: reader } } }
`
  const env = { EDGE: 'edge-secret-of-some-length-000000000000' }
  const reading = readTrust(text, { file: 'test.yaml', env, readFile: () => '', secretsFor })
  if (reading.kind === 'mistakes') return reading.mistakes.map(({ message }) => message).join('\n')
  return reading.trust.services.get('billing')!.token
}
