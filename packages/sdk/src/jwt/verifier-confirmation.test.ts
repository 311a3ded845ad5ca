import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { generateSigningKey, verificationKey } from './key-readers.ts'
import { createKeySet } from './key-set.ts'
import { createSigner } from './signer.ts'
import { createVerifier } from './verifier.ts'
import type { Verification, Verifier } from './verifier.ts'
import type { SharedVerifierOptions } from './verifier-options.ts'

const nowMs = 1_800_000_000_000
const issuer = 'https://issuer.example'
const key = generateSigningKey('ES256')
const signer = createSigner({ key })
const jkt = 'A'.repeat(43)
const x5t = 'B'.repeat(43)

test('a token that is bound to a key is refused unless the caller says that it checks', () => {
  const token = tokenWith({ jkt })
  assert.equal(reasonOf(make({}), token), 'proof-required')
  assert.equal(reasonOf(make({ confirmation: 'refused' }), token), 'proof-required')
  const verifier = make({ confirmation: 'checked-by-caller' })
  assert.equal(verifier.confirmation, 'checked-by-caller')
  assert.equal(make({}).confirmation, 'refused')
  assert.equal(reasonOf(verifier, token), 'verified')
})

for (const [what, cnf, expected] of [
  ['a key', { jkt }, { keyThumbprint: jkt, certificateThumbprint: undefined }],
  ['a certificate', { 'x5t#S256': x5t }, { keyThumbprint: undefined, certificateThumbprint: x5t }],
  ['both', { jkt, 'x5t#S256': x5t, more: 1 }, { keyThumbprint: jkt, certificateThumbprint: x5t }],
  ['something else', { kid: 'k' }, { keyThumbprint: undefined, certificateThumbprint: undefined }],
  ['nothing at all', {}, { keyThumbprint: undefined, certificateThumbprint: undefined }],
  ['no cnf', undefined, undefined],
] as const) {
  test(`the token tells what it is bound to: ${what}`, () => {
    const verification = make({ confirmation: 'checked-by-caller' }).verifyNow(tokenWith(cnf), nowMs)
    assert.ok(verification?.kind === 'verified')
    const { confirmation } = verification.token
    assert.deepEqual(confirmation, expected)
    assert.equal(verification.token.confirmation, confirmation, 'one object for one token')
    if (confirmation !== undefined) assert.ok(Object.isFrozen(confirmation))
  })
}

for (const cnf of [null, 'x', 7, true, [], [{ jkt }], { jkt: 7 }, { jkt: null }, { 'x5t#S256': [x5t] }]) {
  test(`a cnf that is none is refused, also by who checks: ${JSON.stringify(cnf)}`, () => {
    assert.equal(reasonOf(make({ confirmation: 'checked-by-caller' }), tokenWith(cnf)), 'claim-malformed')
    assert.equal(reasonOf(make({}), tokenWith(cnf)), 'proof-required')
  })
}

test('with a cache and without one the same is decided', () => {
  const confirmations = [
    undefined,
    { jkt },
    { 'x5t#S256': x5t },
    { jkt, 'x5t#S256': x5t },
    {},
    'x',
    { jkt: 1 },
  ]
  const tokens = confirmations.map(tokenWith)
  const steps = fc.array(
    fc.record({ token: fc.constantFrom(...tokens), aheadMs: fc.constantFrom(0, 1000, 59_000, 70_000) }),
    { maxLength: 20 },
  )
  fc.assert(
    fc.property(steps, fc.constantFrom('refused', 'checked-by-caller'), (sequence, confirmation) => {
      const cached = make({ confirmation })
      const uncached = make({ confirmation, cache: false })
      for (const { token, aheadMs } of sequence) {
        assert.deepEqual(
          outline(cached.verifyNow(token, nowMs + aheadMs)),
          outline(uncached.verifyNow(token, nowMs + aheadMs)),
        )
      }
    }),
  )
})

test('another word is refused: it would be taken for either', () => {
  for (const confirmation of ['accepted', 'caller', true, null, '']) {
    const options = { confirmation } as unknown as SharedVerifierOptions
    assert.throws(() => make(options), { code: 'option-invalid' })
  }
})

function tokenWith(cnf: unknown): string {
  return signer.sign({
    iss: issuer,
    aud: 'billing',
    exp: nowMs / 1000 + 60,
    ...(cnf === undefined ? {} : { cnf }),
  })
}

function make(options: SharedVerifierOptions): Verifier {
  const keySet = createKeySet([verificationKey(key)])
  return createVerifier({ issuer, audience: 'billing', keySet, ...options })
}

function reasonOf(verifier: Verifier, token: string): string {
  const verification = verifier.verifyNow(token, nowMs)!
  return verification.kind === 'denied' ? verification.denial.reason : verification.kind
}

function outline(verification: Verification | undefined): unknown {
  if (verification?.kind !== 'verified') return verification
  const { claims, confirmation } = verification.token
  return { claims, confirmation }
}
