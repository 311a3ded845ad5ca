import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import {
  createKeySet,
  createSigner,
  createVerifier,
  generateSigningKey,
  signJws,
  supportedAlgorithms,
  verificationKey,
  verifyJws,
} from '@countersign/sdk/jwt'
import { propertyTest } from './property.ts'

// No token has a second text: whatever bit of it is changed, it is refused, also by a verifier that knows the good one.

const anyCharacter = fc.integer({ min: 0, max: 0xffff }).map((code) => String.fromCharCode(code))
const nowMs = 1_800_000_000_000
const claims = { iss: 'https://issuer.example', aud: 'billing', sub: 'orders', exp: nowMs / 1000 + 60 }

const stands = supportedAlgorithms().map((algorithm) => {
  const key = generateSigningKey(algorithm, { keyId: 'k' })
  const token = createSigner({ key }).sign(claims)
  const options = {
    issuer: claims.iss,
    audience: 'billing',
    keySet: createKeySet([verificationKey(key)]),
    clock: () => nowMs,
  }
  const knowing = createVerifier(options)
  assert.equal(knowing.verifyNow(token)?.kind, 'verified')
  return { algorithm, key, token, knowing, forgetful: createVerifier({ ...options, cache: false }) }
})

for (const { algorithm, token, knowing, forgetful } of stands) {
  // One of each kind, and the cheap ones; all are sampled below.
  if (!['HS256', 'RS256', 'ES256', 'Ed25519'].includes(algorithm)) continue
  test(`${algorithm}: every bit of every character`, () => {
    for (let index = 0; index < token.length; index++) {
      for (let bit = 0; bit < 8; bit++) {
        const changed = flip(token, index, bit)
        assert.equal(forgetful.verifyNow(changed)?.kind, 'denied', `character ${index}, bit ${bit}`)
        assert.equal(knowing.verifyNow(changed)?.kind, 'denied', `character ${index}, bit ${bit}, known`)
      }
    }
    assert.equal(knowing.verifyNow(token)?.kind, 'verified')
  })
}

propertyTest(
  'any bit of any token, up to the sixteenth of a character',
  1500,
  fc.property(
    fc.constantFrom(...stands),
    fc.nat(),
    fc.integer({ min: 0, max: 15 }),
    ({ token, knowing, forgetful }, position, bit) => {
      const changed = flip(token, position % token.length, bit)
      assert.equal(forgetful.verifyNow(changed)?.kind, 'denied')
      assert.equal(knowing.verifyNow(changed)?.kind, 'denied')
    },
  ),
)

propertyTest(
  'any character more, less or in another place',
  500,
  fc.property(
    fc.constantFrom(...stands),
    fc.nat(),
    fc.nat(),
    fc.string({ unit: anyCharacter, minLength: 1, maxLength: 2 }),
    ({ token, knowing, forgetful }, from, to, inserted) => {
      const at = from % (token.length + 1)
      const other = to % (token.length + 1)
      for (const changed of [
        token.slice(0, at) + inserted + token.slice(at),
        token.slice(0, Math.min(at, other)) + token.slice(Math.max(at, other)),
        token.slice(at) + token.slice(0, at),
      ]) {
        if (changed === token) continue
        assert.equal(forgetful.verifyNow(changed)?.kind, 'denied')
        assert.equal(knowing.verifyNow(changed)?.kind, 'denied')
      }
    },
  ),
)

propertyTest(
  'any bit of any JWS or of its detached payload',
  200,
  fc.property(
    fc.constantFrom(...stands),
    fc.uint8Array({ minLength: 1, maxLength: 100 }),
    fc.boolean(),
    fc.nat(),
    fc.integer({ min: 0, max: 7 }),
    ({ key }, payload, unencoded, position, bit) => {
      const jws = signJws(payload, { key, detached: true, unencoded })
      const half = verificationKey(key)
      assert.equal(verifyJws(jws, half, { payload }).kind, 'verified')
      assert.equal(verifyJws(flip(jws, position % jws.length, bit), half, { payload }).kind, 'denied')
      const other = Uint8Array.from(payload)
      other[position % other.length]! ^= 1 << bit
      assert.equal(verifyJws(jws, half, { payload: other }).kind, 'denied')
    },
  ),
)

function flip(text: string, index: number, bit: number): string {
  return (
    text.slice(0, index) + String.fromCharCode(text.charCodeAt(index) ^ (1 << bit)) + text.slice(index + 1)
  )
}
