import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { canonicalPath } from './path.ts'
import { createRouteTable } from './route-table.ts'

const invoices = createRouteTable(
  [
    'GET /',
    'GET /health',
    'GET /invoices/{id}',
    'POST /invoices',
    'PUT /invoices/draft',
    'GET /invoices/{id}/lines/{line}',
    'GET /invoices/draft/lines',
    'GET /files/{**}',
    'HEAD /files/{**}',
    '* /any/{name}',
    'DELETE /any/{name}',
    'PROPFIND /dav',
    'GET /a:b/{c}',
  ].map(route),
)

for (const [request, expected, params] of [
  ['GET /', 'GET /', {}],
  ['HEAD /health', 'GET /health', {}],
  ['GET /invoices/7', 'GET /invoices/{id}', { id: '7' }],
  ['GET /invoices/caf%C3%A9%20x', 'GET /invoices/{id}', { id: 'café x' }],
  ['POST /invoices', 'POST /invoices', {}],
  ['GET /invoices/7/lines/3', 'GET /invoices/{id}/lines/{line}', { id: '7', line: '3' }],
  ['GET /invoices/draft/lines', 'GET /invoices/draft/lines', {}],
  // The literal `draft` leads nowhere here, so the name is tried.
  ['GET /invoices/draft/lines/3', 'GET /invoices/{id}/lines/{line}', { id: 'draft', line: '3' }],
  ['GET /files/', 'GET /files/{**}', { '**': '' }],
  ['GET /files/a/b/', 'GET /files/{**}', { '**': 'a/b/' }],
  ['HEAD /files/a', 'HEAD /files/{**}', { '**': 'a' }],
  ['PATCH /any/x', '* /any/{name}', { name: 'x' }],
  ['DELETE /any/x', 'DELETE /any/{name}', { name: 'x' }],
  ['PROPFIND /dav', 'PROPFIND /dav', {}],
  // Whichever way a sub-delimiter is spelled, it is the same rule.
  ['GET /a:b/1', 'GET /a:b/{c}', { c: '1' }],
  ['GET /a%3ab/1', 'GET /a:b/{c}', { c: '1' }],
] as const) {
  test(`${request} is ${expected}`, () => {
    const match = ask(request)
    assert.equal(match.kind, 'route')
    assert.equal(match.kind === 'route' && `${match.route.method} ${match.route.template}`, expected)
    assert.deepEqual(match.kind === 'route' && match.params, params)
  })
}

for (const request of [
  'GET /nothing',
  'GET /health/',
  'GET /Health',
  'GET /invoices/',
  'GET /invoices/7/',
  'GET /files',
  'GET /any/',
  'GET /any/x/y',
]) {
  test(`${request} is unknown`, () => {
    assert.deepEqual(ask(request), { kind: 'route-unknown' })
  })
}

test('the path decides before the method: no wider template is asked instead', () => {
  assert.deepEqual(ask('GET /invoices/draft'), { kind: 'method-unknown', allow: ['PUT'] })
  assert.deepEqual(ask('DELETE /health'), { kind: 'method-unknown', allow: ['GET', 'HEAD'] })
})

test('* stands for the usual methods only', () => {
  const match = ask('PROPFIND /any/x')
  assert.deepEqual(match, {
    kind: 'method-unknown',
    allow: ['DELETE', 'GET', 'HEAD', 'OPTIONS', 'PATCH', 'POST', 'PUT'],
  })
  assert.equal(ask('TRACE /any/x').kind, 'method-unknown')
  assert.equal(ask('get /any/x').kind, 'method-unknown')
})

test('leading segments can be left out', () => {
  const path = canonicalPath('/billing/invoices/7')
  assert.ok('segments' in path)
  const match = invoices.match('GET', path, 1)
  assert.deepEqual(match.kind === 'route' && match.params, { id: '7' })
  for (const target of ['/billing', '/billing/']) {
    const prefix = canonicalPath(target)
    assert.ok('segments' in prefix)
    const root = invoices.match('GET', prefix, 1)
    assert.equal(root.kind === 'route' && root.route.template, '/', target)
  }
})

test('two routes that match the same requests are a conflict', () => {
  for (const [first, second, message] of [
    ['GET /a/{x}', 'GET /a/{y}', 'GET /a/{y}: matches the same requests as GET /a/{x}'],
    ['GET /a', 'GET /%61', 'GET /%61: matches the same requests as GET /a'],
    ['* /a/{**}', '* /a/{**}', '* /a/{**}: matches the same requests as * /a/{**}'],
  ] as const) {
    assert.throws(() => createRouteTable([route(first), route(second)]), { code: 'route-conflict', message })
  }
  createRouteTable(['GET /a', 'POST /a', 'GET /a/', 'GET /a/{x}', 'GET /a/{**}', '* /a'].map(route))
})

test('a malformed template or method is named', () => {
  assert.throws(() => createRouteTable([route('GET /a/{')]), { code: 'route-invalid', message: /^\/a\/\{: / })
  assert.throws(() => createRouteTable([route('get /a')]), { code: 'route-invalid', message: /^\/a: "get"/ })
})

test('no request names a property of a prototype', () => {
  for (const name of ['__proto__', 'constructor', 'toString']) {
    assert.deepEqual(ask(`GET /${name}`), { kind: 'route-unknown' })
    const match = ask(`GET /invoices/${name}`)
    assert.deepEqual(match.kind === 'route' && match.params, { id: name })
  }
})

test('property: it finds what sorting all matching templates by precedence finds', () => {
  const segment = fc.constantFrom('a', 'b', '{x}', '{y}')
  const template = fc
    .tuple(fc.array(segment, { maxLength: 3 }), fc.constantFrom('', '/', '/{**}'))
    .map(([segments, end]) => '/' + segments.join('/') + (segments.length === 0 ? end.slice(1) : end))
    .filter((text) => !(text.split('{x}').length > 2 || text.split('{y}').length > 2))
  const routes = fc.array(fc.tuple(fc.constantFrom('GET', 'POST', '*'), template), { maxLength: 8 })
  const path = fc
    .array(fc.constantFrom('a', 'b', 'c'), { maxLength: 4 })
    .map((parts) => '/' + parts.join('/'))
  const target = fc
    .tuple(path, fc.constantFrom('', '/'))
    .map(([text, end]) => (text === '/' ? text : text + end))
  let found = 0
  fc.assert(
    fc.property(routes, fc.constantFrom('GET', 'HEAD', 'POST'), target, (pairs, method, text) => {
      const shapes = new Set<string>()
      const unique = pairs
        .map(([verb, templateText]) => ({ method: verb, template: templateText }))
        .filter(({ method: verb, template: templateText }) => {
          const shape = `${verb} ${templateText.replaceAll(/\{[xy]\}/g, '{}')}`
          return !shapes.has(shape) && shapes.add(shape)
        })
      const parsed = canonicalPath(text)
      assert.ok('segments' in parsed)
      const match = createRouteTable(unique).match(method, parsed)
      const expected = naive(unique, method, text)
      if (expected !== undefined) found++
      assert.equal(match.kind === 'route' ? match.route : undefined, expected)
    }),
    { numRuns: 5000 },
  )
  assert.ok(found > 200, `only ${found} matches: the property says little`)
})

/** The most specific matching template by comparing segment kinds from the left; then its method. */
function naive(
  routes: { method: string; template: string }[],
  method: string,
  path: string,
): { method: string; template: string } | undefined {
  const matching = routes
    .filter(({ template }) => {
      const pattern = template.replaceAll(/\{[xy]\}/g, '[^/]+').replace('{**}', '.*')
      return new RegExp(`^${pattern}$`).test(path)
    })
    .map((candidate) => ({ candidate, rank: candidate.template.split('/').map(rankOf).join('') }))
    .sort((left, right) => left.rank.localeCompare(right.rank))
  const best = matching.filter(({ rank }) => rank === matching[0]!.rank).map(({ candidate }) => candidate)
  const listed = (name: string) => best.find((candidate) => candidate.method === name)
  return listed(method) ?? (method === 'HEAD' ? listed('GET') : undefined) ?? listed('*')
}

function rankOf(segment: string): string {
  return segment === '{**}' ? '2' : segment.startsWith('{') ? '1' : '0'
}

function route(text: string): { method: string; template: string } {
  const [method, template] = text.split(' ')
  return { method: method!, template: template! }
}

function ask(request: string): ReturnType<typeof invoices.match> {
  const { method, template } = route(request)
  const path = canonicalPath(template)
  assert.ok('segments' in path)
  return invoices.match(method, path)
}
