import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readForm, readNames } from './form.ts'

const formType = 'application/x-www-form-urlencoded'

test('values once each, audiences and resources as many as there are', () => {
  assert.deepEqual(
    read('scope=a+b%20c&x=1=2&y&audience=one&audience=&audience=two&resource=https%3A%2F%2Fx'),
    {
      values: new Map([
        ['scope', 'a b c'],
        ['x', '1=2'],
      ]),
      audiences: ['one', 'two'],
      resources: ['https://x'],
    },
  )
  assert.deepEqual(read(''), { values: new Map(), audiences: [], resources: [] })
})

test('what two readers could take differently is refused', () => {
  const many = Array.from({ length: 51 }, (_, index) => `p${index}=x`).join('&')
  for (const body of ['scope=a&scope=b', 'scope=&scope=b', 'scope=a&sc%6Fpe=a', 'scope=%', 'a=%ff', many]) {
    assert.equal(read(body), undefined, body)
  }
  assert.equal(readForm(formType, Buffer.from([0x61, 0x3d, 0xff])), undefined)
})

test('forms alone', () => {
  for (const type of [formType, formType.toUpperCase(), `${formType}; charset=UTF-8`, `${formType};`]) {
    assert.ok(read('a=b', type), type)
  }
  for (const type of ['', 'application/json', `${formType}; charset=latin1`, `${formType}x`, undefined]) {
    assert.equal(readForm(type, Buffer.from('a=b')), undefined, `${type}`)
  }
})

test('names are separated by one blank each, and count once', () => {
  const allowed = ['a', 'b']
  assert.deepEqual(readNames(undefined, allowed), allowed)
  assert.deepEqual(readNames('b', allowed), ['b'])
  assert.deepEqual(readNames('b a b', allowed), ['b', 'a'])
  for (const asked of ['a  b', ' a', 'a ', 'a c', '']) {
    assert.equal(readNames(asked, ['', ...allowed]), undefined, `"${asked}"`)
  }
})

function read(body: string, type = formType) {
  return readForm(type, Buffer.from(body))
}
