/** The token source with `dpop`, from the token request to the guarded service. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { after, beforeEach, test } from 'node:test'
import { createGuard } from '../guard/guard.ts'
import { guardNode } from '../guard/node.ts'
import { createDpopChecker } from '../jwt/dpop-check.ts'
import { createDpopNonces } from '../jwt/dpop-nonce.ts'
import { generateSigningKey, verificationKey } from '../jwt/key-readers.ts'
import { createKeySet } from '../jwt/key-set.ts'
import { createSigner } from '../jwt/signer.ts'
import { createTokenSource } from './token-source.ts'
import type { TokenSourceOptions } from './token-source-options.ts'

const signingKey = generateSigningKey('ES256')
const signer = createSigner({ key: signingKey })
const issuerNonces = createDpopNonces()
let asked: IncomingMessage[] = []
let tokenType = 'DPoP'
let error: string | undefined

const checker = createDpopChecker({ nonces: issuerNonces })
const tokenEndpoint = `${await listen(async (request, response) => {
  request.resume()
  asked.push(request)
  const { rawHeaders, method = '' } = request
  const result = await checker.check({ rawHeaders, method, url: tokenEndpoint, nowMs: Date.now() })
  response.setHeader('Content-Type', 'application/json')
  response.setHeader('DPoP-Nonce', issuerNonces.current(Date.now()))
  if (error !== undefined) return respond(response, 400, { error })
  if (result.kind === 'denied') {
    const isNonce = result.denial.reason === 'nonce-required'
    return respond(response, 400, { error: isNonce ? 'use_dpop_nonce' : 'invalid_dpop_proof' })
  }
  const claims = { iss: 'https://issuer.example', aud: 'billing', sub: 'orders', exp: Date.now() / 1000 + 60 }
  const token = signer.sign({ ...claims, cnf: { jkt: result.proof.thumbprint } })
  return respond(response, 200, { access_token: token, token_type: tokenType, expires_in: 60 })
})}/token`

const serviceNonces = createDpopNonces()
let listener: RequestListener = () => {}
let calls: IncomingMessage[] = []
const service = await listen((request, response) => {
  calls.push(request)
  listener(request, response)
})
const guard = createGuard({
  issuer: 'https://issuer.example',
  audience: 'billing',
  keySet: createKeySet([verificationKey(signingKey)]),
  senderConstraint: 'required',
  publicUrl: service,
  proofs: { nonces: serviceNonces },
})
const guarded = guardNode(guard, 'authenticated', (request, response, auth) => {
  if (request.url === '/moved') return void response.writeHead(302, { Location: '/invoices' }).end()
  let body = ''
  request.setEncoding('utf8').on('data', (chunk: string) => (body += chunk))
  request.on('end', () => response.end(`${request.method} ${auth.subject} ${body}`))
})

beforeEach(() => {
  asked = []
  calls = []
  tokenType = 'DPoP'
  error = undefined
  listener = guarded
})

test('a bound token, and a proof on each request; each server’s nonce is learnt by one more try', async () => {
  const source = make()
  assert.equal(await textOf(source.fetch(`${service}/invoices?page=2`)), 'GET orders ')
  assert.equal(asked.length, 2, 'without the nonce, then with it')
  assert.equal(calls.length, 2)
  const post = source.fetch(`${service}/invoices`, { method: 'post', body: 'abc' })
  assert.equal(await textOf(post), 'POST orders abc')
  assert.equal(asked.length, 2)
  assert.equal(calls.length, 3, 'now the nonce is known')
  assert.ok(calls.every(({ headers }) => headers.authorization?.startsWith('DPoP ')))
})

test('many at once: one token, and each gets through', async () => {
  const source = make()
  const texts = await Promise.all(
    Array.from({ length: 8 }, () => textOf(source.fetch(`${service}/invoices`))),
  )
  assert.deepEqual(texts, Array(8).fill('GET orders '))
  assert.equal(asked.length, 2)
})

test('a Request, with its own method', async () => {
  const source = make()
  const request = new Request(`${service}/invoices`, { method: 'DELETE' })
  assert.equal(await textOf(source.fetch(request)), 'DELETE orders ')
  assert.equal(await textOf(source.fetch(request, { method: 'PATCH' })), 'PATCH orders ')
})

test('a body that can be read only once is not sent twice; the nonce is learnt all the same', async () => {
  const source = make()
  const send = () =>
    source.fetch(`${service}/invoices`, {
      method: 'POST',
      body: new Blob(['abc']).stream(),
      duplex: 'half',
    } as RequestInit)
  assert.equal((await send()).status, 401)
  assert.equal(calls.length, 1)
  assert.equal(await textOf(send()), 'POST orders abc')
})

test('a redirect is the caller’s: the proof is for one URL', async () => {
  const source = make()
  const response = await source.fetch(`${service}/moved`)
  assert.deepEqual([response.status, response.headers.get('location')], [302, '/invoices'])
})

test('for other clients: the headers of one request', async () => {
  const source = make()
  await textOf(source.fetch(`${service}/invoices`))
  const headers = await source.headersFor('PUT', `${service}/invoices`)
  assert.deepEqual(Object.keys(headers), ['Authorization', 'DPoP'])
  const send = () => fetch(`${service}/invoices`, { method: 'PUT', headers })
  assert.equal(await textOf(send()), 'PUT orders ')
  assert.equal((await send()).status, 401, 'for one request, once')
  assert.ok((await source.authHeader()).startsWith('DPoP '))
})

test('a bearer token instead of a bound one is not taken', async () => {
  for (const type of ['Bearer', 'bearer', 'N_A']) {
    tokenType = type
    await assert.rejects(make().token(), {
      code: 'token-unavailable',
      message: /another token_type than DPoP/,
    })
  }
  assert.equal(calls.length, 0)
})

test('and without dpop a bound token is not taken', async () => {
  const plain = await listen((request, response) => {
    request.resume()
    response.setHeader('Content-Type', 'application/json')
    respond(response, 200, { access_token: 'x', token_type: 'DPoP', expires_in: 60 })
  })
  const { dpop: _dpop, ...options } = optionsOf()
  const source = createTokenSource({ ...options, tokenEndpoint: `${plain}/token` })
  await assert.rejects(source.token(), {
    code: 'token-unavailable',
    message: /another token_type than Bearer/,
  })
})

test('without dpop there is no proof', async () => {
  const { dpop: _dpop, ...options } = optionsOf()
  await assert.rejects(createTokenSource(options).token(), { code: 'token-refused' })
  assert.equal(asked[0]?.headers['dpop'], undefined)
})

test('an issuer that asks for nonces without end is asked twice and no more', async () => {
  error = 'use_dpop_nonce'
  await assert.rejects(make().token(), { code: 'token-unavailable' })
  assert.equal(asked.length, 2)
})

test('an issuer that refuses the proof is told on, with the next step', async () => {
  error = 'invalid_dpop_proof'
  await assert.rejects(make().token(), { code: 'token-refused', next: 'check the clock of this machine' })
})

test('a service that asks for nonces without end is asked twice and no more', async () => {
  let serial = 0
  listener = (request, response) => {
    request.resume()
    const headers = { 'WWW-Authenticate': 'DPoP error="use_dpop_nonce"', 'DPoP-Nonce': `n-${++serial}` }
    response.writeHead(401, headers).end('again')
  }
  const response = await make().fetch(`${service}/invoices`)
  assert.equal(response.status, 401)
  assert.equal(await response.text(), 'again')
  assert.equal(calls.length, 2)
})

test('an option that is no yes or no', () => {
  for (const dpop of ['true', 1, null]) {
    assert.throws(() => make({ dpop: dpop as unknown as boolean }), { code: 'option-invalid' })
  }
})

function make(options: Partial<TokenSourceOptions> = {}) {
  return createTokenSource({ ...optionsOf(), ...options })
}

function optionsOf() {
  // The time is for a machine that is busy; no test waits for it.
  return { tokenEndpoint, clientId: 'orders', clientSecret: 'secret', dpop: true, timeoutMs: 20_000 }
}

async function textOf(response: Promise<Response>): Promise<string> {
  const settled = await response
  assert.equal(settled.status, 200, settled.headers.get('www-authenticate') ?? '')
  return settled.text()
}

function respond(response: ServerResponse, status: number, document: object): void {
  response.writeHead(status).end(JSON.stringify(document))
}

async function listen(own: RequestListener): Promise<string> {
  const server = createServer(own)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  after(() => {
    server.close()
    server.closeAllConnections()
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}
