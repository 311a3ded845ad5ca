import { test } from 'node:test'
import assert from 'node:assert/strict'
import { macBench, macTokens, signatureBench, signedTokens } from './corpus.ts'
import { naiveBase64url, naiveJsonObject } from './reference-json.ts'
import { referenceVerdict } from './reference-verifier.ts'

// A yardstick that measures nothing would let everything pass: these hold the plain forms against what is written in
// the standards, without the fast ones.

test('plain base64url: the values of RFC 4648 §10, and what is not canonical', () => {
  for (const [text, bytes] of [
    ['', ''],
    ['Zg', 'f'],
    ['Zm8', 'fo'],
    ['Zm9v', 'foo'],
    ['Zm9vYg', 'foob'],
    ['Zm9vYmE', 'fooba'],
    ['Zm9vYmFy', 'foobar'],
    ['-_8', '\u00fb\u00ff'],
  ] as const) {
    assert.equal(Buffer.from(naiveBase64url(text)!).toString('latin1'), bytes)
  }
  for (const text of [
    'Z',
    'Zg==',
    'Zh',
    'Zm9',
    'Zm9vY',
    ' Zg',
    'Z g',
    'Zg\n',
    '+_8',
    '-/8',
    '\u0141g',
    'Zg\0',
    '.',
  ]) {
    assert.equal(naiveBase64url(text), undefined, text)
  }
})

test('plain JSON: what is one, and what is refused', () => {
  const read = (text: string | Uint8Array): unknown => {
    const reading = naiveJsonObject(Buffer.from(text as string))
    return 'value' in reading ? reading.value : reading.refused
  }
  for (const text of [
    '{}',
    ' { "a" : [ 1 , -0 , 0.5 , 1e3 , 1E-3 , 12.5e+2 ] , "b" : { } , "c" : [ ] } ',
    '{"a":null,"b":true,"c":false,"":"","0":0}',
    '{"a":"\\u00e9\\ud834\\udd1e\\/\\b\\f\\n\\r\\t\\"\\\\","\\u0062":"é€𝄞\u2028\ufeff\u007f"}',
  ]) {
    assert.deepEqual(read(text), JSON.parse(text), text)
  }
  for (const text of [
    ...[
      '',
      ' ',
      '[]',
      'null',
      '1',
      '"a"',
      '{',
      '}',
      '{"a"}',
      '{"a":}',
      '{"a":1,}',
      '{,}',
      '{"a":1}x',
      '{}{}',
      '{a:1}',
    ],
    ...[
      '{"a":01}',
      '{"a":.5}',
      '{"a":5.}',
      '{"a":+1}',
      '{"a":1e}',
      '{"a":0x1}',
      '{"a":NaN}',
      '{"a":tru}',
      "{'a':1}",
    ],
    ...['{"a":1e999}', '{"a":-1e999}', '{"a":1,"a":1}', '{"a":1,"\\u0061":1}', '{"x":[{"a":1,"a":1}]}'],
    ...['{"__proto__":1}', '{"\\u005f_proto__":1}', '{"a\\"b":1}', '{"\\\\":1}', '{"\\n":1}', '{"a":"\n"}'],
    ...[
      '{"a":"\\ud800"}',
      '{"a":"\\udc00\\ud800"}',
      '{"a":"\\u0000"}',
      '{"a":"\\x"}',
      '{"a":"\\u12"}',
      '{"a":"',
      '\ufeff{}',
    ],
    `${'{"a":'.repeat(33)}1${'}'.repeat(33)}`,
    `{"a":${'['.repeat(32)}${']'.repeat(32)}}`,
  ]) {
    assert.equal(typeof read(text), 'string', text)
  }
  for (const bytes of [[0xff], [0xc0, 0x80], [0xed, 0xa0, 0x80], [0xf4, 0x90, 0x80, 0x80], [0xc3]]) {
    assert.equal(read(Buffer.from([0x7b, 0x22, 0x61, 0x22, 0x3a, 0x22, ...bytes, 0x22, 0x7d])), 'not UTF-8')
  }
})

test('plain rules: every honest token passes, and none with another tail', () => {
  for (const [bench, tokens] of [
    [macBench, macTokens],
    [signatureBench, signedTokens],
  ] as const) {
    for (const token of tokens) {
      assert.equal(referenceVerdict(token, bench.rules), 'verified')
      assert.equal(referenceVerdict(token.slice(0, -4) + 'AAAA', bench.rules), 'signature-invalid')
      assert.equal(referenceVerdict(`${token}.`, bench.rules), 'token-malformed')
    }
  }
})
