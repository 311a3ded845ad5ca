import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { canonicalPath } from './path.ts'

test('a plain target is itself', () => {
  assert.deepEqual(canonicalPath('/invoices/7?page=2&q=a%zz\\'), {
    path: '/invoices/7',
    segments: ['invoices', '7'],
    query: '?page=2&q=a%zz\\',
  })
})

for (const [target, path, segments] of [
  ['/', '/', ['']],
  ['/a', '/a', ['a']],
  ['/a/', '/a/', ['a', '']],
  ['/a/b/c', '/a/b/c', ['a', 'b', 'c']],
  ['/%61dmin', '/admin', ['admin']],
  ['/%41%2d%5f%7e%2E5', '/A-_~.5', ['A-_~.5']],
  ['/caf%c3%a9', '/caf%C3%A9', ['café']],
  ['/a%3ab/a:b', '/a%3Ab/a:b', ['a:b', 'a:b']],
  ['/100%25', '/100%25', ['100%']],
  ['/100%25/2', '/100%25/2', ['100%', '2']],
  ['/a%20b%3f%23', '/a%20b%3F%23', ['a b?#']],
  ['/...', '/...', ['...']],
  ['/.well-known/x', '/.well-known/x', ['.well-known', 'x']],
  ['/..a/.b', '/..a/.b', ['..a', '.b']],
  ['/a[0]|b', '/a[0]|b', ['a[0]|b']],
  ['/%66/', '/f/', ['f', '']],
] as const) {
  test(`${target} is read as ${path}`, () => {
    const result = canonicalPath(target)
    assert.deepEqual(result, { path, segments: [...segments], query: '' })
  })
}

for (const target of [
  // empty and dot segments
  ...['//', '//a', '/a//b', '/a//', '/.', '/..', '/a/.', '/a/..', '/./a', '/../a', '/a/../b', '/..?x'],
  ...['/%2e', '/%2E%2e', '/.%2e/a', '/a/%2e./b', '/%2e%2E/%61', '/a/%2e?b', '/x%61//y', '/%61//'],
  // parameters, also behind dots
  ...[
    '/a;b',
    '/..;/a',
    '/..;',
    '/;',
    '/.;x=y/a',
    '/..%3b/a',
    '/.%3Bx',
    '/%2e%2e%3b',
    '/a%3bb',
    '/a%3B/b',
    '/%3b',
  ],
  // separators in disguise
  ...['/a%2fb', '/a%2Fb', '/a%5cb', '/a%5Cb', '/a\\b', '/..\\a', '/a%c0%af', '/%e0%80%af', '/%c0%ae%c0%ae/a'],
  // characters that cut or hide
  ...[
    '/a#b',
    '/a?b#c',
    '/a%00',
    '/%00',
    '/a%0d%0ab',
    '/a%7f',
    '/a%09b',
    '/a\u0000b',
    '/a\tb',
    '/a\r\nb',
    '/a b',
  ],
  ...['/a?b\tc', '/a?b\u0000', '/a?é', '/é', '/\u{1f600}', '/a\u007f', '/a"b', '/a<b', '/a{b}', '/a`', '/a^'],
  // encodings that are none, or two
  ...['/%', '/a%', '/a%4', '/a%zz', '/%%41', '/%4/1', '/%u0041', '/%ff', '/%c3', '/%ed%a0%80', '/%c3/%a9'],
  ...['/%252e%252e/a', '/%252f', '/%25252e', '/%25%32%65', '/%2541'],
]) {
  test(`${JSON.stringify(target)} is refused`, () => {
    const result = canonicalPath(target)
    assert.ok('reason' in result, JSON.stringify(result))
    assert.equal(result.reason, 'path-ambiguous')
  })
}

for (const target of ['', '*', 'a', 'http://admin/x', 'admin:443', '?a', '\\a', '%2fa']) {
  test(`${JSON.stringify(target)} is no origin-form`, () => {
    const result = canonicalPath(target)
    assert.equal('reason' in result && result.reason, 'request-malformed')
  })
}

/** `FC_RUNS=100` tries two million; a failure names its seed, and `FC_SEED` repeats it. A million against a model: `test/fuzz`. */
const { FC_RUNS, FC_SEED } = process.env
const runs = {
  numRuns: 20_000 * Number(FC_RUNS ?? 1),
  ...(FC_SEED === undefined ? {} : { seed: Number(FC_SEED) }),
}

const piece = fc.oneof(
  fc.constantFrom(
    '/',
    '/',
    '.',
    '..',
    '%2e',
    '%2E',
    '%2f',
    '%5C',
    ';',
    '%3b',
    '//',
    '\\',
    '#',
    '?',
    '%',
    '%00',
  ),
  fc.constantFrom(
    'a',
    'B',
    '7',
    '-',
    '~',
    '%61',
    '%7E',
    ':',
    '%3A',
    '%c3%a9',
    '%25',
    '%2541',
    '%20',
    '[',
    '{',
  ),
  fc.string({ maxLength: 3 }),
  fc.integer({ min: 0, max: 255 }).map((byte) => '%' + byte.toString(16).padStart(2, '0')),
)
const targets = fc.array(piece, { maxLength: 12 }).map((pieces) => '/' + pieces.join(''))

test('property: what is accepted reads the same to everybody behind us', () => {
  let accepted = 0
  fc.assert(
    fc.property(targets, (target) => {
      const result = canonicalPath(target)
      if ('reason' in result) return
      accepted++
      assert.deepEqual(canonicalPath(result.path + result.query), result, 'reading it again changes nothing')
      assert.equal(
        new URL('http://host' + result.path).pathname,
        result.path,
        'a WHATWG parser changes nothing',
      )
      assert.equal(result.path.slice(1).split('/').length, result.segments.length)
      for (const segment of result.segments) {
        assert.ok(segment !== '.' && segment !== '..' && !/[/\\\u0000-\u001f\u007f]/.test(segment), segment)
      }
    }),
    runs,
  )
  assert.ok(accepted > 1000, `only ${accepted} targets were accepted: the property says little`)
})
