import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createSigner, generateSigningKey, privateJwk } from '@countersign/sdk/jwt'
import { looksSecret } from './looks-secret.ts'

test('tokens, private keys and URLs with passwords', () => {
  const key = generateSigningKey('ES256')
  const token = createSigner({ key }).sign({ iss: 'i', aud: 'a', exp: 4_000_000_000 })
  for (const text of [
    token,
    `Bearer ${token}`,
    `failed: ${token.slice(0, 60)}`,
    `?token=heyJude%20${token.slice(0, 16)}`,
    `the rest: ${token.slice(token.indexOf('.'))}`,
    'eyJhbGciOiJub25lIn0..',
    ...[
      '{ "alg":"RS256"}',
      '{\n  "alg": "RS256"\n}',
      '{\r\n"typ":"JWT"}',
      '{"kid":"büro-1","alg":"RS256"}',
      '{"alg"\t:1}',
    ].map((header) => `${Buffer.from(header).toString('base64url')}.x.y`),
    `heyJ-${Buffer.from('{"sub":"Jörg"}').toString('base64')}`,
    'eyJ'.repeat(10_000),
    '-----BEGIN PRIVATE KEY-----\nMC4',
    '-----BEGIN RSA PRIVATE KEY-----',
    'connect to postgres://user:pass@host/db failed',
  ]) {
    assert.ok(looksSecret(text), text)
  }
  // A JWK has no such mark; it is kept out by its type, which prints as [secret].
  assert.equal(String(privateJwk(key)), '[secret]')
})

test('what logs are made of', () => {
  for (const text of [
    '',
    'eyJ',
    'a key',
    'https://a.example/x@y:z',
    'postgres://user@host/db',
    'GET /keys/heyJude',
    'GET /keys/heyJude-and-his-many-friends',
    'M8eyJ0fQk1vXo2aYt7bq-3nZcWdRuLgSjPhIlEeVwBx',
    'orders',
  ]) {
    assert.ok(!looksSecret(text), text)
  }
})
