import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readForm } from './form.ts'

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
    assert.equal(typeof read(body), 'string', body)
  }
  assert.equal(typeof readForm(formType, Buffer.from([0x61, 0x3d, 0xff])), 'string')
})

test('forms alone', () => {
  for (const type of [formType, formType.toUpperCase(), `${formType}; charset=UTF-8`, `${formType};`]) {
    assert.equal(typeof read('a=b', type), 'object', type)
  }
  for (const type of ['', 'application/json', `${formType}; charset=latin1`, `${formType}x`, undefined]) {
    assert.equal(typeof readForm(type, Buffer.from('a=b')), 'string', `${type}`)
  }
})

function read(body: string, type = formType) {
  return readForm(type, Buffer.from(body))
}
