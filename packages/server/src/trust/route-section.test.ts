import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { createRouteTable } from '@countersign/sdk/policy'
import { mistakesText } from './mistake.ts'
import { openReading } from './reading.ts'
import { resolveRoutes, routesSection, scopesAskedFor } from './route-section.ts'
import { readTree } from './tree.ts'
import type { Tree } from './tree.ts'

test('routes come in the file’s order, with their lines, and the route table takes them', () => {
  const { routes, mistakes } = read(
    'GET /: open\n"*  /x": open\nGET /a/{id}: authenticated\n"* /{**}": { roles: admin }\n',
  )
  assert.equal(
    mistakes,
    'f:2:1: "*  /x": expected a method and a path with one space between\n    next: for example "GET /invoices/{id}"',
  )
  const good = routes.filter(({ template }) => template !== '')
  assert.deepEqual(
    good.map(({ method, template, line }) => [method, template, line]),
    [
      ['GET', '/', 1],
      ['GET', '/a/{id}', 3],
      ['*', '/{**}', 4],
    ],
  )
  createRouteTable(good)
})

describe('keys that are no route', () => {
  const wrong: [key: string, message: string][] = [
    ['/health', 'expected a method and a path with one space between → for example "GET /invoices/{id}"'],
    ['get /x', 'unknown method "get" → did you mean GET?'],
    ['DELTE /x', 'unknown method "DELTE" → did you mean DELETE?'],
    ['CONNECT /x', 'unknown method "CONNECT" → write an HTTP method in upper case, or * for the usual ones'],
    ['GET health', 'a template starts with a slash → write /health'],
    ['GET /a/{**}/b', '{**} stands for the rest of the path → move it to the end'],
    ['GET /a/*', '"*": no wildcards → write {name} for one segment, {**} for the rest'],
    ['GET /a/:id', '":id" is no parameter → write {id}'],
    ['GET /a?b=c', 'a template has no query → take off the question mark and what follows'],
  ]
  for (const [key, message] of wrong) {
    test(key, () => {
      const reading = newReading()
      routesSection.read({ tree: treeOf(`${JSON.stringify(key)}: open`), path: [] }, reading)
      assert.deepEqual(
        reading.mistakes.map((found) => [found.message, found.next].filter(Boolean).join(' → ')),
        [message],
      )
    })
  }
})

test('two rules for the same requests are refused, whatever the parameter is called', () => {
  const { mistakes } = read(
    'GET /a/{id}: open\nPUT /a/{id}: open\nGET /a/{name}: authenticated\nGET /a/%62: open\nGET /a/b: open\n',
  )
  assert.equal(
    mistakes,
    [
      'f:3:16: "GET /a/{name}": fits the same requests as the route on line 1\n    next: keep one',
      'f:5:11: "GET /a/b": fits the same requests as the route on line 4\n    next: keep one',
    ].join('\n'),
  )
})

test('what the policy compiler refuses is said here, not when the gateway starts', () => {
  assert.match(
    read('GET /: { not: { roles: [admin], scopes: s } }').mistakes,
    /"GET \/": policy\.not: more than one thing stands under not/,
  )
})

test('scopes are found in every corner of the policies', () => {
  const tree = treeOf(
    'GET /a: { scopes: a }\nGET /b: { anyOf: [{ scopes: [b, c] }, { not: { allOf: [{ scopes: d }] } }] }\nGET /c: open',
  )
  assert.deepEqual(scopesAskedFor({ tree, path: [] }), ['a', 'b', 'c', 'd'])
})

function read(yaml: string) {
  const reading = newReading()
  const drafts = routesSection.read({ tree: treeOf(yaml), path: [] }, reading)
  const routes = resolveRoutes(drafts ?? new Map(), { roles: ['admin'], scopes: undefined }, reading)
  return { routes, mistakes: mistakesText('f', reading.mistakes) }
}

function newReading() {
  return openReading({ file: 'f', env: {}, readFile: () => '' })
}

function treeOf(yaml: string): Tree {
  const parsed = readTree(yaml)
  return parsed.kind === 'tree' ? parsed.tree : assert.fail(mistakesText('f', parsed.mistakes))
}
