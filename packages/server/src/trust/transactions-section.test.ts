import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readTrust } from './read.ts'

test('a trust domain, and a minute', () => {
  const reading = read('transactions: { trustDomain: acme.example }')
  assert.ok(reading.kind === 'trust')
  assert.deepEqual(reading.trust.transactions, { trustDomain: 'acme.example', lifetimeSeconds: 60 })
  assert.deepEqual(reading.trust.clients.get('billing-api')?.mayTransact, ['pay', 'refund'])
  const none = read('')
  assert.ok(none.kind === 'trust' && none.trust.transactions === undefined)
})

test('mistakes', () => {
  for (const section of [
    '{}',
    '{ trustDomain: a b }',
    '{ trustDomain: a, lifetime: 1h }',
    '{ trustDomains: a }',
  ]) {
    assert.equal(read(`transactions: ${section}`).kind, 'mistakes', section)
  }
})

test('a service that takes them looks for them in their own header, and for nothing else', () => {
  const services = (members: string) => `transactions: { trustDomain: acme.example }
trusted: { login: { issuer: https://login.acme.example, audience: x, algorithms: ES256 } }
services:
  stock: { audience: https://stock.acme.example, transactions: true${members} }
`
  const reading = read(services(''))
  assert.ok(reading.kind === 'trust')
  const stock = reading.trust.services.get('stock')!
  assert.deepEqual([stock.transactions, stock.tokenFrom], [true, [{ kind: 'header', name: 'Txn-Token' }]])
  assert.equal(read(services(', accepts: [own, login]')).kind, 'mistakes')
  assert.equal(read(services(', bind: dpop')).kind, 'mistakes')
  assert.equal(
    read(services('').replace('transactions: { trustDomain: acme.example }\n', '')).kind,
    'mistakes',
  )
})

function read(section: string) {
  const text = `issuer:
  url: https://issuer.acme.example
  listen: 127.0.0.1:0
  store: 'memory:'
clients:
  billing-api: { authenticate: { secret: { env: S } }, mayTransact: [pay, refund, pay] }
${section}
`
  return readTrust(text, { file: 't', env: { S: 's'.repeat(32) }, readFile: () => '' })
}
