import { test } from 'node:test'
import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { RequestListener } from 'node:http'
import { createProvider } from './provider.ts'

let listener: RequestListener
const server = createServer((req, res) => listener(req, res))
await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
const issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`

const printed: unknown[] = []
const { info, warn } = console
console.info = console.warn = (...line: unknown[]) => void printed.push(line)
const created = await createProvider(issuer)
console.info = info
console.warn = warn
assert.ok(created, 'oidc-provider is installed in this repository')
listener = created
test.after(() => server.close())

test('it describes itself, and publishes public keys only', async () => {
  const metadata = await read(`${issuer}/.well-known/openid-configuration`)
  assert.equal(metadata['issuer'], issuer)
  const { keys } = (await read(String(metadata['jwks_uri']))) as { keys: Record<string, unknown>[] }
  assert.deepEqual(Object.keys(keys[0]!).sort(), ['alg', 'e', 'kid', 'kty', 'n', 'use'])
})

test('starting it prints nothing', () => {
  assert.deepEqual(printed, [])
})

test('a code flow without PKCE is refused', async () => {
  const query = new URLSearchParams({
    response_type: 'code',
    client_id: 'demo-terminal',
    redirect_uri: 'http://127.0.0.1/callback',
    scope: 'openid',
    state: 's',
  })
  const response = await fetch(`${issuer}/auth?${query}`, { redirect: 'manual' })
  const location = new URL(response.headers.get('location') ?? '')
  assert.equal(location.searchParams.get('error'), 'invalid_request')
  assert.match(location.searchParams.get('error_description') ?? '', /PKCE/)
})

test('the login page lists the people, has no script, and is shown in a login only', async () => {
  const query = new URLSearchParams({
    response_type: 'code',
    client_id: 'demo-terminal',
    redirect_uri: 'http://127.0.0.1/callback',
    scope: 'openid',
    code_challenge: 'E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM',
    code_challenge_method: 'S256',
  })
  const start = await fetch(`${issuer}/auth?${query}`, { redirect: 'manual' })
  const location = new URL(start.headers.get('location') ?? '', issuer)
  assert.match(location.pathname, /^\/login\//)
  const cookie = start.headers
    .getSetCookie()
    .map((line) => line.split(';')[0])
    .join('; ')
  const shown = await fetch(location, { headers: { cookie } })
  assert.equal(shown.status, 200)
  assert.match(shown.headers.get('content-security-policy') ?? '', /default-src 'none'/)
  const html = await shown.text()
  for (const name of ['Alice', 'Bob', 'Carol']) assert.ok(html.includes(name))
  assert.ok(!html.includes('<script'))

  // Without the login's cookie (somebody else's browser) there is nothing to take part in.
  const elsewhere = await fetch(location)
  assert.equal(elsewhere.status, 400)
  assert.equal(await elsewhere.text(), 'This login is over. Start again.\n')

  const tooLong = await fetch(location, {
    method: 'POST',
    headers: { cookie },
    body: 'user='.padEnd(2000, 'x'),
  })
  assert.equal(tooLong.status, 400)
})

async function read(url: string): Promise<Record<string, unknown>> {
  return (await (await fetch(url)).json()) as Record<string, unknown>
}
