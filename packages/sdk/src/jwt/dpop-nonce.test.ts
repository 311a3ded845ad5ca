import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Secret } from '../core/secret.ts'
import { createDpopNonces } from './dpop-nonce.ts'
import type { DpopNonceOptions } from './dpop-nonce.ts'

const stepMs = 60_000
const start = 1_800_000_000_000
const secret = new Secret(Buffer.alloc(32, 1))

test('a nonce counts in its own step and the next, then never again', () => {
  const nonces = createDpopNonces()
  const nonce = nonces.current(start)
  assert.match(nonce, /^[A-Za-z0-9_-]{24}$/)
  const endsAtMs = start + 2 * stepMs
  assert.equal(nonces.validUntilMs(nonce, start), endsAtMs)
  assert.equal(nonces.validUntilMs(nonce, start + stepMs), endsAtMs)
  assert.equal(nonces.validUntilMs(nonce, endsAtMs - 1), endsAtMs)
  assert.equal(nonces.validUntilMs(nonce, endsAtMs), undefined)
  assert.equal(nonces.validUntilMs(nonce, start + 100 * stepMs), undefined)
})

test('within a step it is one nonce, in each step another', () => {
  const nonces = createDpopNonces({ secret })
  assert.equal(nonces.current(start), nonces.current(start + stepMs - 1))
  const seen = new Set(Array.from({ length: 3000 }, (_, step) => nonces.current(start + step * stepMs)))
  assert.equal(seen.size, 3000, 'also across days')
})

test('a nonce of the future is none: only this server can know it', () => {
  const nonces = createDpopNonces({ secret })
  assert.equal(nonces.validUntilMs(nonces.current(start + stepMs), start), undefined)
})

test('replicas with one secret take each other’s nonces; others do not', () => {
  const one = createDpopNonces({ secret })
  const other = createDpopNonces({ secret: new Secret(Buffer.alloc(32, 1)) })
  const alone = createDpopNonces()
  const nonce = one.current(start)
  assert.equal(other.current(start), nonce)
  assert.equal(other.validUntilMs(nonce, start + stepMs), start + 2 * stepMs)
  assert.equal(alone.validUntilMs(nonce, start), undefined)
})

test('a secret is replaced without a refusal: the first makes nonces, all are taken', () => {
  const before = createDpopNonces({ secret })
  const next = new Secret(Buffer.alloc(32, 2))
  const during = createDpopNonces({ secret: [next, secret] })
  const after = createDpopNonces({ secret: next })
  assert.notEqual(during.validUntilMs(before.current(start), start), undefined)
  assert.equal(during.current(start), after.current(start))
  assert.equal(after.validUntilMs(before.current(start), start), undefined)
})

test('what is no nonce', () => {
  const nonces = createDpopNonces({ secret })
  const nonce = nonces.current(start)
  const other = nonce.startsWith('A') ? `B${nonce.slice(1)}` : `A${nonce.slice(1)}`
  for (const text of ['', other, nonce.slice(1), `${nonce} `, 'é'.repeat(12), 'é'.repeat(24)]) {
    assert.equal(nonces.validUntilMs(text, start), undefined, JSON.stringify(text))
  }
})

test('a clock that gives no number stops it', () => {
  const nonces = createDpopNonces()
  assert.throws(() => nonces.current(Number.NaN), { code: 'option-invalid' })
  assert.throws(() => nonces.validUntilMs('x'.repeat(24), Number.NaN), { code: 'option-invalid' })
})

for (const [options, code] of [
  [{ secret: new Secret(Buffer.alloc(31)) }, 'key-too-weak'],
  [{ secret: [secret, new Secret(Buffer.alloc(31))] }, 'key-too-weak'],
  [{ secret: [] }, 'option-invalid'],
  [{ secret: 'x'.repeat(40) }, 'option-invalid'],
  [{ stepSeconds: 9 }, 'option-invalid'],
  [{ stepSeconds: 3601 }, 'option-invalid'],
  [{ stepSeconds: Number.NaN }, 'option-invalid'],
  [{ steps: 3 }, 'option-unknown'],
] as const) {
  test(`refused: ${JSON.stringify(options)}`, () => {
    assert.throws(() => createDpopNonces(options as unknown as DpopNonceOptions), { code })
  })
}
