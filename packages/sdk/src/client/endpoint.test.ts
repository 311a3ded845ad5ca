import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { after, test } from 'node:test'
import type { Problem } from '../core/problem.ts'
import { checkSecretUrl, discoverTokenEndpoint } from './endpoint.ts'

let documents: Record<string, unknown> = {}
const server = createServer((request, response) => {
  const document = documents[request.url!]
  response.writeHead(document === undefined ? 404 : 200, { 'Content-Type': 'application/json' })
  response.end(JSON.stringify(document ?? {}))
})
server.listen(0, '127.0.0.1')
await once(server, 'listening')
after(() => server.close())
const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`

// The time is for a machine that is busy; no test waits for it.
const options = { timeoutMs: 20_000, allowInsecure: false, method: undefined, nowMs: 0 } as const

test('the endpoint is found by either kind of metadata, with a path or without', async () => {
  for (const [path, issuer] of [
    ['/.well-known/oauth-authorization-server', origin],
    ['/.well-known/openid-configuration', origin],
    ['/.well-known/oauth-authorization-server/tenant', `${origin}/tenant`],
    ['/tenant/.well-known/openid-configuration', `${origin}/tenant`],
  ] as const) {
    documents = { [path]: { issuer, token_endpoint: `${origin}/token` } }
    assert.deepEqual(await discoverTokenEndpoint(issuer, options), {
      url: `${origin}/token`,
      method: 'client_secret_basic',
    })
  }
})

test('clients with certificates go where the issuer asks for them, if it says so', async () => {
  const tls = { ...options, method: 'tls_client_auth' } as const
  const metadata = { issuer: origin, token_endpoint: `${origin}/token` }
  documents = {
    '/.well-known/oauth-authorization-server': {
      ...metadata,
      mtls_endpoint_aliases: { token_endpoint: 'https://mtls.example/token' },
    },
  }
  assert.equal((await discoverTokenEndpoint(origin, tls)).url, 'https://mtls.example/token')
  assert.equal((await discoverTokenEndpoint(origin, options)).url, `${origin}/token`)
  documents = { '/.well-known/oauth-authorization-server': { ...metadata, mtls_endpoint_aliases: {} } }
  assert.equal((await discoverTokenEndpoint(origin, tls)).url, `${origin}/token`)
})

test('the method is the issuer’s, unless one is given', async () => {
  const metadata = {
    issuer: origin,
    token_endpoint: `${origin}/token`,
    token_endpoint_auth_methods_supported: ['client_secret_post'],
  }
  documents = { '/.well-known/openid-configuration': metadata }
  assert.equal((await discoverTokenEndpoint(origin, options)).method, 'client_secret_post')
  const given = { ...options, method: 'client_secret_basic' } as const
  assert.equal((await discoverTokenEndpoint(origin, given)).method, 'client_secret_basic')
})

for (const [what, metadata, code] of [
  [
    'of another issuer',
    { issuer: 'https://evil.example', token_endpoint: 'https://evil.example/token' },
    'fetch-failed',
  ],
  [
    'of the issuer with a slash more',
    { issuer: `${origin}/`, token_endpoint: `${origin}/token` },
    'fetch-failed',
  ],
  ['without an endpoint', { issuer: origin }, 'fetch-failed'],
  ['with an endpoint that is no URL', { issuer: origin, token_endpoint: '/token' }, 'option-invalid'],
  [
    'with a plain endpoint elsewhere',
    { issuer: origin, token_endpoint: 'http://evil.example/token' },
    'option-invalid',
  ],
  ['with another scheme', { issuer: origin, token_endpoint: 'ftp://127.0.0.1/token' }, 'option-invalid'],
] as const) {
  test(`metadata ${what} is refused`, async () => {
    documents = { '/.well-known/openid-configuration': metadata }
    await assert.rejects(discoverTokenEndpoint(origin, options), { name: 'Problem', code })
  })
}

test('by a fetch of one’s own the same holds', async () => {
  const by = (answer: () => Response | Promise<Response>) =>
    discoverTokenEndpoint('https://issuer.internal', { ...options, fetch: async () => answer() })
  for (const answer of [
    () => new Response('', { status: 302, headers: { location: 'https://evil.example' } }),
    () => Response.json({ issuer: 'https://evil.example', token_endpoint: 'https://evil.example/token' }),
    () => new Response('<html>'),
    () => new Response('x'.repeat(256 * 1024 + 1)),
    () => Promise.reject(new TypeError('fetch failed')),
    () => new Response('', { status: 404 }),
  ]) {
    await assert.rejects(by(answer), { name: 'Problem', code: 'fetch-failed' })
  }
})

test('how long the issuer asks to be left alone is told', async () => {
  const asked: string[] = []
  const by = (answer: () => Response) =>
    discoverTokenEndpoint('https://issuer.internal', {
      ...options,
      fetch: async (url) => {
        asked.push(String(url))
        return answer()
      },
    })
  for (const [status, value, seconds] of [
    [503, '120', 120],
    [429, 'Thu, 01 Jan 1970 00:00:30 GMT', 30],
    [503, '86400', 3600],
    [503, 'soon', undefined],
  ] as const) {
    const answer = () => new Response('', { status, headers: { 'Retry-After': value } })
    await assert.rejects(by(answer), (problem: Problem) => {
      assert.deepEqual([problem.code, problem.retryAfterSeconds], ['fetch-failed', seconds])
      assert.match(problem.message, new RegExp(`answered ${status}$`))
      return true
    })
  }
  assert.equal(asked.length, 4, 'an issuer that wants to be left alone is not asked at a second place')
  await assert.rejects(by(() => new Response('', { status: 404, headers: { 'Retry-After': '9' } })))
  assert.equal(asked.length, 6)
})

test('secrets go by https:, or stay on this machine', () => {
  const check = (url: string, allowInsecure = false): void =>
    checkSecretUrl(url, 'issuer', allowInsecure, 'dangerouslyX')
  for (const url of ['https://a.example', 'http://localhost:8080/x', 'http://127.0.0.1', 'http://[::1]:1'])
    check(url)
  check('http://a.example', true)
  for (const [url, message] of [
    ['http://a.example/x?y', 'issuer: http://a.example is not https:'],
    ['http://localhost.example', 'issuer: http://localhost.example is not https:'],
    ['ftp://a.example', 'issuer: ftp://a.example is not https:'],
    ['a.example', 'issuer: expected a URL'],
    ['https://user:pw@a.example', 'issuer: a URL with credentials in it'],
  ] as const) {
    assert.throws(() => check(url), { code: 'option-invalid', message })
  }
  assert.throws(() => check('ftp://a.example', true), { code: 'option-invalid' })
})
