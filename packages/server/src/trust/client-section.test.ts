import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { mistakesText } from './mistake.ts'
import { readTrust } from './read.ts'

const env = { A: 'a'.repeat(32), B: 'b'.repeat(32), C: 'c'.repeat(32), SHORT: 'c'.repeat(31) }
const secret = 'authenticate: { secret: { env: A } }'

test('one secret, or two while one replaces the other', () => {
  assert.deepEqual(
    read(secret).client?.secrets.map((one) => one.revealText()),
    [env.A],
  )
  const two = read('authenticate: { secret: [{ env: A }, { env: B }] }').client
  assert.deepEqual(
    two?.secrets.map((one) => one.revealText()),
    [env.A, env.B],
  )
})

test('what it may do is resolved, and nothing is granted unless said', () => {
  assert.deepEqual(read(secret).client?.may, [])
  assert.deepEqual(read(`${secret}, may: { s: {} }`).client?.may, [{ service: 's', roles: [], scopes: [] }])
  assert.deepEqual(read(`${secret}, may: { s: { roles: [r, r], scopes: a } }`).client?.may, [
    { service: 's', roles: ['r'], scopes: ['a'] },
  ])
})

test('whose callers’ tokens it may exchange, once each', () => {
  assert.equal(read(secret).client?.mayExchange, undefined)
  const members = `${secret}, may: { bare: {} }, mayExchange: [s, s]`
  assert.deepEqual(read(members).client?.mayExchange, ['s'])
  assert.deepEqual(read(members.replace('[s, s]', 's')).client?.mayExchange, ['s'])
})

test('whose callers’ tokens it may ask about, once each', () => {
  assert.equal(read(secret).client?.introspects, undefined)
  assert.deepEqual(read(`${secret}, introspects: [s, s, bare]`).client?.introspects, ['s', 'bare'])
})

describe('mistakes', () => {
  const wrong: [members: string, mistakes: string][] = [
    [
      'may: { s: {} }',
      'f:5:11: clients.c.authenticate: missing\n    next: write `authenticate: …`: How it proves who it is.',
    ],
    [
      'authenticate: {}',
      'f:5:30: clients.c.authenticate: expected one of secret, keys, federated or certificate',
    ],
    [
      'authenticate: { secret: [{ env: A }, { env: B }, { env: C }] }',
      'f:5:40: clients.c.authenticate.secret: more than two secrets\n    next: two are enough while one replaces the other',
    ],
    [
      'authenticate: { secret: { env: SHORT } }',
      'f:5:40: clients.c.authenticate.secret: the secret has 31 bytes; a client secret needs at least 32 (RFC 6749 §10.10: it must not be guessed)\n    next: make one with `openssl rand -base64 32`',
    ],
    [
      `${secret}, may: { ss: {} }`,
      'f:5:61: clients.c.may.ss: unknown service "ss"\n    next: did you mean "s"?',
    ],
    [
      `${secret}, may: { s: {} }, mayExchange: ss`,
      'f:5:83: clients.c.mayExchange: unknown service "ss"\n    next: did you mean "s"?',
    ],
    [
      `${secret}, introspects: ss`,
      'f:5:67: clients.c.introspects: unknown service "ss"\n    next: did you mean "s"?',
    ],
    [
      `${secret}, mayExchange: s`,
      'f:5:67: clients.c.mayExchange: there is nothing to exchange tokens for\n    next: say in may which services it calls',
    ],
    [
      `${secret}, may: { s: { roles: rr } }`,
      'f:5:73: clients.c.may.s.roles: unknown role of s "rr"\n    next: did you mean "r"?',
    ],
    [
      `${secret}, may: { bare: { scopes: [x] } }`,
      'f:5:78: clients.c.may.bare.scopes[0]: bare declares no scopes\n    next: add it to services.bare.scopes',
    ],
  ]
  for (const [members, mistakes] of wrong) test(members, () => assert.equal(read(members).mistakes, mistakes))

  test('a service with a mistake of its own is still a known service', () => {
    const { mistakes } = read(`${secret}, may: { s: { roles: r } }`, { audience: '""' })
    assert.equal(mistakes.split('\n').length, 1)
  })
})

function read(members: string, { audience = 's' } = {}) {
  const text = `issuer: { url: http://localhost:8080, listen: 127.0.0.1:8080, store: 'memory:' }
services:
  s: { audience: ${audience}, roles: [r], scopes: [a], routes: { GET /: open } }
  bare: { audience: b, routes: { GET /: open } }
clients: {c: { ${members} } }`
  const reading = readTrust(text, { file: 'f', env, readFile: () => '' })
  return {
    client: reading.kind === 'trust' ? reading.trust.clients.get('c') : undefined,
    mistakes: reading.kind === 'mistakes' ? mistakesText('f', reading.mistakes) : '',
  }
}
