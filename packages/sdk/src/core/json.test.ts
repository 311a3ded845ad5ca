import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { maxJsonDepth, parseStrictJson, parseStrictJsonBytes } from './json.ts'

test('parses an object', () => {
  assert.deepEqual(parseStrictJson(' {"a":1,"b":[true,null,{"c":"x:y{[\\"\\u00e9"}],"é":-1.5e3} '), {
    a: 1,
    b: [true, null, { c: 'x:y{["é' }],
    é: -1500,
  })
})

const oddName = 'a member name holds a quote, a backslash or a control character'

for (const [what, text, fault] of [
  ['nothing', '', 'not JSON'],
  ['a cut object', '{"a":1', 'not JSON'],
  ['a string that does not end', '{"a', 'not JSON'],
  ['a string that ends in a backslash', '{"a\\', 'not JSON'],
  ['a comment', '{"a":1/* */}', 'not JSON'],
  ['a trailing comma', '{"a":1,}', 'not JSON'],
  ['something behind the object', '{"a":1}x', 'not JSON'],
  ['two objects', '{}{}', 'not JSON'],
  ['a raw newline in a string', '{"a":"\n"}', 'not JSON'],
  ['a raw NUL in a string', '{"a":"\0"}', 'not JSON'],
  ['a byte order mark', '\ufeff{}', 'not JSON'],
  ['a list', '[]', 'not a JSON object'],
  ['null', 'null', 'not a JSON object'],
  ['a string', '"{}"', 'not a JSON object'],
  ['a number', '1', 'not a JSON object'],
  ['a repeated member', '{"alg":"none","alg":"ES256"}', 'a member name appears twice'],
  ['a repeated member in disguise', '{"alg":"none","al\\u0067":"ES256"}', 'a member name appears twice'],
  ['a repeated member within', '{"cnf":{"jkt":"a","jkt":"b"}}', 'a member name appears twice'],
  ['a repeated member in a list', '{"a":[{"b":1,"b":1}]}', 'a member name appears twice'],
  ['a repeated member with a number for a name', '{"1":0,"1":0}', 'a member name appears twice'],
  ['__proto__', '{"__proto__":{"admin":true}}', 'a member is named __proto__'],
  ['__proto__ in disguise', '{"a":{"__pr\\u006fto__":1}}', 'a member is named __proto__'],
  ['an infinite number', '{"exp":1e999}', 'a number is out of range'],
  ['an infinite number in a list', '{"a":[[-1e999]]}', 'a number is out of range'],
  ['an escaped NUL', '{"a":"\\u0000"}', 'a string holds NUL'],
  ['an escaped NUL in a name', '{"\\u0000":1}', 'a string holds NUL'],
  ['an escaped NUL in a list', '{"a":["\\u0000"]}', 'a string holds NUL'],
  ['a quote in a name', '{"a\\"":1}', oddName],
  ['a backslash in a name', '{"a\\\\":1}', oddName],
  ['a newline in a name', '{"a":{"\\n":1}}', oddName],
  ['an escape that is none in a name', '{"\\x41":1}', 'not JSON'],
  ['half an escaped surrogate pair', '{"a":"\\ud800"}', 'a string holds half a surrogate pair'],
  ['half a surrogate pair in a name', '{"\\udc00":1}', 'a string holds half a surrogate pair'],
  ['half a raw surrogate pair', '{"a":"\ud800"}', 'a string holds half a surrogate pair'],
] as const) {
  test(`refuses ${what}`, () => {
    assert.equal(parseStrictJson(text), fault)
  })
}

for (const [what, text] of [
  ['a pair of escaped surrogates', '{"a":"\\ud83d\\ude00"}'],
  ['one name at two depths', '{"a":{"a":{"a":1}}}'],
  ['one name in two elements', '{"a":[{"b":1},{"b":2}]}'],
  ['a colon in a string', '{"a":"b:c","d:e":":"}'],
  ['brackets in strings', '{"a":"}]{["}'],
  ['an escaped quote', '{"a":"\\"","b":"\\\\"}'],
  [
    'escaped names',
    '{"\\u0061":1,"https:\\/\\/acme.example\\/role" : "\\/","\\u00e9\\ud83d\\ude00":{"\\u0062":2}}',
  ],
  ['names of what objects inherit', '{"constructor":1,"toString":2,"hasOwnProperty":3}'],
] as const) {
  test(`takes ${what}`, () => {
    assert.deepEqual(parseStrictJson(text), JSON.parse(text))
  })
}

test('nesting is taken to the limit and not beyond', () => {
  const nested = (depth: number): string => `${'{"a":'.repeat(depth - 1)}{}${'}'.repeat(depth - 1)}`
  const listed = (depth: number): string => `{"a":${'['.repeat(depth - 1)}${']'.repeat(depth - 1)}}`
  for (const shape of [nested, listed]) {
    assert.notEqual(typeof parseStrictJson(shape(maxJsonDepth)), 'string')
    assert.equal(parseStrictJson(shape(maxJsonDepth + 1)), 'nested deeper than 32 levels')
    assert.equal(parseStrictJson(shape(100_000)), 'nested deeper than 32 levels')
  }
  assert.notEqual(typeof parseStrictJson(`{"a":[${'[],'.repeat(1000)}[]]}`), 'string')
})

for (const [what, bytes] of [
  ['a byte that is no UTF-8', [0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d]],
  ['an overlong form', [0x7b, 0x22, 0xc0, 0xaf, 0x22, 0x3a, 0x31, 0x7d]],
  ['an encoded surrogate', [0x7b, 0x22, 0xed, 0xa0, 0x80, 0x22, 0x3a, 0x31, 0x7d]],
  ['a cut character', [0x7b, 0x22, 0xc3, 0x22, 0x3a, 0x31, 0x7d]],
  ['a bad byte behind a backslash', [0x7b, 0x22, 0x5c, 0xff, 0x22, 0x3a, 0x31, 0x7d]],
] as const) {
  test(`refuses ${what}`, () => {
    assert.equal(parseStrictJsonBytes(Buffer.from(bytes), bytes.length), 'not UTF-8')
  })
}

test('a byte order mark in bytes is refused', () => {
  assert.equal(parseStrictJsonBytes(Buffer.from('\ufeff{}'), 5), 'not JSON')
})

test('only the given number of bytes is read', () => {
  const bytes = Buffer.from('{"a":1}{"a":\xff')
  assert.deepEqual(parseStrictJsonBytes(bytes, 7), { a: 1 })
  assert.deepEqual(parseStrictJsonBytes(Buffer.from('{"é":1}"é"'), 8), { é: 1 })
})

test('what JSON writes is read the same, unless it is one of the refused things', () => {
  fc.assert(
    fc.property(fc.dictionary(fc.string({ unit: 'grapheme' }), fc.jsonValue({ maxDepth: 4 })), (value) => {
      const text = JSON.stringify(value)
      const read = parseStrictJson(text)
      if (/"(?:[^"\\]|\\.)*\\["\\bfnrtu](?:[^"\\]|\\.)*":/.test(text)) return
      if (text.includes('__proto__') || text.includes('\\u0000') || /\\ud[89a-f]/.test(text)) return
      assert.deepEqual(read, JSON.parse(text))
    }),
  )
})

test('an escaped name is read as what it is, whatever was read before it', () => {
  // V8 takes a name it has met for an escaped one whose source begins like it.
  for (const [poison, text, name] of [
    ['{"iss":1,"su\\\\":1}', '{"iss":1,"su\\u0062":2}', 'sub'],
    ['{"iss":2,"\\\\":1}', '{"iss":2,"\\/":2}', '/'],
    ['{"iss":3,"https:\\\\/\\\\/a":1}', '{"iss":3,"https:\\/\\/a.b":2}', 'https://a.b'],
  ] as const) {
    JSON.parse(poison)
    parseStrictJson(poison)
    const read = parseStrictJson(text)
    assert.ok(typeof read === 'object')
    assert.deepEqual(Object.keys(read), ['iss', name])
    assert.equal(read[name], 2)
  }
})

test('a string that does not end is not JSON, behind escaped names as well', () => {
  for (const tail of ['"', '"x', '"\\"', '"\\', '"\\"\\']) {
    assert.equal(parseStrictJson(`{"\\u0061":1,${tail}`), 'not JSON')
  }
  assert.deepEqual(parseStrictJson('{"\\u0061":"\\"","b" : "\\\\"}'), { a: '"', b: '\\' })
})

test('a member written twice anywhere is found', () => {
  fc.assert(
    fc.property(
      fc.jsonValue({ maxDepth: 3 }),
      fc.string(),
      fc.jsonValue({ maxDepth: 1 }),
      (around, name, value) => {
        const member = `${JSON.stringify(name)}:${JSON.stringify(value)}`
        const text = `{"around":${JSON.stringify(around)},"list":[{${member},${member}}]}`
        assert.equal(typeof parseStrictJson(text), 'string')
      },
    ),
  )
})
