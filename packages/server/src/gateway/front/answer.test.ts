import assert from 'node:assert/strict'
import { test } from 'node:test'
import { answerText, plainAnswer, wantsJson } from './answer.ts'

test('one line, or a problem document for who wants JSON', () => {
  const line = plainAnswer(502)
  assert.equal(line.headers['Content-Type'], 'text/plain; charset=utf-8')
  assert.ok(!line.body.includes('\n'))
  const document = plainAnswer(503, true, { 'Retry-After': '1' })
  assert.equal(document.headers['Content-Type'], 'application/problem+json')
  assert.equal(document.headers['Retry-After'], '1')
  assert.deepEqual(JSON.parse(document.body), {
    type: 'about:blank',
    title: 'Service Unavailable',
    status: 503,
    detail: 'Service Unavailable, please try again',
  })
})

test('as bytes it says that the connection closes', () => {
  const text = answerText(plainAnswer(431))
  assert.match(text, /^HTTP\/1\.1 431 Request Header Fields Too Large\r\n/)
  assert.match(text, /\r\nContent-Length: 31\r\nConnection: close\r\n\r\nRequest Header Fields Too Large$/)
})

test('whether JSON is wanted is read from Accept, in any case', () => {
  assert.equal(wantsJson(['Host', 'a', 'ACCEPT', 'application/json']), true)
  assert.equal(wantsJson(['Accept', '*/*']), false)
  assert.equal(wantsJson([]), false)
})
