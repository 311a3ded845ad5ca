import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { mistakesText } from './mistake.ts'
import { openReading } from './reading.ts'
import * as scalars from './scalars.ts'
import type { Shape } from './shape.ts'

describe('durations', () => {
  const shape = scalars.duration({ min: '10s', max: '30d' })
  const good: [text: string, seconds: number][] = [
    ['10s', 10],
    ['5m', 300],
    ['12h', 43_200],
    ['30d', 2_592_000],
  ]
  for (const [text, seconds] of good) test(text, () => assert.equal(read(shape, text), seconds))
  for (const text of [
    '9s',
    '31d',
    '0s',
    '-5m',
    '5',
    '5M',
    '1.5h',
    ' 5m',
    '5m ',
    '05m',
    '',
    '9999999999s',
    '1h30m',
  ]) {
    test(`not ${JSON.stringify(text)}`, () => assert.match(String(read(shape, text)), /expected/))
  }
  test('a bare number gets its unit suggested', () => {
    assert.equal(
      read(shape, 300),
      'expected a duration such as 30s, 5m, 12h or 30d, got the number 300 → write 300s for seconds',
    )
  })
})

describe('listen addresses', () => {
  const shape = scalars.listenAddress()
  const good: [text: string, host: string, port: number][] = [
    ['127.0.0.1:8080', '127.0.0.1', 8080],
    ['[::1]:0', '::1', 0],
    ['localhost:65535', 'localhost', 65_535],
    ['0.0.0.0:80', '0.0.0.0', 80],
  ]
  for (const [text, host, port] of good) test(text, () => assert.deepEqual(read(shape, text), { host, port }))
  for (const text of [
    '127.0.0.1',
    '::1:80',
    '[1.2.3.4]:80',
    '127.0.0.1:65536',
    '127.0.0.1:080',
    '127.0.0.1:',
    'a b:80',
    '256.0.0.1 :80',
    'http://x:80',
    '*:80',
  ]) {
    test(`not ${text}`, () => assert.match(String(read(shape, text)), /expected host:port/))
  }
  test('every interface must be said', () => {
    assert.equal(
      read(shape, ':8080'),
      'no host in ":8080" → write 127.0.0.1:8080, or 0.0.0.0:8080 for every interface',
    )
    assert.match(String(read(shape, 8080)), /→ write 127\.0\.0\.1:8080$/)
  })
})

describe('path prefixes', () => {
  const shape = scalars.pathPrefix()
  for (const text of ['/', '/billing', '/teams/a-b_c.d~e'])
    test(text, () => assert.equal(read(shape, text), text))
  const bad: [text: string, next: RegExp][] = [
    ['billing', /→ write \/billing$/],
    ['/billing/', /→ write \/billing$/],
    ['//billing', /expected segments/],
    ['/a/../b', /expected segments/],
    ['/a%2fb', /expected segments/],
    ['/a?b', /expected segments/],
    ['', /expected a path/],
  ]
  for (const [text, message] of bad)
    test(`not ${text}`, () => assert.match(String(read(shape, text)), message))
})

test('host names are lower case and have no port', () => {
  assert.equal(read(scalars.hostName(), 'billing.acme.example'), 'billing.acme.example')
  assert.match(String(read(scalars.hostName(), 'Billing.acme')), /→ write billing\.acme$/)
  for (const text of ['a:80', '-a', 'a..b', 'a_b', '', 'x'.repeat(64)])
    assert.match(String(read(scalars.hostName(), text)), /expected/)
})

test('audiences and issuers are any text without spaces', () => {
  for (const text of ['billing.jwtgo.io', 'https://billing.acme.example', 'urn:x'])
    assert.equal(read(scalars.audience(), text), text)
  for (const text of ['', 'a b', 'a\n', 'a\u00a0b', 'x'.repeat(513)])
    assert.match(String(read(scalars.audience(), text)), /expected an audience/)
})

test('roles and scopes can be split at spaces again (RFC 6749 §3.3)', () => {
  for (const text of ['reader', 'invoices:write', 'https://x/y', '!#[]~'])
    assert.equal(read(scalars.scopeToken('scope'), text), text)
  for (const text of ['', 'a b', 'a"b', 'a\\b', 'é', 'x'.repeat(129)])
    assert.match(String(read(scalars.scopeToken('role'), text)), /expected a role/)
})

test('JSON Pointers (RFC 6901)', () => {
  for (const text of ['/roles', '/realm_access/roles', '/a~1b/~0', '/'])
    assert.equal(read(scalars.jsonPointer(), text), text)
  for (const text of ['', 'roles', '/a~', '/a~2'])
    assert.match(String(read(scalars.jsonPointer(), text)), /expected a JSON Pointer/)
})

test('a realm stands inside quotes', () => {
  assert.equal(read(scalars.realmText(), 'acme services'), 'acme services')
  for (const text of ['', 'a"b', 'a\\b', 'a\r\nb', 'é'])
    assert.match(String(read(scalars.realmText(), text)), /expected 1 to 128/)
})

test('words', () => {
  const shape = scalars.word(['ES256', 'RS256'])
  assert.equal(read(shape, 'ES256'), 'ES256')
  assert.equal(read(shape, 'es256'), 'expected ES256 or RS256, got "es256" → did you mean "ES256"?')
  assert.equal(read(shape, 'none'), 'expected ES256 or RS256, got "none"')
})

test('names of services', () => {
  const key = scalars.nameKey('service names', { own: 'it is ours' })
  for (const name of ['a', 'order-api', 'a1']) assert.equal(key.wrong(name), undefined)
  for (const name of ['', 'A', '1a', 'a_b', 'a.b', 'x'.repeat(64)]) assert.ok(key.wrong(name))
  assert.equal(key.wrong('own')?.message, 'the name "own" is taken: it is ours')
  assert.equal(key.wrong('constructor'), undefined)
})

test('client ids have no colon: it parts id and secret in HTTP Basic', () => {
  for (const id of ['orders', 'Orders.v2', 'a_b-c']) assert.equal(scalars.clientIdKey().wrong(id), undefined)
  for (const id of ['', 'a:b', 'a b', '.a', 'é']) assert.ok(scalars.clientIdKey().wrong(id))
})

test('header names (RFC 9110 §5.1)', () => {
  assert.ok(scalars.isFieldName('X-Token'))
  for (const name of ['', 'a b', 'a:b', 'é', 'x'.repeat(65)]) assert.ok(!scalars.isFieldName(name))
})

/** The value, or `message → next`. */
function read<T>(shape: Shape<T>, value: string | number): T | string {
  const reading = openReading({ file: 'f', env: {}, readFile: () => '' })
  const place = { line: 1, column: 1 }
  const found = shape.read({ tree: { kind: 'scalar', value, place, keyPlace: place }, path: [] }, reading)
  if (found !== undefined) return found
  assert.equal(reading.mistakes.length, 1, mistakesText('f', reading.mistakes))
  const { message, next } = reading.mistakes[0]!
  return next === undefined ? message : `${message} → ${next}`
}
