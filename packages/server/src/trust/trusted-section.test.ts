import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { mistakesText } from './mistake.ts'
import { readTrust } from './read.ts'

const env = { LONG: 'x'.repeat(64), SHORT: 'unicorns', MIDDLE: 'x'.repeat(47) }

describe('where its keys are', () => {
  test('found by discovery', () => {
    const { trusted } = read('issuer: https://idp.example, algorithms: [RS256, ES256, RS256]')
    assert.deepEqual(trusted?.keys, { kind: 'discovery' })
    assert.deepEqual(
      [trusted?.algorithms, trusted?.type, trusted?.roles],
      [['RS256', 'ES256'], 'at+jwt', undefined],
    )
  })

  test('at a URL: then the issuer need not be one', () => {
    const { trusted } = read(
      'issuer: idp, algorithms: RS256, jwks: https://idp.example/jwks, type: JWT, roles: /realm/roles',
    )
    assert.deepEqual(trusted?.keys, { kind: 'jwks', url: 'https://idp.example/jwks' })
    assert.deepEqual([trusted?.type, trusted?.roles], ['JWT', '/realm/roles'])
  })

  test('a shared secret: HS256 and JWT, as libraries write by default', () => {
    const { trusted } = read('issuer: jwtgo.io, secret: { env: LONG }')
    assert.deepEqual([trusted?.keys.kind, trusted?.algorithms, trusted?.type], ['secret', ['HS256'], 'JWT'])
  })
})

describe('mistakes', () => {
  const wrong: [members: string, mistakes: string][] = [
    [
      'issuer: https://idp.example',
      'f:1:12: trusted.idp.algorithms: missing\n    next: write what its tokens are signed with, such as `algorithms: [RS256]`',
    ],
    [
      'issuer: https://idp.example, algorithms: HS256',
      'f:1:73: trusted.idp.algorithms: HS256 needs a secret\n    next: write what its public keys are for, such as RS256',
    ],
    [
      'issuer: x, secret: { env: LONG }, algorithms: [RS256]',
      'f:1:79: trusted.idp.algorithms[0]: RS256 is not verified with a secret\n    next: write HS256, or jwks',
    ],
    [
      'issuer: https://idp.example, algorithms: [none]',
      'f:1:74: trusted.idp.algorithms[0]: expected ES256, ES384, ES512, EdDSA, Ed25519, Ed448, RS256, RS384, RS512, PS256, PS384, PS512, ML-DSA-44, ML-DSA-65, ML-DSA-87, HS256, HS384 or HS512, got "none"',
    ],
    [
      'issuer: jwtgo.io, secret: { env: SHORT }',
      'f:1:58: trusted.idp.secret: the secret has 8 bytes; HMAC needs at least 32 (RFC 7518 §3.2)\n    next: agree on a longer one, such as from `openssl rand -base64 32`',
    ],
    [
      'issuer: x, algorithms: HS384, secret: { env: MIDDLE }',
      'f:1:70: trusted.idp.secret: the secret has 47 bytes; HMAC needs at least 48 (RFC 7518 §3.2)\n    next: agree on a longer one, such as from `openssl rand -base64 48`',
    ],
    [
      'issuer: jwtgo.io, algorithms: RS256',
      'f:1:40: trusted.idp.issuer: its keys cannot be discovered: expected http:// or https://, got "jwtgo.io"\n    next: write an https URL, or give the key set’s own URL: `jwks: https://…`',
    ],
    [
      'issuer: x, secret: { env: LONG }, jwks: https://idp.example/jwks',
      'f:1:51: trusted.idp.secret: secret and jwks exclude each other\n    next: prefer jwks: then nothing is shared',
    ],
    [
      'issuer: x, algorithms: RS256, jwks: http://idp.example/jwks',
      'f:1:68: trusted.idp.jwks: expected https:// (http is for this machine only), got "http://idp.example/jwks"\n    next: write https://idp.example/jwks',
    ],
  ]
  for (const [members, mistakes] of wrong) test(members, () => assert.equal(read(members).mistakes, mistakes))

  test('the name "own" is ours', () => {
    const text = 'trusted: { own: { issuer: https://idp.example, audience: a, algorithms: RS256 } }'
    const reading = readTrust(text, { file: 'f', env, readFile: () => '' })
    assert.match(JSON.stringify(reading), /the name \\"own\\" is taken/)
  })
})

function read(members: string) {
  const text = `trusted: { idp: { audience: a, ${members} } }`
  const reading = readTrust(text, { file: 'f', env, readFile: () => '' })
  return {
    trusted: reading.kind === 'trust' ? reading.trust.trusted.get('idp') : undefined,
    mistakes: reading.kind === 'mistakes' ? mistakesText('f', reading.mistakes) : '',
  }
}
