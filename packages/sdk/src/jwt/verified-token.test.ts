import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readHeader } from './compact.ts'
import type { ProtectedHeader } from './compact.ts'
import { generateSigningKey, readJwk, publicJwk, verificationKey } from './key-readers.ts'
import { VerifiedToken } from './verified-token.ts'

const key = verificationKey(generateSigningKey('ES256', { keyId: 'key-1' }))
const header = readHeader(
  Buffer.from('{"alg":"ES256","kid":"key-1","x":{"y":1}}').toString('base64url'),
) as ProtectedHeader

const claims = {
  iss: 'https://issuer.example',
  sub: 'user-7',
  aud: ['billing', 'web'],
  client_id: 'orders',
  azp: 'web',
  jti: 'token-1',
  iat: 1000,
  exp: 1300,
  scope: 'read  write ',
  act: { sub: 'orders' },
}

test('a token says what is in it', () => {
  const token = new VerifiedToken(header, claims, key)
  assert.equal(token.issuer, 'https://issuer.example')
  assert.equal(token.subject, 'user-7')
  assert.deepEqual(token.audience, ['billing', 'web'])
  assert.equal(token.clientId, 'orders')
  assert.equal(token.tokenId, 'token-1')
  assert.equal(token.issuedAtSeconds, 1000)
  assert.equal(token.expiresAtSeconds, 1300)
  assert.deepEqual(token.scopes, ['read', 'write'])
  assert.equal(token.keyId, 'key-1')
  assert.deepEqual(token.claims, claims)
  assert.equal(token.header['alg'], 'ES256')
})

test('what is not in it is undefined, empty, or endless', () => {
  const token = new VerifiedToken(header, { iss: 'i' }, key)
  assert.equal(token.subject, undefined)
  assert.deepEqual(token.audience, [])
  assert.equal(token.clientId, undefined)
  assert.equal(token.tokenId, undefined)
  assert.equal(token.issuedAtSeconds, undefined)
  assert.equal(token.expiresAtSeconds, Number.POSITIVE_INFINITY)
  assert.deepEqual(token.scopes, [])
})

for (const [scopes, expected] of [
  [{ scope: 'a b' }, ['a', 'b']],
  [{ scope: ' a  b ' }, ['a', 'b']],
  [{ scope: '' }, []],
  [{ scope: ['a', 'b c'] }, ['a', 'b c']],
  [{ scp: 'a b' }, ['a', 'b']],
  [{ scp: ['a'] }, ['a']],
  [{ scope: 'a', scp: ['admin'] }, ['a']],
  [{ scope: '', scp: ['admin'] }, []],
  [{ scope: 'a\tb' }, ['a\tb']],
] as const) {
  test(`the scopes of ${JSON.stringify(scopes)} are ${JSON.stringify(expected)}`, () => {
    assert.deepEqual(new VerifiedToken(header, { iss: 'i', ...scopes }, key).scopes, expected)
  })
}

test('the audience is a list, also of one', () => {
  assert.deepEqual(new VerifiedToken(header, { iss: 'i', aud: 'billing' }, key).audience, ['billing'])
})

test('the client is also known as azp', () => {
  assert.equal(new VerifiedToken(header, { iss: 'i', azp: 'web' }, key).clientId, 'web')
})

test('the key that verified it names it, else the token does', () => {
  const nameless = readJwk({ ...publicJwk(generateSigningKey('ES256')), kid: undefined })
  assert.equal(new VerifiedToken(header, { iss: 'i' }, nameless).keyId, 'key-1')
  assert.equal(new VerifiedToken({ ...header, keyId: 'other' }, { iss: 'i' }, key).keyId, 'key-1')
  assert.equal(VerifiedToken.key(new VerifiedToken(header, { iss: 'i' }, key)), key)
})

test('one token serves many requests, so nothing of it can be changed', () => {
  const token = new VerifiedToken(header, structuredClone(claims), key)
  const frozen = token as unknown as { subject: string; claims: typeof claims; header: { x: { y: number } } }
  for (const change of [
    () => (frozen.subject = 'admin'),
    () => (frozen.claims.sub = 'admin'),
    () => (frozen.claims.act.sub = 'admin'),
    () => frozen.claims.aud.push('admin'),
    () => ((token.audience as string[])[0] = 'admin'),
    () => (token.scopes as string[]).push('admin'),
    () => (frozen.header.x.y = 2),
    () => Object.assign(frozen, { roles: ['admin'] }),
  ]) {
    assert.throws(change, TypeError)
  }
  assert.equal(token.claims, token.claims)
  assert.equal(token.scopes, token.scopes)
})

test('a copy of it is no token', () => {
  const token = new VerifiedToken(header, claims, key)
  assert.deepEqual({ ...token }, {})
  const forged = Object.create(VerifiedToken.prototype) as VerifiedToken
  assert.throws(() => forged.subject, TypeError)
  assert.throws(() => VerifiedToken.key(forged), TypeError)
})
