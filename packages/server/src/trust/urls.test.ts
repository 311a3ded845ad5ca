import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { mistakesText } from './mistake.ts'
import { openReading } from './reading.ts'
import type { Shape } from './shape.ts'
import { issuerUrl, keySetUrl, upstreamUrl } from './urls.ts'

describe('issuer URLs are compared character by character, so they have one form', () => {
  for (const url of [
    'https://login.acme.example',
    'https://login.acme.example/',
    'https://a.example/tenant/7',
    'http://localhost:8080',
    'http://127.0.0.1:1',
    'http://[::1]:8080',
  ]) {
    test(url, () => assert.equal(read(issuerUrl(), url), url))
  }
  const bad: [url: string, message: string][] = [
    [
      'http://login.acme.example',
      'expected https:// (http is for this machine only), got "http://login.acme.example" → write https://login.acme.example',
    ],
    [
      'https://Login.acme.example',
      'not in its normal form: "https://Login.acme.example" → write https://login.acme.example/',
    ],
    ['https://a.example:443', 'not in its normal form: "https://a.example:443" → write https://a.example/'],
    [
      'https://a.example/x/../y',
      'not in its normal form: "https://a.example/x/../y" → write https://a.example/y',
    ],
    ['https://a.example?x', 'an issuer URL has no query and no fragment (RFC 8414 §2)'],
    ['https://a.example/#', 'an issuer URL has no query and no fragment (RFC 8414 §2)'],
    ['https://user@a.example', 'a URL here has no user name and no password'],
    ['ftp://a.example', 'expected http:// or https://, got "ftp://a.example"'],
    ['HTTPS://a.example', 'expected http:// or https://, got "HTTPS://a.example"'],
    ['https:/a.example', 'expected http:// or https://, got "https:/a.example"'],
    [' https://a.example', 'expected http:// or https://, got " https://a.example"'],
    ['https://a.exa\tmple', 'expected http:// or https://, got "https://a.exa\\tmple"'],
  ]
  for (const [url, message] of bad)
    test(`not ${JSON.stringify(url)}`, () => assert.equal(read(issuerUrl(), url), message))
})

test('http is for loopback: names that only look like it are not', () => {
  for (const host of ['localhost', 'a.localhost', '127.9.9.9', '[::1]'])
    assert.equal(read(issuerUrl(), `http://${host}`), `http://${host}`)
  for (const host of ['localhost.example', 'notlocalhost', '127.0.0.1.example', '128.0.0.1', '[::2]']) {
    assert.match(String(read(issuerUrl(), `http://${host}`)), /^expected https:/, host)
  }
})

test('key sets: https, or http on this machine', () => {
  assert.equal(read(keySetUrl(), 'https://a.example/jwks?x=1'), 'https://a.example/jwks?x=1')
  assert.match(String(read(keySetUrl(), 'http://a.example/jwks')), /^expected https:\/\//)
})

describe('upstreams', () => {
  const good: [url: string, origin: string][] = [
    ['http://127.0.0.1:9101', 'http://127.0.0.1:9101'],
    ['http://billing:80/', 'http://billing'],
    ['https://billing.acme.example/v1/', 'https://billing.acme.example/v1'],
    ['http://[::1]:9101', 'http://[::1]:9101'],
  ]
  for (const [url, origin] of good) test(url, () => assert.equal(read(upstreamUrl(), url), origin))
  const bad: [url: string, message: RegExp][] = [
    ['orders:8080', /→ write http:\/\/orders:8080$/],
    ['http://a/x?y', /no query and no fragment → write http:\/\/a\/x$/],
    ['http://u:p@a', /^a URL here has no user name and no password$/],
    ['http://a/../b', /not in its normal form/],
    ['http://a/x/..', /not in its normal form/],
    ['http://a/x%2fy', /expected path segments/],
    ['http://a//x', /expected path segments/],
    ['http://a\\@b', /expected|no user name/],
    ['http://', /expected http/],
  ]
  for (const [url, message] of bad)
    test(`not ${url}`, () => assert.match(String(read(upstreamUrl(), url)), message))
})

/** The value, or `message → next`. */
function read<T>(shape: Shape<T>, value: string): T | string {
  const reading = openReading({ file: 'f', env: {}, readFile: () => '' })
  const place = { line: 1, column: 1 }
  const found = shape.read({ tree: { kind: 'scalar', value, place, keyPlace: place }, path: [] }, reading)
  if (found !== undefined) return found
  assert.equal(reading.mistakes.length, 1, mistakesText('f', reading.mistakes))
  const { message, next } = reading.mistakes[0]!
  return next === undefined ? message : `${message} → ${next}`
}
