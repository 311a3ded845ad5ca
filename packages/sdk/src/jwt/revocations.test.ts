import assert from 'node:assert/strict'
import { test } from 'node:test'
import { generateSigningKey, readSecretKey, verificationKey } from './key-readers.ts'
import { createRevocations, subjectDigest } from './revocations.ts'
import type { Revocation } from './revocations.ts'
import { Secret } from '../core/secret.ts'
import { VerifiedToken } from './verified-token.ts'

const issuer = 'https://issuer.example'
const key = verificationKey(generateSigningKey('Ed25519', { keyId: 'key-1' }))
const until = { issuer, untilSeconds: 5000 }
const token = tokenOf({ sub: 'user-7', client_id: 'orders', jti: 'token-1', iat: 1000 })

for (const [what, revocation, revoked] of [
  ['the token', { tokenId: 'token-1' }, true],
  ['another token', { tokenId: 'token-2' }, false],
  ['the key', { keyId: 'key-1' }, true],
  ['another key', { keyId: 'key-2' }, false],
  ['the subject, from later on', { subject: 'user-7', issuedBeforeSeconds: 1001 }, true],
  ['the subject, half a second later', { subject: 'user-7', issuedBeforeSeconds: 1000.5 }, true],
  ['the subject, from the moment of issue on', { subject: 'user-7', issuedBeforeSeconds: 1000 }, false],
  ['the subject, from earlier on', { subject: 'user-7', issuedBeforeSeconds: 999 }, false],
  ['another subject', { subject: 'user-8', issuedBeforeSeconds: 2000 }, false],
  ['the client', { clientId: 'orders', issuedBeforeSeconds: 2000 }, true],
  ['the client, from earlier on', { clientId: 'orders', issuedBeforeSeconds: 999 }, false],
  ['a client named like the subject', { clientId: 'user-7', issuedBeforeSeconds: 2000 }, false],
  ['a token named like the key', { tokenId: 'key-1' }, false],
] as const) {
  test(`${what} is revoked: the token is ${revoked ? 'refused' : 'good'}`, () => {
    const revocations = createRevocations()
    revocations.revoke({ ...until, ...revocation })
    assert.equal(revocations.refuses(token)?.reason, revoked ? 'token-revoked' : undefined)
  })
}

test('a revocation is of one issuer alone', () => {
  const revocations = createRevocations()
  for (const other of ['https://other.example', `${issuer}/`, '']) {
    revocations.revoke({ issuer: other, untilSeconds: 5000, tokenId: 'token-1' })
    revocations.revoke({ issuer: other, untilSeconds: 5000, keyId: 'key-1' })
  }
  assert.equal(revocations.refuses(token), undefined)
})

test('issuer and name cannot be shifted into each other', () => {
  const revocations = createRevocations()
  revocations.revoke({ issuer: `${issuer}:token`, untilSeconds: 5000, tokenId: '-1' })
  revocations.revoke({ issuer: 'https', untilSeconds: 5000, tokenId: '//issuer.example:token-1' })
  assert.equal(revocations.refuses(token), undefined)
})

test('a token that does not say when it was issued may be an old one', () => {
  const revocations = createRevocations()
  revocations.revoke({ ...until, subject: 'user-7', issuedBeforeSeconds: 1 })
  assert.equal(revocations.refuses(tokenOf({ sub: 'user-7' }))?.reason, 'token-revoked')
})

test('a client is also found in azp', () => {
  const revocations = createRevocations()
  revocations.revoke({ ...until, clientId: 'web', issuedBeforeSeconds: 2000 })
  assert.equal(revocations.refuses(tokenOf({ azp: 'web', iat: 1 }))?.reason, 'token-revoked')
})

test('a key without a name is revoked by the kid its tokens carry', () => {
  const nameless = readSecretKey(Secret.fromText('x'.repeat(32)), { algorithm: 'HS256' })
  const header = { algorithm: 'HS256', keyId: 'theirs', type: undefined, members: {} } as const
  const revocations = createRevocations()
  revocations.revoke({ ...until, keyId: 'theirs' })
  assert.equal(
    revocations.refuses(new VerifiedToken(header, { iss: issuer }, nameless))?.reason,
    'token-revoked',
  )
})

test('every change shows in the generation', () => {
  const revocations = createRevocations()
  const generations = new Set([revocations.generation])
  for (const tokenId of ['a', 'b', 'a']) {
    revocations.revoke({ ...until, tokenId })
    generations.add(revocations.generation)
  }
  // The third says nothing new, so no cached token has to be looked at again.
  assert.equal(generations.size, 3)
  assert.equal(revocations.size, 2)
})

test('a second revocation of the same thing never takes back the first', () => {
  const revocations = createRevocations({ limit: 1 })
  revocations.revoke({ ...until, subject: 'user-7', issuedBeforeSeconds: 2000 })
  revocations.revoke({ issuer, untilSeconds: 10, subject: 'user-7', issuedBeforeSeconds: 500 })
  assert.equal(revocations.refuses(token)?.reason, 'token-revoked')
  // Nor its time: nothing can be forgotten before 5000 s.
  assert.throws(() => revocations.revoke({ ...until, tokenId: 'b' }, 4_999_999), { code: 'revocations-full' })
  revocations.revoke({ ...until, tokenId: 'b' }, 5_000_000)
})

test('a full list forgets what has passed, and says so when nothing has', () => {
  const revocations = createRevocations({ limit: 2 })
  revocations.revoke({ issuer, untilSeconds: 100, tokenId: 'a' }, 0)
  revocations.revoke({ issuer, untilSeconds: 200, tokenId: 'token-1' }, 0)
  assert.throws(() => revocations.revoke({ issuer, untilSeconds: 300, tokenId: 'c' }, 99_999), {
    code: 'revocations-full',
    message: '2 revocations are in force',
  })
  // One that is known already needs no room.
  revocations.revoke({ issuer, untilSeconds: 100, tokenId: 'a' }, 99_999)
  revocations.revoke({ issuer, untilSeconds: 300, tokenId: 'c' }, 100_000)
  assert.equal(revocations.size, 2)
  assert.equal(revocations.refuses(token)?.reason, 'token-revoked')
})

test('where there is no room for another token there is some for its key or its client', () => {
  for (const wide of [{ keyId: 'key-1' }, { clientId: 'orders', issuedBeforeSeconds: 2000 }]) {
    const revocations = createRevocations({ limit: 1 })
    revocations.revoke({ ...until, tokenId: 'a' })
    assert.throws(() => revocations.revoke({ ...until, tokenId: 'b' }, 0), { code: 'revocations-full' })
    assert.equal(revocations.refuses(token), undefined)
    revocations.revoke({ ...until, ...wide } as Revocation, 0)
    assert.equal(revocations.refuses(token)?.reason, 'token-revoked', JSON.stringify(wide))
  }
  const revocations = createRevocations({ limit: 1 })
  for (let n = 0; n <= 1000; n++) revocations.revoke({ ...until, keyId: String(n) }, 0)
  assert.throws(() => revocations.revoke({ ...until, keyId: 'x' }, 0), { code: 'revocations-full' })
})

test('what is revoked for ever is never forgotten', () => {
  const revocations = createRevocations({ limit: 1 })
  revocations.revoke({ issuer, untilSeconds: Number.POSITIVE_INFINITY, tokenId: 'token-1' })
  assert.throws(() => revocations.revoke({ ...until, tokenId: 'b' }, 1e15), { code: 'revocations-full' })
  assert.equal(revocations.refuses(token)?.reason, 'token-revoked')
})

for (const [what, revocation] of [
  ['nothing', {}],
  ['an undefined token', { tokenId: undefined }],
  ['two things', { tokenId: 'a', keyId: 'b' }],
  ['a number', { tokenId: 7 }],
  ['a subject of no date', { subject: 'a' }],
  ['a subject of NaN', { subject: 'a', issuedBeforeSeconds: Number.NaN }],
  ['a subject of milliseconds', { subject: 'a', issuedBeforeSeconds: 1_800_000_000_000 }],
  ['a subject of a text', { subject: 'a', issuedBeforeSeconds: '1000' }],
  ['an issuer that is none', { tokenId: 'a', issuer: undefined }],
  ['no end', { tokenId: 'a', untilSeconds: undefined }],
  ['an end of NaN', { tokenId: 'a', untilSeconds: Number.NaN }],
  ['an end in milliseconds', { tokenId: 'a', untilSeconds: 1_800_000_000_000 }],
] as const) {
  test(`revoking ${what} is refused, since it would refuse nothing`, () => {
    const revocations = createRevocations()
    assert.throws(() => revocations.revoke({ ...until, ...revocation } as unknown as Revocation), {
      code: 'option-invalid',
    })
    assert.equal(revocations.size, 0)
  })
}

test('a date that a revocation does not look at is refused', () => {
  const revocation = { ...until, tokenId: 'a', issuedBeforeSeconds: 1000 }
  assert.throws(() => createRevocations().revoke(revocation), { code: 'option-unknown' })
})

for (const limit of [0, -1, 1.5, Number.NaN, Number.POSITIVE_INFINITY]) {
  test(`a limit of ${limit} is refused`, () => {
    assert.throws(() => createRevocations({ limit }), { code: 'option-invalid' })
  })
}

test('an unknown option is refused', () => {
  const options: object = { limits: 5 }
  assert.throws(() => createRevocations(options), { code: 'option-unknown', next: 'did you mean "limit"?' })
})

function tokenOf(claims: Record<string, unknown>): VerifiedToken {
  const header = { algorithm: 'Ed25519', keyId: 'key-1', type: 'at+jwt', members: {} } as const
  return new VerifiedToken(header, { iss: issuer, ...claims }, key)
}

test('a token falls with any one it descends from', () => {
  const lineage = [
    { iss: issuer, jti: 'parent' },
    { iss: 'https://login.example', jti: 'first' },
  ]
  const child = tokenOf({ jti: 'child', lineage })
  for (const [owner, tokenId] of [
    [issuer, 'parent'],
    ['https://login.example', 'first'],
  ] as const) {
    const revocations = createRevocations()
    revocations.revoke({ issuer: owner, tokenId, untilSeconds: 5000 })
    assert.equal(revocations.refuses(child)?.reason, 'token-revoked')
  }
  const others = createRevocations()
  others.revoke({ issuer: 'https://login.example', tokenId: 'parent', untilSeconds: 5000 })
  others.revoke({ issuer, tokenId: 'first', untilSeconds: 5000 })
  others.revoke({ issuer, subject: 'parent', issuedBeforeSeconds: 9e9, untilSeconds: 5000 })
  assert.equal(others.refuses(child), undefined)
})

test('a lineage of another form is somebody else’s claim', () => {
  const revocations = createRevocations()
  revocations.revoke({ ...until, tokenId: 'parent' })
  for (const lineage of [
    'parent',
    { iss: issuer, jti: 'parent' },
    [null, 'parent', { jti: 'parent' }],
    7,
    null,
  ]) {
    assert.equal(revocations.refuses(tokenOf({ lineage })), undefined)
  }
})

test('a revoked client takes what it has a part in with it', () => {
  const revocations = createRevocations()
  revocations.revoke({ ...until, clientId: 'front', issuedBeforeSeconds: 2000 })
  const chain = (act: unknown, iat = 1000): VerifiedToken => tokenOf({ client_id: 'billing', iat, act })
  const front = { sub: 'front', iss: issuer }
  for (const act of [front, { sub: 'front' }, { sub: 'billing', iss: issuer, act: front }]) {
    assert.equal(revocations.refuses(chain(act))?.reason, 'token-revoked')
    assert.equal(revocations.refuses(chain(act, 2000)), undefined, 'issued later')
  }
  for (const act of [
    'front',
    null,
    7,
    [front],
    { sub: 'front', iss: 'https://login.example' },
    { client: 'front' },
  ]) {
    assert.equal(revocations.refuses(chain(act)), undefined)
  }
})

test('a revoked client takes the transaction tokens with it that it has asked for', () => {
  const revocations = createRevocations()
  revocations.revoke({ ...until, clientId: 'front', issuedBeforeSeconds: 2000 })
  const transaction = (req_wl: unknown, iat: number): VerifiedToken => tokenOf({ txn: 't1', iat, req_wl })
  assert.equal(revocations.refuses(transaction('front', 1999))?.reason, 'token-revoked')
  assert.equal(revocations.refuses(transaction('front', 2000)), undefined)
  for (const other of ['billing', ['front'], null, 7])
    assert.equal(revocations.refuses(transaction(other, 1000)), undefined)
})

test('a subject may be named by its digest, which is that of its issuer', () => {
  for (const [owner, subject, issuedBeforeSeconds, revoked] of [
    [issuer, 'user-7', 2000, true],
    [issuer, 'user-7', 1000, false],
    [issuer, 'user-8', 2000, false],
    ['https://login.example', 'user-7', 2000, false],
  ] as const) {
    const revocations = createRevocations()
    revocations.revoke({ ...until, subjectDigest: subjectDigest(owner, subject), issuedBeforeSeconds })
    assert.equal(revocations.refuses(token) !== undefined, revoked)
  }
  // As any language computes it.
  assert.equal(
    subjectDigest('https://issuer.example', 'alice'),
    'bRfZZWglVnIeX_JY_5t2MPsORXil5n3odHsRoBf8vKk',
  )
})
