import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isProblem } from '../core/problem.ts'
import { generateSigningKey, verificationKey } from './key-readers.ts'
import { createKeySet } from './key-set.ts'
import { maxRevocationListLength, signRevocationList, verifyRevocationList } from './revocation-list.ts'
import type { RevocationList } from './revocation-list.ts'
import { subjectDigest } from './revocations.ts'
import type { Revocation } from './revocations.ts'
import { createSigner } from './signer.ts'

const issuer = 'https://issuer.example'
const key = generateSigningKey('ES256')
const keySet = createKeySet([verificationKey(key)])
const nowSeconds = 1_800_000_000
const nowMs = nowSeconds * 1000
const list: RevocationList = {
  issuer,
  issuedAtSeconds: nowSeconds,
  expiresAtSeconds: nowSeconds + 300,
  sequence: 7,
  revocations: [
    { issuer, keyId: 'k1', untilSeconds: nowSeconds + 20 },
    { issuer, clientId: 'orders', issuedBeforeSeconds: nowSeconds - 1, untilSeconds: nowSeconds + 40 },
    { issuer, subject: 'ünïcode', issuedBeforeSeconds: nowSeconds, untilSeconds: nowSeconds + 30 },
    { issuer, tokenId: 't1', untilSeconds: nowSeconds + 10 },
  ],
}
const expected = { issuer, keySet, nowMs, refusedKeyIds: new Set<string>() }

/** Signs any claims as a list. */
function signed(claims: object, type = 'revocations+jwt'): string {
  const whole = {
    iss: issuer,
    iat: nowSeconds,
    exp: nowSeconds + 300,
    sequence: 7,
    tokens: [],
    keys: [],
    subjects: [],
    clients: [],
  }
  return createSigner({ key, type }).sign({ ...whole, ...claims })
}

async function refusal(text: string, changes: Partial<typeof expected> = {}): Promise<string> {
  try {
    await verifyRevocationList(text, { ...expected, ...changes })
  } catch (problem) {
    assert.ok(isProblem(problem) && problem.code === 'fetch-failed', String(problem))
    return problem.message.slice(`the list of revocations of ${issuer} is refused: `.length)
  }
  return 'taken'
}

test('what is signed is what is read', async () => {
  const published = list.revocations.map((one) => {
    if (!('subject' in one)) return one
    const { subject, ...rest } = one
    return { ...rest, subjectDigest: subjectDigest(issuer, subject) }
  })
  const read = await verifyRevocationList(signRevocationList(list, key), expected)
  assert.deepEqual(read, { ...list, revocations: published })
  assert.deepEqual(await verifyRevocationList(signRevocationList(read, key), expected), read)
})

test('what revokes the most comes first, whatever the order in which it was given', async () => {
  const reversed = { ...list, revocations: [...list.revocations].reverse() }
  const { revocations } = await verifyRevocationList(signRevocationList(reversed, key), expected)
  const kinds = revocations.map((one) => Object.keys(one).find((name) => name !== 'issuer'))
  assert.deepEqual(kinds, ['keyId', 'clientId', 'subjectDigest', 'tokenId'])
})

test('nobody can read from the list which people are on it', () => {
  const [, payload] = signRevocationList(list, key).split('.')
  assert.ok(!Buffer.from(payload!, 'base64url').toString().includes('ünïcode'))
})

test('a list of ten thousand goes through', async () => {
  const revocations: Revocation[] = Array.from({ length: 10_000 }, (_, index) => ({
    issuer,
    tokenId: `token-${index}`.padEnd(22, '-'),
    untilSeconds: nowSeconds,
  }))
  const text = signRevocationList({ ...list, revocations }, key)
  assert.ok(text.length < 700_000)
  const read = await verifyRevocationList(text, expected)
  assert.equal(read.revocations.length, 10_000)
})

test('any JWT library can read the list', async () => {
  const { jwtVerify, importJWK } = await import('jose')
  const { publicJwk } = await import('./key-readers.ts')
  const { payload, protectedHeader } = await jwtVerify(
    signRevocationList(list, key),
    await importJWK({ ...publicJwk(key) } as never),
    { issuer, typ: 'revocations+jwt', currentDate: new Date(nowMs) },
  )
  assert.deepEqual(payload['tokens'], [['t1', nowSeconds + 10]])
  assert.equal(protectedHeader.kid, key.keyId)
})

test('a list of another signer, form or kind is refused', async () => {
  const stranger = generateSigningKey('ES256', { keyId: key.keyId })
  const good = signRevocationList(list, key)
  assert.equal(await refusal(signRevocationList(list, stranger)), 'its signature does not fit')
  assert.equal(
    await refusal(signRevocationList(list, generateSigningKey('ES256'))),
    'it is signed by no key of the issuer',
  )
  assert.equal(
    await refusal(signRevocationList(list, generateSigningKey('ES384', { keyId: key.keyId }))),
    'it is signed by no key of the issuer',
  )
  assert.equal(await refusal(`${good.slice(0, -4)}AAAA`), 'its signature does not fit')
  assert.equal(await refusal(signed({}, 'at+jwt')), 'typ is another kind of token')
  assert.equal(await refusal(''), 'it is not a compact JWS')
  assert.equal(await refusal(good.split('.').slice(0, 2).join('.')), 'it is not a compact JWS')
  assert.equal(await refusal('x'.repeat(maxRevocationListLength + 1)), 'it is too long')
  const none = Buffer.from('{"alg":"none","typ":"revocations+jwt"}').toString('base64url')
  assert.match(await refusal(`${none}.${good.split('.')[1]}.`), /alg/)
})

test('a list signed by a key that is revoked is refused', async () => {
  const refusedKeyIds = new Set([key.keyId])
  assert.equal(
    await refusal(signRevocationList(list, key), { refusedKeyIds }),
    'the key that signed it is revoked',
  )
})

test('a list about another issuer, or of another time, is refused', async () => {
  assert.equal(await refusal(signed({ iss: 'https://login.example' })), 'it is another issuer’s')
  assert.equal(await refusal(signed({ exp: nowSeconds - 60 })), 'it is an old one: its exp has passed')
  assert.equal(await refusal(signed({ exp: nowSeconds - 59 })), 'taken')
  assert.equal(await refusal(signed({ iat: nowSeconds + 61 })), 'its iat lies ahead')
  assert.equal(await refusal(signed({ exp: undefined })), 'its dates are none')
})

test('one odd member or entry refuses the whole list', async () => {
  for (const sequence of [undefined, -1, 1.5, '7', 2 ** 60]) {
    assert.equal(await refusal(signed({ sequence })), 'it has no sequence')
  }
  for (const kind of ['tokens', 'keys', 'subjects', 'clients']) {
    for (const entries of [undefined, null, {}, 'x']) {
      assert.equal(await refusal(signed({ [kind]: entries })), `${kind} is no list`)
    }
    for (const entry of [
      null,
      't1',
      ['t1'],
      [7, 8],
      ['t1', '8'],
      ['t1', -1],
      ['t1', 1, 2, 3],
      [['t1'], 1, 2],
    ]) {
      assert.equal(await refusal(signed({ [kind]: [entry] })), `${kind} has an entry that is none`)
    }
  }
})
