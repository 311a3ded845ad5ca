import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { mistakesText } from './mistake.ts'
import { readTrust } from './read.ts'
import type { Trust } from './trust.ts'

const nonceSecret = 'x'.repeat(32)

test('nonces, and what they are made from', () => {
  assert.equal(read('').issuer?.dpop, undefined)
  assert.deepEqual(read('dpop: { nonces: true }').issuer?.dpop, { nonces: true, nonceSecret: undefined })
  const { dpop } = read('dpop: { nonces: true, nonceSecret: { env: NONCES } }').issuer!
  assert.equal(dpop?.nonceSecret?.revealText(), nonceSecret)
  assert.equal(read('dpop: { nonces: true }', 'store: postgres://db/x', 'seal').issuer?.dpop?.nonces, true)
})

test('what tokens are bound to, by client and by service', () => {
  const { clients, services } = read('')
  assert.equal(clients.get('orders')?.bind, 'dpop')
  assert.equal(services.get('billing')?.bind, 'any')
  assert.equal(clients.get('orders')?.mayExchangeBound, true)
})

describe('mistakes', () => {
  const wrong: [text: () => string, mistake: RegExp][] = [
    [() => mistakes('dpop: { nonces: false }'), /dpop\.nonces.*expected true/],
    [() => mistakes('dpop: { nonceSecret: { env: NONCES } }'), /no nonces to make/],
    [
      () => mistakes('dpop: { nonces: true, nonceSecret: { env: SHORT } }'),
      /5 bytes; nonces need at least 32/,
    ],
    [
      () => mistakes('dpop: { nonces: true }', 'store: postgres://db/x', 'open'),
      /dpop\.nonceSecret.*no seal/,
    ],
    [() => mistakes('dpop: { nonce: true }'), /did you mean "nonces"/],
  ]
  for (const [text, expected] of wrong) test(String(expected), () => assert.match(text(), expected))
})

function read(dpop: string, store?: string, keys?: 'seal' | 'open'): Trust {
  const reading = trustOf(dpop, store, keys)
  assert.ok(reading.kind === 'trust', reading.kind === 'mistakes' ? mistakesText('t', reading.mistakes) : '')
  return reading.trust
}

function mistakes(dpop: string, store?: string, keys?: 'seal' | 'open'): string {
  const reading = trustOf(dpop, store, keys)
  assert.ok(reading.kind === 'mistakes')
  return mistakesText('t', reading.mistakes)
}

function trustOf(dpop: string, store = "store: 'memory:'", keys?: 'seal' | 'open') {
  const ring = { seal: 'keys: { seal: { env: NONCES } }', open: 'keys: { dangerouslyUnsealed: true }' }
  const text = `issuer:
  url: https://issuer.acme.example
  listen: 127.0.0.1:0
  ${store}
  ${keys === undefined ? '' : ring[keys]}
  ${dpop}
services:
  billing: { audience: https://billing.acme.example, roles: [reader], bind: any }
clients:
  orders:
    authenticate: { secret: { env: NONCES } }
    may: { billing: { roles: reader } }
    mayExchange: billing
    mayExchangeBound: true
    bind: dpop
`
  return readTrust(text, { file: 't', env: { NONCES: nonceSecret, SHORT: 'short' }, readFile: () => '' })
}
