import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { mistakesText } from './mistake.ts'
import { readTrust } from './read.ts'

const issuer = "issuer: { url: http://localhost:8080, listen: 127.0.0.1:8080, store: 'memory:' }"
const routes = 'routes: { GET /: authenticated }'

describe('whose tokens are accepted', () => {
  test('our own, unless said otherwise', () => {
    const { service } = read(routes)
    assert.deepEqual([service?.acceptsOwn, service?.accepts], [true, []])
  })

  test('a list says it all: without own, our own are not', () => {
    const { service } = read(`accepts: [idp], ${routes}`)
    assert.deepEqual([service?.acceptsOwn, service?.accepts], [false, ['idp']])
    assert.deepEqual(read(`accepts: [own, idp, idp], ${routes}`).service?.accepts, ['idp'])
  })

  test('an empty list is for services that ask for no token', () => {
    assert.deepEqual(read('accepts: [], routes: { GET /: open }').service?.acceptsOwn, false)
    assert.match(
      read(`accepts: [], ${routes}`).mistakes,
      /services\.s\.accepts: routes ask for a token, and nobody/,
    )
  })

  test('a misspelt name', () => {
    assert.equal(
      read(`accepts: idpp, ${routes}`).mistakes,
      'f:3:40: services.s.accepts: unknown trusted issuer "idpp"\n    next: did you mean "idp"?',
    )
  })

  test('without an issuer of our own, a service must say whose', () => {
    const without = { top: '' }
    assert.equal(
      read(routes, without).mistakes,
      'f:3:13: services.s.accepts: routes ask for a token, and nobody’s tokens are accepted\n    next: write `accepts: [idp]`',
    )
    assert.match(
      read(`accepts: own, ${routes}`, without).mistakes,
      /there is no issuer section, so no own issuer/,
    )
    assert.equal(read('routes: { GET /: open }', without).mistakes, '')
  })
})

describe('where it stands at the gateway', () => {
  const wrong: [members: string, mistake: RegExp][] = [
    [
      'at: /s, host: s.example, upstream: http://127.0.0.1:1',
      /services\.s\.host: at and host exclude each other/,
    ],
    ['at: /s', /services\.s\.at: the gateway has nowhere to forward to/],
    ['host: s.example', /services\.s\.host: the gateway has nowhere to forward to/],
    ['upstream: http://127.0.0.1:1', /services\.s\.at: missing beside upstream/],
    ['at: /authz/x, upstream: http://127.0.0.1:1', /services\.s\.at: \/authz is the gateway's own/],
    ['at: /.well-known, upstream: http://127.0.0.1:1', /is the gateway's own: metadata/],
  ]
  for (const [members, mistake] of wrong)
    test(members, () => assert.match(read(`${members}, ${routes}`).mistakes, mistake))

  test('a mistaken upstream is not a missing one', () => {
    assert.equal(read(`at: /s, upstream: s, ${routes}`).mistakes.split('\n').length, 2)
  })

  test('guarded by itself only', () => {
    const { service } = read(routes)
    assert.deepEqual([service?.at, service?.host, service?.upstream], [undefined, undefined, undefined])
  })
})

describe('where the token is', () => {
  test('every kind of place', () => {
    const { service } = read(`tokenFrom: [bearer, { header: Token }, { cookie: session }], ${routes}`)
    assert.deepEqual(service?.tokenFrom, [
      { kind: 'bearer' },
      { kind: 'header', name: 'Token' },
      { kind: 'cookie', name: 'session' },
    ])
    assert.deepEqual(read(`tokenFrom: { header: Token }, ${routes}`).service?.tokenFrom, [
      { kind: 'header', name: 'Token' },
    ])
  })

  const wrong: [place: string, mistake: RegExp][] = [
    ['basic', /expected bearer, \{ header: Name \} or \{ cookie: name \}, got a text/],
    ['{ header: Authorization }', /Authorization is read as a whole\n {4}next: write bearer/],
    ['{ header: Content-Length }', /has another meaning/],
    ['{ header: Countersign-Subject }', /has another meaning/],
    ['{ header: "a b" }', /expected the name of a header/],
    ['{ cookie: "a=b" }', /expected the name of a cookie/],
    ['{ header: A, cookie: b }', /expected exactly one of header and cookie/],
    ['{ query: t }', /unknown key "query"/],
  ]
  for (const [place, mistake] of wrong)
    test(place, () => assert.match(read(`tokenFrom: [${place}], ${routes}`).mistakes, mistake))
})

describe('roles and scopes', () => {
  test('scopes that are not declared are those the routes ask for', () => {
    assert.deepEqual(
      read('routes: { GET /: { scopes: [a, b] }, PUT /: { anyOf: [{ scopes: b }, { scopes: c }] } }').service
        ?.scopes,
      ['a', 'b', 'c'],
    )
  })

  test('declared ones are a promise', () => {
    assert.match(
      read('scopes: [read], routes: { GET /: { scopes: raed } }').mistakes,
      /unknown scope "raed"\n {4}next: did you mean "read"\?/,
    )
    assert.match(read('scopes: [], routes: { GET /: { scopes: read } }').mistakes, /declares no scopes/)
  })

  test('roles are always declared', () => {
    assert.match(
      read('routes: { GET /: { roles: admin } }').mistakes,
      /the role "admin", but the service declares no roles\n {4}next: write `roles: \[admin\]`/,
    )
  })

  test('a mistaken list of roles brings no second mistake', () => {
    assert.equal(
      read('roles: admin, routes: { GET /: { roles: admin } }').mistakes,
      'f:3:38: services.s.roles: expected a list of roles, got a text',
    )
  })
})

test('a service without routes works, and is probably not meant', () => {
  assert.equal(
    read('roles: [a]').warnings,
    'f:3:13: services.s.routes: no routes: every request to it is denied',
  )
})

function read(members: string, { top = issuer } = {}) {
  const text = `${top}\ntrusted: { idp: { issuer: https://idp.example, audience: a, algorithms: RS256 } }\nservices: { s: { audience: s, ${members} } }`
  const reading = readTrust(text, { file: 'f', env: {}, readFile: () => '' })
  return {
    service: reading.kind === 'trust' ? reading.trust.services.get('s') : undefined,
    mistakes: reading.kind === 'mistakes' ? mistakesText('f', reading.mistakes) : '',
    warnings: mistakesText('f', reading.warnings),
  }
}
