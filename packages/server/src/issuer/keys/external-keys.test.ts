import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Problem } from '@countersign/sdk/core'
import { generateSigningKey, privateJwk, publicJwk } from '@countersign/sdk/jwt'
import type { SigningKey } from '@countersign/sdk/jwt'
import { createExternalKeys, isExternal, prove, signText } from './external-keys.ts'
import type { ExternalKeys } from './external-keys.ts'

const [a, b] = [generateSigningKey('ES256', { keyId: 'a' }), generateSigningKey('ES256', { keyId: 'b' })]

test('the first key on offer that is not taken proves itself and signs', async () => {
  const { external, outcomes } = over([generateSigningKey('EdDSA', { keyId: 'e' }), a, b])
  const key = await external.offer('ES256', new Set(['a']))
  assert.equal(key?.keyId, 'b')
  assert.deepEqual(outcomes, ['signed'])
  const signature = await key.sign(Buffer.from('abc'))
  assert.ok(key.verification.verifies(Buffer.from('abc'), Buffer.from(signature).toString('base64url')))
  assert.equal(await external.offer('ES256', new Set(['a', 'b'])), undefined)
})

test('of a key only the public members are published, whatever the program says of it', async () => {
  const { external } = over([a], { jwks: [{ ...publicJwk(a), x5c: ['x'], note: 'arn:aws:kms:1' }] })
  const key = await external.offer('ES256', new Set())
  assert.deepEqual(key?.jwk, publicJwk(a))
})

for (const [what, jwks] of [
  ['no list', { 0: publicJwk(a) }],
  ['a private key', [JSON.parse(privateJwk(a).revealText())]],
  ['a key without a name', [{ ...publicJwk(a), kid: undefined }]],
  ['a secret', [{ kty: 'oct', k: Buffer.alloc(32, 7).toString('base64url'), alg: 'HS256', kid: 's' }]],
  ['no key', [null]],
] as const) {
  test(`an offer that makes no sense is refused: ${what}`, async () => {
    const { external } = over([a], { jwks })
    await assert.rejects(external.offer('ES256', new Set()), (error) => {
      assert.ok(error instanceof Problem && error.code === 'signer-wrong')
      assert.doesNotMatch(error.message, /"d"\s*:/)
      return true
    })
  })
}

for (const [what, forge] of [
  ['another key’s signature', (input: Buffer) => b.signs(input)],
  ['a signature of something else', () => a.signs(Buffer.from('something else'))],
  ['half a signature', (input: Buffer) => a.signs(input).slice(0, 40)],
  ['a longer one', (input: Buffer) => `${a.signs(input)}AAAA`],
  ['an empty one', () => ''],
  ['none', () => undefined],
  ['a number', () => 7],
  ['other base64', (input: Buffer) => Buffer.from(a.signs(input), 'base64url').toString('base64')],
] as const) {
  test(`never leaves here: ${what}`, async () => {
    const { external, outcomes } = over([a], { forge })
    const key = external.read(publicJwk(a), 'key')
    await assert.rejects(key.sign(Buffer.from('abc')), { code: 'signer-wrong', retryAfterSeconds: 5 })
    await assert.rejects(prove(key), { code: 'signer-wrong' })
    await assert.rejects(external.offer('ES256', new Set()), { code: 'signer-wrong' })
    assert.deepEqual(outcomes, ['wrong', 'wrong', 'wrong'])
  })
}

test('a program that is away is one, and not asked for readiness in vain', async () => {
  const { external, outcomes, state } = over([a])
  const key = external.read(publicJwk(a), 'key')
  external.refuseDown()
  state.isDown = true
  assert.throws(() => external.refuseDown(), { code: 'signer-unavailable', retryAfterSeconds: 2 })
  await assert.rejects(key.sign(Buffer.from('abc')), { code: 'signer-unavailable' })
  assert.deepEqual(outcomes, ['unavailable'])
})

test('a text is signed at once by a key that is here, and later by one that is not', async () => {
  const { external } = over([a])
  const key = external.read(publicJwk(a), 'key')
  assert.deepEqual([isExternal(a), isExternal(key)], [false, true])
  const [now, later] = [signText(b, 'abc'), signText(key, 'abc')]
  assert.equal(typeof now, 'string')
  assert.ok(key.verification.verifies('abc', await later))
})

type Wrong = { readonly jwks?: unknown; readonly forge?: (input: Buffer) => unknown }

/** The program's side, with real keys, in this process. */
function over(keys: readonly SigningKey[], { jwks, forge }: Wrong = {}) {
  const state = { isDown: false }
  const outcomes: string[] = []
  const external: ExternalKeys = createExternalKeys({
    async ask({ method, keyId, input = '' }) {
      if (state.isDown) throw new Problem('signer-unavailable', 'gone', { retryAfterSeconds: 2 })
      if (method === 'keys') return { keys: jwks ?? keys.map(publicJwk) }
      const bytes = Buffer.from(input, 'base64url')
      return {
        signature: forge === undefined ? keys.find((key) => key.keyId === keyId)!.signs(bytes) : forge(bytes),
      }
    },
    isRunning: () => !state.isDown,
    close: async () => {},
  })
  external.observe((outcome, seconds) => {
    assert.ok(seconds >= 0)
    outcomes.push(outcome)
  })
  return { external, outcomes, state }
}
