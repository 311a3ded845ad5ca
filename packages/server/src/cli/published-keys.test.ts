import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { isProblem } from '@countersign/sdk/core'
import { freePort } from '../../../../test/machine/free-port.ts'
import { fetchPublishedKeys } from './published-keys.ts'

test('what is published, without the numbers', async (t) => {
  const keys = [
    { kty: 'EC', kid: 'k\u001b[2J', alg: 'ES256', use: 'sig', x: '1', y: '2' },
    { kty: 'RSA' },
    'odd',
  ]
  const url = await issuer(t, (self) => ({
    metadata: { issuer: self, jwks_uri: `${self}/jwks` },
    keys: { keys },
  }))
  assert.deepEqual(await fetchPublishedKeys(url), [
    { kid: 'k\\u001b[2J', alg: 'ES256', kty: 'EC', use: 'sig' },
    { kid: undefined, alg: undefined, kty: 'RSA', use: undefined },
  ])
})

test('what is not an issuer, or another one, is said', async (t) => {
  const cases: [answer: Answer, message: RegExp][] = [
    [() => ({ metadata: { issuer: 'https://other.example' } }), /describes itself as another issuer/],
    [(self) => ({ metadata: { issuer: self } }), /it names no key set/],
    [
      (self) => ({ metadata: { issuer: self, jwks_uri: `${self}/jwks` }, keys: {} }),
      /its key set holds no keys/,
    ],
    [(self) => ({ metadata: { issuer: self, jwks_uri: `${self}/nowhere` } }), /answers with status 404/],
    [() => ({ metadata: 'no json' }), /not JSON/],
  ]
  for (const [answer, message] of cases) {
    const url = await issuer(t, answer)
    await assert.rejects(fetchPublishedKeys(url), (error) => {
      assert.ok(isProblem(error) && error.code === 'issuer-unreachable')
      assert.match(error.message, message)
      return true
    })
  }
})

test('nobody there', async () => {
  await assert.rejects(fetchPublishedKeys(`http://127.0.0.1:${await freePort()}`), /ECONNREFUSED/)
})

type Answer = (self: string) => { metadata: unknown; keys?: unknown }

async function issuer(t: TestContext, answer: Answer): Promise<string> {
  let url = ''
  const server = createServer((request, response) => {
    const { metadata, keys } = answer(url)
    const body =
      request.url === '/.well-known/openid-configuration'
        ? metadata
        : request.url === '/jwks'
          ? keys
          : undefined
    response.statusCode = body === undefined ? 404 : 200
    response.end(typeof body === 'string' ? body : JSON.stringify(body))
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => void server.close())
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  return url
}
