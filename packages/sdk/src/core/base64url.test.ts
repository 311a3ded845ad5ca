import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { decodeBase64url, decodeBase64urlInto, encodeBase64url } from './base64url.ts'

const anyCharacter = fc.integer({ min: 0, max: 0xffff }).map((code) => String.fromCharCode(code))

test('encodes without padding, with - and _', () => {
  assert.equal(encodeBase64url(Uint8Array.of()), '')
  assert.equal(encodeBase64url(Uint8Array.of(0xfb, 0xff, 0xfe)), '-__-')
  assert.equal(encodeBase64url(Buffer.from('foob')), 'Zm9vYg')
})

test('encodes a view of a larger buffer, not the buffer', () => {
  const whole = Uint8Array.of(1, 2, 3, 4, 5)
  assert.equal(encodeBase64url(whole.subarray(1, 3)), 'AgM')
})

for (const [text, bytes] of [
  ['', ''],
  ['Zg', 'f'],
  ['Zm8', 'fo'],
  ['Zm9v', 'foo'],
  ['Zm9vYg', 'foob'],
] as const) {
  test(`decodes ${JSON.stringify(text)}`, () => {
    assert.equal(decodeBase64url(text)?.toString('latin1'), bytes)
  })
}

for (const [what, text] of [
  ['padding', 'Zg=='],
  ['padding of a full group', 'Zm9v='],
  ['padding alone', '='],
  ['the other alphabet: +', '-__+'],
  ['the other alphabet: /', '-_/-'],
  ['a space inside', 'Zm 9v'],
  ['a space in front', ' Zm9v'],
  ['a newline behind', 'Zm9v\n'],
  ['an impossible length', 'Zm9vY'],
  ['one character', 'A'],
  ['unused bits of one byte', 'Zh'],
  ['unused bits of two bytes', 'Zm9'],
  ['a character beyond Latin-1', 'Zm9\u0176'],
  ['a character whose low byte is in the alphabet', '\u0141AAA'],
  ['a full-width letter', '\uff21AAA'],
  ['a Latin-1 letter', 'Zm\u00e9v'],
  ['NUL', 'Zm9v\0AAA'],
  ['a dot', 'Zm9v.AAA'],
  ['half a surrogate pair', '\ud800AAA'],
] as const) {
  test(`refuses ${what}`, () => {
    assert.equal(decodeBase64url(text), undefined)
  })
}

test('what is encoded decodes to itself', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      assert.deepEqual(decodeBase64url(encodeBase64url(bytes)), Buffer.from(bytes))
    }),
  )
})

test('a text is taken exactly when encoding its bytes gives the same text', () => {
  const nearly = fc.string({
    unit: fc.constantFrom(...'ABQgwEIMUYckos0489-_+/= \n.\u00e9\u0141'),
    maxLength: 12,
  })
  fc.assert(
    fc.property(fc.oneof(nearly, fc.string({ unit: anyCharacter })), (text) => {
      const bytes = Buffer.from(text, 'base64url')
      const expected = bytes.toString('base64url') === text ? bytes : undefined
      assert.deepEqual(decodeBase64url(text), expected)
    }),
    { numRuns: 1000 },
  )
})

test('decodes into the front of a buffer and gives the length', () => {
  const target = Buffer.alloc(5, 0xaa)
  assert.equal(decodeBase64urlInto('Zm9v', target), 3)
  assert.equal(target.toString('latin1'), 'foo\u00aa\u00aa')
  assert.equal(decodeBase64urlInto('', target), 0)
})

test('does not decode into a buffer that is too small', () => {
  assert.equal(decodeBase64urlInto('Zm9v', Buffer.alloc(2)), -1)
})
