import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { fetchMetadata, metadataUrls } from './metadata.ts'

const limits = {
  // For a machine that is busy; no test waits for it.
  timeoutMs: 20_000,
  maxBytes: 10_000,
  allowPrivateAddresses: false,
  allowLoopback: true,
  dangerouslyAllowHttp: false,
}
const openId = '/.well-known/openid-configuration'
const oauth = '/.well-known/oauth-authorization-server'

for (const [issuer, urls] of [
  ['https://login.example', [`https://login.example${openId}`, `https://login.example${oauth}`]],
  ['https://login.example/', [`https://login.example${openId}`, `https://login.example${oauth}`]],
  [
    'https://login.example:8443/realms/acme',
    [`https://login.example:8443/realms/acme${openId}`, `https://login.example:8443${oauth}/realms/acme`],
  ],
  ['https://login.example/t/', [`https://login.example/t${openId}`, `https://login.example${oauth}/t`]],
] as const) {
  test(`${issuer} describes itself at two places`, () => {
    assert.deepEqual(metadataUrls(issuer), urls)
  })
}

test('OpenID Connect Discovery is asked first, and alone when it answers', async (t) => {
  const { origin, paths } = await serve(t, (origin) => ({
    [openId]: { issuer: origin, jwks_uri: `${origin}/j` },
  }))
  assert.deepEqual(await fetchMetadata(origin, limits), { issuer: origin, jwks_uri: `${origin}/j` })
  assert.deepEqual(paths, [openId])
})

test('RFC 8414 metadata is asked when there is no other', async (t) => {
  const { origin, paths } = await serve(t, (origin) => ({ [`${oauth}/acme`]: { issuer: `${origin}/acme` } }))
  assert.deepEqual(await fetchMetadata(`${origin}/acme`, limits), { issuer: `${origin}/acme` })
  assert.deepEqual(paths, [`/acme${openId}`, `${oauth}/acme`])
})

for (const [what, issuer] of [
  ['another issuer', () => 'https://attacker.example'],
  ['a trailing slash more', (origin: string) => `${origin}/`],
  ['another case', (origin: string) => origin.toUpperCase()],
  ['a list', (origin: string) => [origin]],
  ['no issuer', () => undefined],
] as const) {
  test(`metadata that names ${what} is refused, and nothing else is asked`, async (t) => {
    const { origin, paths } = await serve(t, (origin) => ({
      [openId]: { issuer: issuer(origin) },
      [oauth]: { issuer: origin },
    }))
    await assert.rejects(fetchMetadata(origin, limits), {
      code: 'fetch-failed',
      message: `${origin}${openId}: it describes another issuer than ${origin}`,
      next: 'write the issuer exactly as its own metadata does, trailing slash included',
    })
    assert.deepEqual(paths, [openId])
  })
}

for (const document of [null, 'text', 7]) {
  test(`metadata of ${JSON.stringify(document)} is refused`, async (t) => {
    const { origin } = await serve(t, () => ({ [openId]: document }))
    await assert.rejects(fetchMetadata(origin, limits), { message: `${origin}${openId}: not an object` })
  })
}

test('an issuer without metadata says so', async (t) => {
  const { origin } = await serve(t, () => ({}))
  await assert.rejects(fetchMetadata(origin, limits), {
    code: 'fetch-failed',
    message: `${origin}: it publishes no metadata`,
    next: 'check the issuer URL, or name its key set directly',
  })
})

test('any other answer is a failure, not a reason to look elsewhere', async (t) => {
  const { origin, paths } = await serve(t, (origin) => ({ [oauth]: { issuer: origin } }), 503)
  await assert.rejects(fetchMetadata(origin, limits), { message: `${origin}${openId}: answered 503` })
  assert.deepEqual(paths, [openId])
})

/** A server with JSON documents by path; every other path gets `otherwise`. */
async function serve(
  t: TestContext,
  documents: (origin: string) => Record<string, unknown>,
  otherwise = 404,
): Promise<{ origin: string; paths: string[] }> {
  const paths: string[] = []
  const server = createServer((request, response) => {
    const path = request.url ?? ''
    paths.push(path)
    const listed = documents(origin)
    if (Object.hasOwn(listed, path)) response.end(JSON.stringify(listed[path]))
    else response.writeHead(otherwise).end()
  })
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  t.after(() => server.close())
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  return { origin, paths }
}
