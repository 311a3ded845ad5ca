import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { formDecode, readForm } from './form.ts'
import type { Form } from './form.ts'
import { isRefusal } from './refusal.ts'

const type = 'application/x-www-form-urlencoded'

test('reads names and values', () => {
  const form = read('grant_type=client_credentials&client_id=orders&scope=a+b%20c')
  assert.deepEqual(
    [...form.values],
    [
      ['grant_type', 'client_credentials'],
      ['client_id', 'orders'],
      ['scope', 'a b c'],
    ],
  )
})

test('names are decoded too, and a value may hold an equals sign', () => {
  assert.deepEqual([...read('client%5Fid=a=b%3Dc').values], [['client_id', 'a=b=c']])
})

test('a parameter without a value is omitted', () => {
  assert.deepEqual([...read('scope=&client_id&=&x=1').values], [['x', '1']])
  assert.deepEqual(read('audience=&resource=').audiences, [])
})

test('empty pieces are nothing', () => {
  assert.deepEqual([...read('&&a=1&&').values], [['a', '1']])
  assert.equal(read('').values.size, 0)
})

test('a parameter sent twice is refused, with the same value, without one, or spelled differently', () => {
  for (const body of ['a=1&a=2', 'a=1&a=1', 'a=&a=1', 'a=1&a', 'scope=x&sc%6Fpe=y', 'unknown=1&unknown=2']) {
    assert.match(refusal(body), /sent twice/, body)
  }
})

test('audience and resource may be repeated and keep their order', () => {
  const form = read('audience=b&resource=x&audience=a&resource=y')
  assert.deepEqual(form.audiences, ['b', 'a'])
  assert.deepEqual(form.resources, ['x', 'y'])
  assert.equal(form.values.size, 0)
})

test('broken percent-encoding is refused', () => {
  for (const body of ['a=%', 'a=%4', 'a=%zz', '%=a', 'a=%ff', 'a=%c3%28', 'a=%ed%a0%80']) {
    assert.match(refusal(body), /percent-encoding/, body)
  }
})

test('raw UTF-8 is taken, other bytes are refused', () => {
  assert.deepEqual([...read('client_secret=ü').values], [['client_secret', 'ü']])
  const latin1 = readForm(type, Buffer.from('client_secret=ü', 'latin1'))
  assert.ok(isRefusal(latin1) && /UTF-8/.test(latin1.description))
})

test('the content type is required; a charset of UTF-8 is fine', () => {
  for (const good of [
    type,
    'Application/X-WWW-Form-Urlencoded',
    `${type};charset=UTF-8`,
    `${type} ; charset="utf-8"`,
  ]) {
    assert.ok(!isRefusal(readForm(good, Buffer.from('a=1'))), good)
  }
  for (const bad of [
    undefined,
    '',
    'application/json',
    `${type}x`,
    'multipart/form-data',
    `${type};charset=latin1`,
  ]) {
    assert.ok(isRefusal(readForm(bad, Buffer.from('a=1'))), String(bad))
  }
})

test('fifty parameters are taken, one more is refused', () => {
  const body = (count: number): string => Array.from({ length: count }, (_, index) => `p${index}=1`).join('&')
  assert.equal(read(body(50)).values.size, 50)
  assert.match(refusal(body(51)), /more than 50/)
})

test('a name of the prototype is a name like any other', () => {
  assert.deepEqual(
    [...read('__proto__=1&constructor=2').values],
    [
      ['__proto__', '1'],
      ['constructor', '2'],
    ],
  )
})

test('a long name is not quoted at length', () => {
  const name = 'n'.repeat(5000)
  assert.ok(refusal(`${name}=1&${name}=2`).length < 100)
})

test('what URLSearchParams writes is read back', () => {
  fc.assert(
    fc.property(
      fc.uniqueArray(fc.tuple(word, word), { selector: ([name]) => name, maxLength: 20 }),
      (pairs) => {
        const body = new URLSearchParams(pairs).toString()
        assert.deepEqual([...read(body).values], pairs)
      },
    ),
  )
})

test('any text is decoded or refused, never thrown', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 40 }), (text) => {
      const decoded = formDecode(text)
      assert.ok(decoded === undefined || typeof decoded === 'string')
    }),
  )
})

const word = fc
  .string({ minLength: 1, unit: 'grapheme' })
  .filter((text) => text.isWellFormed() && text !== 'audience' && text !== 'resource')

function read(body: string): Form {
  const form = readForm(type, Buffer.from(body))
  assert.ok(!isRefusal(form), body)
  return form
}

function refusal(body: string): string {
  const form = readForm(type, Buffer.from(body))
  assert.ok(isRefusal(form), body)
  assert.equal(form.error, 'invalid_request')
  return form.description
}
