import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readMethod, readTemplate } from './template.ts'

test('literals are decoded, parameters named, the tail recognised', () => {
  assert.deepEqual(readTemplate('/a/{id}/caf%c3%a9/{**}'), {
    segments: [
      { kind: 'literal', text: 'a' },
      { kind: 'name', name: 'id' },
      { kind: 'literal', text: 'café' },
      { kind: 'tail' },
    ],
    hasParams: true,
  })
  assert.deepEqual(readTemplate('/'), { segments: [{ kind: 'literal', text: '' }], hasParams: false })
  assert.deepEqual(readTemplate('/a/').segments[1], { kind: 'literal', text: '' })
})

for (const [template, message, next] of [
  ['invoices', 'a template starts with a slash', 'write /invoices'],
  ['', 'a template starts with a slash', 'write /'],
  ['/{**}/a', '{**} stands for the rest of the path', 'move it to the end'],
  ['/a{b}', '"a{b}": a parameter is a whole segment', 'put a slash before and after it'],
  ['/{a}-{b}', '{a}-{b}: not a name', 'use letters, digits and _, beginning with a letter'],
  ['/{}', '{}: not a name', 'use letters, digits and _, beginning with a letter'],
  ['/{1a}', '{1a}: not a name', 'use letters, digits and _, beginning with a letter'],
  ['/{__proto__}', '{__proto__}: not a name', 'choose another one'],
  ['/{a}/{a}', 'the name {a} stands there twice', 'give each parameter a name of its own'],
  ['/files/*', '"*": no wildcards', 'write {name} for one segment, {**} for the rest'],
  ['/a/:id', '":id" is no parameter', 'write {id}'],
  ['/a?b', 'a template has no query', 'take off the question mark and what follows'],
  ['/a//b', 'an empty segment ("//")', 'write a single slash'],
  ['/a/..', 'a dot segment in the path', 'no request can match this'],
  ['/a/%2f', 'an encoded slash or backslash in the path', 'no request can match this'],
  ['/é', 'a byte beyond ASCII in the request target', 'no request can match this'],
] as const) {
  test(`${template} is refused: ${message}`, () => {
    assert.throws(() => readTemplate(template), {
      name: 'Problem',
      code: 'route-invalid',
      message: `${template}: ${message}`,
      next,
    })
  })
}

test('methods are upper case, and two cannot be routed', () => {
  for (const method of ['GET', 'QUERY', 'M-SEARCH', '*']) assert.equal(readMethod(method, '/a'), method)
  for (const method of ['get', '', 'GET,POST', 'G ET', '**', 'TRACE', 'CONNECT']) {
    assert.throws(() => readMethod(method, '/a'), { code: 'route-invalid' }, method)
  }
})
