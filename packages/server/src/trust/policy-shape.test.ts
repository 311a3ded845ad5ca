import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { compilePolicy } from '@countersign/sdk/policy'
import { mistakesText } from './mistake.ts'
import { checkPolicyNames, namesIn, requirement } from './policy-shape.ts'
import { openReading } from './reading.ts'
import { readTree } from './tree.ts'
import type { Tree } from './tree.ts'

describe('requirements', () => {
  const good: [yaml: string, value: unknown][] = [
    ['open', 'open'],
    ['authenticated', 'authenticated'],
    ['{ roles: admin }', { roles: ['admin'] }],
    ['{ roles: [a, b], scopes: s }', { roles: ['a', 'b'], scopes: ['s'] }],
    ['{ claims: { /tenant: { equals: acme } } }', { claims: { '/tenant': { equals: 'acme' } } }],
    [
      '{ claims: { a: { in: [1, true, x] }, b: { exists: false } } }',
      { claims: { a: { in: [1, true, 'x'] }, b: { exists: false } } },
    ],
    [
      '{ anyOf: [{ roles: a }, { not: { scopes: s } }] }',
      { anyOf: [{ roles: ['a'] }, { not: { scopes: ['s'] } }] },
    ],
    [
      '{ allOf: [{ roles: a }, { claims: { g: { contains: x } } }] }',
      { allOf: [{ roles: ['a'] }, { claims: { g: { contains: 'x' } } }] },
    ],
  ]
  for (const [yaml, value] of good) {
    test(yaml, () => {
      const read = readRequirement(yaml)
      assert.deepEqual(read.value, value)
      compilePolicy(read.value!)
    })
  }

  const bad: [yaml: string, mistakes: string][] = [
    [
      'opne',
      'f:1:1: expected open, authenticated or a policy, got "opne"\n    next: write open for anybody, authenticated for any valid token, or { roles: … }',
    ],
    [
      '~',
      'f:1:1: expected open, authenticated or a policy, got nothing\n    next: write open for anybody, authenticated for any valid token, or { roles: … }',
    ],
    [
      '[open]',
      'f:1:1: expected open, authenticated or a policy, got a list\n    next: write open for anybody, authenticated for any valid token, or { roles: … }',
    ],
    ['{}', 'f:1:1: an empty policy asks for nothing\n    next: write authenticated, or say what is needed'],
    ['{ role: a }', 'f:1:3: role: unknown key "role"\n    next: did you mean "roles"?'],
    ['{ roles: [] }', 'f:1:10: roles: expected at least 1 of: roles'],
    ['{ anyOf: [] }', 'f:1:10: anyOf: expected at least 1 of: policies'],
    [
      '{ anyOf: [{ rolse: a }] }',
      'f:1:13: anyOf[0].rolse: unknown key "rolse"\n    next: did you mean "roles"?',
    ],
    [
      '{ claims: {} }',
      'f:1:11: claims: expected a map from claims to predicates, got an empty map\n    next: for example { /tenant: { equals: acme } }',
    ],
    [
      '{ claims: { a: {} } }',
      'f:1:16: claims.a: an empty predicate asks for nothing\n    next: write { exists: true }, or say what must hold',
    ],
    [
      '{ claims: { /a~: { exists: true } } }',
      'f:1:18: claims."/a~": expected the name of a claim or a JSON Pointer (RFC 6901) such as /tenant',
    ],
    [
      '{ claims: { a: { equals: ~ } } }',
      'f:1:26: claims.a.equals: expected a text, a number, true or false, got nothing',
    ],
    ['{ claims: { a: { prefix: "" } } }', 'f:1:26: claims.a.prefix: an empty prefix fits everything'],
    ['{ claims: { a: { exists: 1 } } }', 'f:1:26: claims.a.exists: expected true or false, got the number 1'],
    [
      '{ claims: { a: { matches: .* } } }',
      'f:1:18: claims.a.matches: unknown key "matches"\n    next: known: equals, in, contains, exists, prefix',
    ],
  ]
  for (const [yaml, mistakes] of bad) test(yaml, () => assert.equal(readRequirement(yaml).mistakes, mistakes))

  test('a claim may have the name of a member of every object', () => {
    const { value } = readRequirement('{ claims: { __proto__: { exists: true } } }')
    assert.deepEqual(typeof value === 'object' ? Object.keys(value.claims ?? {}) : [], ['__proto__'])
  })
})

test('roles and scopes are looked up wherever they stand in a policy', () => {
  const tree = treeOf(
    '{ roles: [reader, xx], not: { anyOf: [{ roles: raeder }, { allOf: [{ scopes: s }] }] } }',
  )
  assert.equal(
    names(tree, { roles: ['reader'], scopes: ['write'] }),
    [
      'f:1:19: roles[1]: unknown role "xx"\n    next: known: reader',
      'f:1:48: not.anyOf[0].roles: unknown role "raeder"\n    next: did you mean "reader"?',
      'f:1:78: not.anyOf[1].allOf[0].scopes: unknown scope "s"\n    next: known: write',
    ].join('\n'),
  )
  assert.equal(names(tree, { roles: undefined, scopes: undefined }), '')
  assert.match(
    names(tree, { roles: [], scopes: undefined }),
    /the role "reader", but the service declares no roles\n {4}next: write `roles: \[reader\]` in the service/,
  )
})

test('names in a text and in a list', () => {
  const of = (yaml: string): string[] => namesIn({ tree: treeOf(yaml), path: [] }).map(([name]) => name)
  assert.deepEqual([of('a'), of('[a, 1, b]'), of('{a: b}')], [['a'], ['a', 'b'], []])
})

function readRequirement(yaml: string) {
  const reading = newReading()
  const value = requirement().read({ tree: treeOf(yaml), path: [] }, reading)
  return { value, mistakes: mistakesText('f', reading.mistakes) }
}

function names(tree: Tree, declared: Parameters<typeof checkPolicyNames>[1]): string {
  const reading = newReading()
  checkPolicyNames({ tree, path: [] }, declared, reading)
  return mistakesText('f', reading.mistakes)
}

function newReading() {
  return openReading({ file: 'f', env: {}, readFile: () => '' })
}

function treeOf(yaml: string): Tree {
  const parsed = readTree(yaml)
  return parsed.kind === 'tree' ? parsed.tree : assert.fail(mistakesText('f', parsed.mistakes))
}
