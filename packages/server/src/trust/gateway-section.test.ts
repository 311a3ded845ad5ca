import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { mistakesText } from './mistake.ts'
import { readTrust } from './read.ts'

test('where it listens, and by which URL callers reach it', () => {
  const reading = read('listen: 127.0.0.1:9001, url: https://api.acme.example', 'bind: any')
  assert.ok(reading.kind === 'trust')
  assert.deepEqual(reading.trust.gateway, {
    listen: { host: '127.0.0.1', port: 9001 },
    realm: 'countersign',
    url: 'https://api.acme.example',
  })
})

test('how long it goes on without news of what is revoked', () => {
  const reading = read('listen: 127.0.0.1:9001, revocationsStaleAfter: 5m', '')
  assert.ok(reading.kind === 'trust')
  assert.equal(reading.trust.gateway?.revocationsStaleAfterSeconds, 300)
})

describe('mistakes', () => {
  const listen = 'listen: 127.0.0.1:9001'
  const wrong: [gateway: string, service: string, mistake: RegExp][] = [
    [
      `${listen}, url: https://api.acme.example/`,
      '',
      /url.*scheme, host and port.*\n.*https:\/\/api\.acme\.example/,
    ],
    [`${listen}, url: ftp://api.acme.example`, '', /url/],
    [`${listen}, url: https://api.acme.example/v1`, '', /url/],
    [`${listen}, revocationsStaleAfter: 5s`, '', /revocationsStaleAfter/],
    [listen, 'bind: dpop', /services\.billing\.bind.*which URL/],
    [`${listen}, url: https://api.acme.example`, 'bind: dpop, tokenFrom: { header: Token }', /add bearer/],
    [`${listen}, url: https://api.acme.example`, 'bind: tls', /expected dpop, certificate or any/],
  ]
  for (const [gateway, service, expected] of wrong) {
    test(String(expected), () => {
      const reading = read(gateway, service)
      assert.ok(reading.kind === 'mistakes')
      assert.match(mistakesText('t', reading.mistakes), expected)
    })
  }
})

function read(gateway: string, service: string) {
  const text = `gateway: { ${gateway} }
issuer:
  url: https://issuer.acme.example
  listen: 127.0.0.1:0
  store: 'memory:'
services:
  billing:
    { audience: https://billing.acme.example, upstream: http://127.0.0.1:1, at: /billing, ${service} }
`
  return readTrust(text, { file: 't', env: {}, readFile: () => '' })
}
