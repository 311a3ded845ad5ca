import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { supportedAlgorithms } from './algorithms.ts'
import { signJws, verifyJws } from './jws.ts'
import type { SignJwsOptions, VerifyJwsOptions } from './jws.ts'
import { generateSigningKey, publicJwk, readSecretSigningKey, verificationKey } from './key-readers.ts'
import type { VerificationKey } from './key.ts'
import { Secret } from '../core/secret.ts'

const secret = Secret.fromText('0123456789abcdef0123456789abcdef')
const key = readSecretSigningKey(secret, { algorithm: 'HS256' })
const verifier = verificationKey(key)
const bytes = (text: string): Buffer => Buffer.from(text, 'utf8')
const base64url = (text: string): string => bytes(text).toString('base64url')

for (const algorithm of supportedAlgorithms()) {
  test(`${algorithm}: what is signed verifies, and gives the bytes back`, () => {
    const signingKey = generateSigningKey(algorithm, { keyId: 'k' })
    const payload = Uint8Array.of(0, 255, 46, 10)
    const jws = signJws(payload, { key: signingKey, type: 'x+jws', header: { cty: 'y' } })
    const verification = verifyJws(jws, verificationKey(signingKey), { types: ['x+jws'] })
    assert.ok(verification.kind === 'verified')
    assert.deepEqual(Uint8Array.from(verification.jws.payload), payload)
    assert.deepEqual({ ...verification.jws.header }, { alg: algorithm, typ: 'x+jws', kid: 'k', cty: 'y' })
    assert.ok(Object.isFrozen(verification.jws.header))
  })
}

test('any bytes, detached or not, encoded or not', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), fc.boolean(), (payload, unencoded) => {
      const detached = signJws(payload, { key, detached: true, unencoded })
      assert.match(detached, /^[\w-]+\.\.[\w-]{43}$/)
      assert.equal(reason(detached, { payload }), 'verified')
      assert.equal(
        reason(detached, { payload: Buffer.concat([payload, Buffer.alloc(1)]) }),
        'signature-invalid',
      )
      assert.equal(reason(signJws(payload, { key })), 'verified')
    }),
  )
})

test('a detached payload may be longer than any token', () => {
  const payload = Buffer.alloc(1_000_000, 'x')
  for (const unencoded of [true, false]) {
    assert.equal(reason(signJws(payload, { key, detached: true, unencoded }), { payload }), 'verified')
  }
  assert.throws(() => signJws(payload, { key }), { code: 'claims-invalid' })
})

test('an unencoded payload stands between the dots as it is', () => {
  const jws = signJws(bytes('This is the payload string!'), { key, unencoded: true })
  assert.equal(jws.split('.')[1], 'This is the payload string!')
  const verification = verifyJws(jws, verifier)
  assert.ok(verification.kind === 'verified')
  assert.equal(Buffer.from(verification.jws.payload).toString(), 'This is the payload string!')
  for (const payload of ['$.02', 'é', '\n', '\x7f', '\0']) {
    assert.throws(() => signJws(bytes(payload), { key, unencoded: true }), { code: 'option-invalid' })
    const detached = signJws(bytes(payload), { key, unencoded: true, detached: true })
    assert.equal(reason(detached, { payload: bytes(payload) }), 'verified')
  }
})

test('an unencoded payload that could not have been written is not read, whatever its signature', () => {
  const head = base64url('{"alg":"HS256","b64":false,"crit":["b64"]}')
  for (const [payload, expected] of [
    ['plain', 'verified'],
    [' !~', 'verified'],
    ['', 'verified'],
    ['\n', 'token-malformed'],
    ['\0', 'token-malformed'],
    ['\x7f', 'token-malformed'],
    ['é', 'token-malformed'],
    ['\u0141', 'token-malformed'],
    ['a.b', 'token-malformed'],
  ] as const) {
    for (const encoding of ['latin1', 'utf8'] as const) {
      const signature = key.signs(Buffer.from(`${head}.${payload}`, encoding))
      assert.equal(reason(`${head}.${payload}.${signature}`), expected, JSON.stringify(payload))
    }
  }
})

test('the same bytes signed encoded and unencoded are two different things', () => {
  const payload = bytes('payload')
  const [encoded, plain] = [false, true].map((unencoded) =>
    signJws(payload, { key, detached: true, unencoded }),
  )
  const swapped = `${plain!.split('..')[0]}..${encoded!.split('..')[1]}`
  assert.equal(reason(swapped, { payload }), 'signature-invalid')
})

// Headers with a right signature, so that nothing but the header can be why they are refused.
for (const [header, expected] of [
  ['{"alg":"HS256"}', 'verified'],
  ['{"alg":"HS256","b64":true,"crit":["b64"]}', 'verified'],
  ['{"alg":"HS256","b64":true}', 'critical-unknown'],
  ['{"alg":"HS256","b64":false}', 'critical-unknown'],
  ['{"alg":"HS256","b64":false,"crit":["exp"],"exp":1}', 'critical-unknown'],
  ['{"alg":"HS256","b64":0,"crit":["b64"]}', 'critical-unknown'],
  ['{"alg":"HS256","b64":null,"crit":["b64"]}', 'critical-unknown'],
  ['{"alg":"HS256","b64":"false","crit":["b64"]}', 'critical-unknown'],
  ['{"alg":"HS256","crit":["b64"]}', 'critical-unknown'],
  ['{"alg":"HS256","b64":true,"crit":["b64","b64"]}', 'critical-unknown'],
  ['{"alg":"HS256","b64":true,"crit":["b64","exp"],"exp":1}', 'critical-unknown'],
  ['{"alg":"HS256","b64":true,"crit":["B64"]}', 'critical-unknown'],
  ['{"alg":"HS256","b64":true,"crit":"b64"}', 'critical-unknown'],
  ['{"alg":"HS256","b64":true,"crit":{"0":"b64"}}', 'critical-unknown'],
  ['{"alg":"HS256","crit":[]}', 'critical-unknown'],
  ['{"alg":"HS256","crit":null}', 'critical-unknown'],
  ['{"alg":"HS256","crit":false}', 'critical-unknown'],
  ['{"alg":"HS256","crit":[1]}', 'critical-unknown'],
  ['{"alg":"HS256","crit":["alg"]}', 'critical-unknown'],
  ['{"alg":"HS256","crit":["toString"]}', 'critical-unknown'],
  ['{"alg":"HS384"}', 'algorithm-mismatch'],
  ['{"alg":"none"}', 'algorithm-mismatch'],
  ['{"alg":"HS256","kid":7}', 'token-malformed'],
  ['{"alg":"HS256","typ":7}', 'token-malformed'],
  ['{"alg":"HS256","enc":"A128GCM"}', 'token-malformed'],
  ['{"alg":"HS256","alg":"HS256"}', 'token-malformed'],
  ['{"ALG":"HS256"}', 'token-malformed'],
  ['[]', 'token-malformed'],
] as const) {
  test(`the header ${header}: ${expected}`, () => {
    const input = `${base64url(header)}.${base64url('payload')}`
    assert.equal(reason(`${input}.${key.signs(input)}`), expected)
  })
}

test('a payload that is not canonical base64url is refused, whatever its signature', () => {
  for (const middle of ['Zg==', 'Zh', 'Zm9v\n', 'Zm+v', '?', 'Zm 9', 'é']) {
    const input = `${base64url('{"alg":"HS256"}')}.${middle}`
    assert.equal(reason(`${input}.${key.signs(Buffer.from(input))}`), 'token-malformed')
  }
})

test('an empty payload is a payload', () => {
  const jws = signJws(new Uint8Array(), { key })
  assert.equal(reason(jws), 'verified')
  assert.equal(reason(jws, { payload: new Uint8Array() }), 'verified')
  assert.equal(reason(jws, { payload: bytes('x') }), 'signature-invalid')
})

test('a payload of its own is refused where a detached one is given, and the other way round', () => {
  const payload = bytes('payload')
  assert.equal(reason(signJws(payload, { key }), { payload }), 'token-malformed')
  assert.equal(reason(signJws(payload, { key, detached: true })), 'signature-invalid')
  const forgotten = { payload: undefined } as unknown as VerifyJwsOptions
  assert.throws(() => reason(signJws(payload, { key }), forgotten), { code: 'option-invalid' })
})

test('typ is compared when types are given', () => {
  const typed = signJws(bytes('x'), { key, type: 'dpop+jwt' })
  assert.equal(reason(typed), 'verified')
  assert.equal(reason(typed, { types: ['dpop+jwt'] }), 'verified')
  assert.equal(reason(typed, { types: ['application/DPoP+jwt'] }), 'verified')
  assert.equal(reason(typed, { types: ['at+jwt'] }), 'type-mismatch')
  assert.equal(reason(signJws(bytes('x'), { key }), { types: ['dpop+jwt'] }), 'type-mismatch')
  assert.throws(() => reason(typed, { types: [] }), { code: 'option-invalid' })
})

test('of several keys the one is used that is named, and no other is tried', () => {
  const [a, b] = ['a', 'b'].map((keyId) => generateSigningKey('ES256', { keyId }))
  const c = generateSigningKey('EdDSA', { keyId: 'c' })
  const keys = [a!, b!, c].map(verificationKey)
  const sign = (keyId: string): string => signJws(bytes('x'), { key: generateSigningKey('ES256', { keyId }) })
  assert.equal(reason(signJws(bytes('x'), { key: b! }), {}, keys), 'verified')
  assert.equal(reason(signJws(bytes('x'), { key: b! }), {}, [keys[0]!, keys[2]!]), 'key-unknown')
  assert.equal(reason(sign('a'), {}, keys), 'signature-invalid')
  assert.equal(reason(sign('d'), {}, keys), 'key-unknown')
  assert.equal(reason(sign('c'), {}, keys), 'algorithm-mismatch')
  // Without kid the algorithm has to leave one key.
  const nameless = `${base64url('{"alg":"ES256"}')}.${base64url('x')}`
  assert.equal(reason(`${nameless}.${b!.signs(nameless)}`, {}, keys), 'key-unknown')
  assert.equal(reason(`${nameless}.${b!.signs(nameless)}`, {}, [keys[1]!, keys[2]!]), 'verified')
})

test('one key refuses the kid of another', () => {
  const one = generateSigningKey('ES256', { keyId: 'one' })
  const jws = signJws(bytes('x'), { key: one })
  assert.equal(reason(jws, {}, verificationKey(one)), 'verified')
  assert.equal(reason(jws, {}, verificationKey(generateSigningKey('ES256'))), 'key-unknown')
})

test('the key that a header brings along is not used', () => {
  const attacker = generateSigningKey('ES256', { keyId: 'mine' })
  const jws = signJws(bytes('x'), { key: attacker, header: { jwk: publicJwk(attacker) } })
  const ours = verificationKey(generateSigningKey('ES256', { keyId: 'mine' }))
  assert.equal(reason(jws, {}, ours), 'signature-invalid')
})

for (const [what, jws, expected] of [
  ['no text', 7 as unknown as string, 'token-malformed'],
  ['nothing', '', 'token-malformed'],
  ['two segments', 'a.b', 'token-malformed'],
  ['four segments', 'a.b.c.d', 'token-malformed'],
  ['five segments', 'a.b.c.d.e', 'token-malformed'],
  ['no header', '.b.c', 'token-malformed'],
  ['JSON serialization', '{"payload":"","signatures":[]}', 'token-malformed'],
  ['nothing but dots', '.'.repeat(16_384), 'token-malformed'],
  ['one character too many', 'a'.repeat(16_385), 'token-oversize'],
] as const) {
  test(`${what}: ${expected}`, () => {
    assert.equal(reason(jws), expected)
  })
}

test('keys are keys, and at least one fits or none', () => {
  assert.equal(reason(signJws(bytes('x'), { key }), {}, []), 'key-unknown')
  for (const keys of ['secret', {}, null, undefined, [publicJwk(generateSigningKey('ES256'))]]) {
    assert.throws(() => verifyJws('a.b.c', keys as unknown as VerificationKey), { code: 'key-invalid' })
  }
})

for (const [what, options] of [
  ['a key that is none', { key: 'secret' }],
  ['alg in the header', { key, header: { alg: 'none' } }],
  ['kid in the header', { key, header: { kid: 'x' } }],
  ['crit in the header', { key, header: { crit: ['x'] } }],
  ['b64 in the header', { key, header: { b64: false } }],
  ['an empty type', { key, type: '' }],
  ['a header that is too long', { key, header: { x: 'x'.repeat(2000) } }],
] as const) {
  test(`signing with ${what} is refused`, () => {
    assert.throws(() => signJws(bytes('x'), options as unknown as SignJwsOptions), { code: 'option-invalid' })
  })
}

test('a payload is bytes, and options are known ones', () => {
  const text = 'payload' as unknown as Uint8Array
  assert.throws(() => signJws(text, { key }), { code: 'option-invalid' })
  assert.throws(() => reason('a..c', { payload: text }), { code: 'option-invalid' })
  const misspelt = { key, detach: true } as SignJwsOptions
  assert.throws(() => signJws(bytes('x'), misspelt), { code: 'option-unknown' })
  assert.throws(() => reason('a..c', { type: 'x' } as VerifyJwsOptions), { code: 'option-unknown' })
})

function reason(
  jws: string,
  options: VerifyJwsOptions = {},
  keys: VerificationKey | readonly VerificationKey[] = verifier,
): string {
  const verification = verifyJws(jws, keys, options)
  return verification.kind === 'denied' ? verification.denial.reason : verification.kind
}
