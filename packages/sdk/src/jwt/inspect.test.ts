import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { inspectToken } from './inspect.ts'
import { generateSigningKey, publicJwk } from './key-readers.ts'
import { signJws } from './jws.ts'
import { createSigner } from './signer.ts'

const key = generateSigningKey('ES256', { keyId: 'k' })
const claims = { iss: 'https://issuer.example', aud: 'billing', exp: 2_000_000_000 }
const token = createSigner({ key }).sign(claims)
const segment = (text: string): string => Buffer.from(text).toString('base64url')

test('a good token is shown as it is, without its signature', () => {
  const inspection = inspectToken(token)
  assert.deepEqual({ ...inspection.header }, { alg: 'ES256', typ: 'at+jwt', kid: 'k' })
  assert.deepEqual({ ...inspection.claims }, claims)
  assert.equal(inspection.signatureBytes, 64)
  assert.deepEqual(inspection.problems, [])
  assert.ok(!JSON.stringify(inspection).includes(token.split('.')[2]!.slice(0, 12)))
})

for (const [what, text, problems] of [
  ['no text', undefined, ['not a string']],
  ['too much text', 'x'.repeat(16_385), ['longer than 16384 characters']],
  ['two segments', token.split('.').slice(0, 2).join('.'), ['2 segments instead of three']],
  ['no signature', `${token.slice(0, token.lastIndexOf('.'))}.`, ['signature: empty']],
  ['a signature with padding', `${token}=`, ['signature: not canonical base64url']],
  [
    'alg none',
    `${segment('{"alg":"none"}')}.${segment(JSON.stringify(claims))}.`,
    ['alg "none" is not a known algorithm', 'signature: empty'],
  ],
  [
    'a long alg',
    `${segment(`{"alg":"${'x'.repeat(50)}"}`)}.${segment(JSON.stringify(claims))}.AA`,
    [`alg "${'x'.repeat(40)}" is not a known algorithm`],
  ],
  [
    'crit',
    `${segment('{"alg":"ES256","crit":["exp"]}')}.${segment(JSON.stringify(claims))}.AA`,
    ['header: unknown critical extension "exp"'],
  ],
  [
    'no claims of note',
    `${segment('{"alg":"ES256"}')}.${segment('{}')}.AA`,
    ['claims: no iss', 'claims: no aud', 'claims: no exp'],
  ],
  [
    'repeated claims',
    `${segment('{"alg":"ES256"}')}.${segment('{"sub":"a","sub":"b"}')}.AA`,
    ['claims: a member name appears twice'],
  ],
  [
    'a key of its own',
    signJws(Buffer.from(JSON.stringify(claims)), {
      key,
      header: { jwk: publicJwk(key), jku: 'https://x.example' },
    }),
    [
      'header: "jwk" is the sender\'s own word and is ignored',
      'header: "jku" is the sender\'s own word and is ignored',
    ],
  ],
] as const) {
  test(`${what}: ${problems[0]}`, () => {
    assert.deepEqual(inspectToken(text as string).problems, problems)
  })
}

test('an encrypted token is called that', () => {
  const { header, claims, signatureBytes, problems } = inspectToken(
    `${segment('{"alg":"RSA-OAEP","enc":"A128GCM"}')}.a.b.c.d`,
  )
  assert.deepEqual({ ...header }, { alg: 'RSA-OAEP', enc: 'A128GCM' })
  assert.equal(claims, undefined)
  assert.equal(signatureBytes, undefined)
  assert.equal(problems[0], 'five segments: this is an encrypted token (JWE)')
})

test('nothing makes it throw, and nothing malformed goes without a word', () => {
  const anyCharacter = fc.integer({ min: 0, max: 0xffff }).map((code) => String.fromCharCode(code))
  const part = fc.oneof(fc.string(), fc.string({ unit: anyCharacter }), fc.json({ maxDepth: 2 }).map(segment))
  fc.assert(
    fc.property(fc.array(part, { maxLength: 6 }), (parts) => {
      const inspection = inspectToken(parts.join('.'))
      if (inspection.header === undefined || inspection.claims === undefined) {
        assert.notDeepEqual(inspection.problems, [])
      }
    }),
  )
})
