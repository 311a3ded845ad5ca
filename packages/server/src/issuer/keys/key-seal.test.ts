import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { inspect } from 'node:util'
import { test } from 'node:test'
import { isProblem, Secret } from '@countersign/sdk/core'
import { createKeySeal, dangerouslyUnsealed } from './key-seal.ts'

const label = { keyId: 'key-1', algorithm: 'ES256' }
const privateKey = Secret.fromText('{"kty":"EC","d":"the private part"}')

test('opens what it sealed', () => {
  const seal = createKeySeal(new Secret(randomBytes(32)))
  assert.equal(seal.open(seal.seal(privateKey, label), label).revealText(), privateKey.revealText())
})

test('a second seal from the same secret opens it too', () => {
  const secret = new Secret(randomBytes(48))
  const sealed = createKeySeal(secret).seal(privateKey, label)
  assert.equal(createKeySeal(secret).open(sealed, label).revealText(), privateKey.revealText())
})

test('the sealed text shows its version, nothing of the key, and differs every time', () => {
  const seal = createKeySeal(new Secret(randomBytes(32)))
  const sealed = [seal.seal(privateKey, label), seal.seal(privateKey, label)]
  assert.notEqual(sealed[0], sealed[1])
  for (const text of sealed) {
    assert.ok(text.startsWith('sealed-1.'))
    assert.ok(!Buffer.from(text.slice(9), 'base64url').includes('private'))
  }
})

test('text sealed by the first version opens forever', () => {
  const seal = createKeySeal(Secret.fromText('a fixed secret of thirty-two byte'))
  assert.equal(seal.open(sealedByVersionOne, label).revealText(), privateKey.revealText())
})

test('another secret does not open it, and the refusal names the key but no secret', () => {
  const sealed = createKeySeal(new Secret(randomBytes(32))).seal(privateKey, label)
  assert.throws(
    () => createKeySeal(new Secret(randomBytes(32))).open(sealed, label),
    (error) => {
      assert.ok(isProblem(error))
      assert.equal(error.code, 'seal-broken')
      assert.match(error.message, /key-1/)
      assert.match(error.next ?? '', /nothing has been changed/)
      assert.doesNotMatch(inspect(error), /private part/)
      return true
    },
  )
})

test('a sealed key moved to another record or algorithm does not open', () => {
  const seal = createKeySeal(new Secret(randomBytes(32)))
  const sealed = seal.seal(privateKey, label)
  for (const other of [
    { ...label, keyId: 'key-2' },
    { ...label, algorithm: 'ES384' },
    { keyId: 'key-1","ES256', algorithm: '' },
  ]) {
    assert.throws(() => seal.open(sealed, other), { code: 'seal-broken' })
  }
})

test('not one changed bit goes unnoticed', () => {
  const seal = createKeySeal(new Secret(randomBytes(32)))
  const bytes = Buffer.from(seal.seal(privateKey, label).slice(9), 'base64url')
  for (let index = 0; index < bytes.length; index++) {
    const changed = Buffer.from(bytes)
    changed[index]! ^= 1 << (index % 8)
    assert.throws(() => seal.open(`sealed-1.${changed.toString('base64url')}`, label), {
      code: 'seal-broken',
    })
  }
})

test('text that is cut short, empty or of an unknown version does not open', () => {
  const seal = createKeySeal(new Secret(randomBytes(32)))
  const sealed = seal.seal(privateKey, label)
  const wrong = [
    '',
    'sealed-1.',
    sealed.slice(0, 40),
    sealed.slice(0, 68),
    sealed.slice(0, -1),
    `sealed-2.${sealed.slice(9)}`,
  ]
  for (const text of wrong) assert.throws(() => seal.open(text, label), { code: 'seal-broken' }, text)
})

test('a secret under 32 bytes is refused with both numbers', () => {
  assert.throws(
    () => createKeySeal(new Secret(randomBytes(31))),
    (error) => isProblem(error) && error.code === 'seal-weak' && /31 bytes.*32/.test(error.message),
  )
})

test('without a seal the key comes back as it was', () => {
  const plain = dangerouslyUnsealed.seal(privateKey, label)
  assert.equal(dangerouslyUnsealed.open(plain, label).revealText(), privateKey.revealText())
})

test('a sealed store is not read without its secret, and a planted plain key not with one', () => {
  const seal = createKeySeal(new Secret(randomBytes(32)))
  assert.throws(() => dangerouslyUnsealed.open(seal.seal(privateKey, label), label), { code: 'seal-missing' })
  assert.throws(() => seal.open(dangerouslyUnsealed.seal(privateKey, label), label), { code: 'seal-broken' })
})

const sealedByVersionOne =
  'sealed-1.w6AIDHWXStuvZG24J1qjj8vQkpLR_OKHVF_h_JKV42YuvzYUAuFxLRHch2vQMKNFnQa_lXgjZmZ10jcaAkOac4pTXMX4saHd3L3_DZN8fQ'
