import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { inspectToken } from '../jwt/inspect.ts'
import { createKeySet } from '../jwt/key-set.ts'
import { generateSigningKey, verificationKey } from '../jwt/key-readers.ts'
import { createVerifier } from '../jwt/verifier.ts'
import { assertionFile, signedAssertions } from './assertion.ts'
import { createTokenSource } from './token-source.ts'

const folder = await mkdtemp(join(tmpdir(), 'assertion-'))
after(() => rm(folder, { recursive: true }))
const path = join(folder, 'token')
const key = generateSigningKey('ES256')
const nowMs = 1_800_000_000_000

const forms: URLSearchParams[] = []
const headers: (string | undefined)[] = []
let nonce: string | undefined
const server = createServer((request, response) => {
  const issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  if (request.method === 'GET') {
    response.end(JSON.stringify({ issuer, token_endpoint: `${issuer}/token` }))
    return
  }
  headers.push(request.headers.authorization)
  let body = ''
  request.on('data', (chunk) => (body += String(chunk)))
  request.on('end', () => {
    forms.push(new URLSearchParams(body))
    const challenged = nonce !== undefined
    const type = request.headers['dpop'] === undefined ? 'Bearer' : 'DPoP'
    const token = { access_token: 'at', token_type: type, expires_in: 60 }
    response.writeHead(challenged ? 400 : 200, {
      'Content-Type': 'application/json',
      ...(challenged ? { 'DPoP-Nonce': nonce } : {}),
    })
    nonce = undefined
    response.end(JSON.stringify(challenged ? { error: 'use_dpop_nonce' } : token))
  })
})
server.listen(0, '127.0.0.1')
await once(server, 'listening')
after(() => server.close())
const issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`

test('an assertion is the client’s own, for the issuer alone, for a minute, and each another', async () => {
  const assertion = signedAssertions({ key, clientId: 'orders', issuer, clock: () => nowMs })
  const outcome = await createVerifier({
    issuer: 'orders',
    audience: issuer,
    keySet: createKeySet([verificationKey(key)]),
    types: ['client-authentication+jwt'],
    maxLifetimeSeconds: 60,
    clock: () => nowMs,
  }).verify(await assertion())
  assert.ok(outcome.kind === 'verified')
  const { token } = outcome
  assert.deepEqual(
    [token.subject, token.claims['aud'], token.expiresAtSeconds],
    ['orders', issuer, nowMs / 1000 + 60],
  )
  assert.ok(token.tokenId)
  assert.notEqual(await assertion(), await assertion())
})

test('a file is read anew each time, and may end with a line break', async () => {
  const read = assertionFile(path)
  await writeFile(path, 'a.b.c\n')
  assert.equal(await read(), 'a.b.c')
  await writeFile(path, 'd.e.f')
  assert.equal(await read(), 'd.e.f')
})

test('a file that is of no use says where and what, and not what is in it', async () => {
  for (const [content, words] of [
    ['', /is empty/],
    [' \n', /is empty/],
    [`${'hush'.repeat(5000)}`, /longer than/],
  ] as const) {
    await writeFile(path, content)
    await assert.rejects(
      async () => assertionFile(path)(),
      (problem: Error & { code: string }) => {
        assert.equal(problem.code, 'token-unavailable')
        assert.match(problem.message, words)
        assert.doesNotMatch(problem.message, /hush/)
        return true
      },
    )
  }
  await assert.rejects(async () => assertionFile(join(folder, 'none'))(), {
    message: /cannot be read \(ENOENT\)/,
  })
})

test('a token source with a private key shows an assertion and no secret', async () => {
  forms.length = headers.length = 0
  const source = createTokenSource({ issuer, clientId: 'orders', privateKey: key })
  assert.equal((await source.token()).secret.revealText(), 'at')
  const [form] = forms
  assert.equal(form?.get('client_assertion_type'), 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer')
  assert.equal(form.get('client_assertion')?.split('.').length, 3)
  assert.equal(form.get('client_secret'), null)
  assert.deepEqual(headers, [undefined])
})

test('an assertion that was sent is not sent again, also when only the nonce was wrong', async () => {
  forms.length = 0
  nonce = 'n-1'
  await createTokenSource({ issuer, clientId: 'orders', privateKey: key, dpop: true }).token()
  const [first, second] = forms.map((form) => form.get('client_assertion'))
  assert.ok(first && second)
  assert.notEqual(first, second)
})

test('a token source with an assertion file follows the file', async () => {
  forms.length = 0
  for (const text of ['one.two.three', 'four.five.six']) {
    await writeFile(path, text)
    const source = createTokenSource({
      tokenEndpoint: `${issuer}/token`,
      clientId: 'orders',
      assertionFile: path,
    })
    await source.token()
  }
  assert.deepEqual(
    forms.map((form) => [form.get('client_id'), form.get('client_assertion')]),
    [
      ['orders', 'one.two.three'],
      ['orders', 'four.five.six'],
    ],
  )
})

test('with an endpoint given the assertion is for the issuer that is named, which is asked for nothing', async () => {
  forms.length = 0
  const source = createTokenSource({
    issuer: 'https://issuer.example',
    tokenEndpoint: `${issuer}/token`,
    clientId: 'orders',
    privateKey: key,
  })
  await source.token()
  assert.equal(inspectToken(forms[0]!.get('client_assertion')!).claims?.['aud'], 'https://issuer.example')
})
