/** Bound tokens at guarded servers: client certificates over TLS, proxies that end it, nonces that age. */
import assert from 'node:assert/strict'
import { createHash, X509Certificate } from 'node:crypto'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { Server } from 'node:http'
import { connect as connectHttp2, createSecureServer } from 'node:http2'
import { Agent, createServer as createTlsServer, request as tlsRequest } from 'node:https'
import type { AddressInfo } from 'node:net'
import { after, test } from 'node:test'
import { guardFetch } from '@countersign/sdk/fetch'
import { createGuard } from '@countersign/sdk/guard'
import type { GuardOptions } from '@countersign/sdk/guard'
import {
  createDpopKey,
  createDpopNonces,
  createDpopProof,
  createKeySet,
  createSigner,
  generateSigningKey,
  verificationKey,
} from '@countersign/sdk/jwt'
import { guardNode } from '@countersign/sdk/node'
import type { NodeListener } from '@countersign/sdk/node'
import { selfSigned } from '../gateway/certificate.ts'

const issuer = 'https://issuer.example'
const publicUrl = 'https://billing.example'
const key = generateSigningKey('ES256')
const keySet = createKeySet([verificationKey(key)])
const serverCertificate = selfSigned()
const own = selfSigned()
const stranger = selfSigned()
const raw = new X509Certificate(own.cert).raw
const token = tokenWith({ 'x5t#S256': createHash('sha256').update(raw).digest('base64url') })

const listener = listenerOf({})
const tls = { ...serverCertificate, requestCert: true, rejectUnauthorized: false }
const port = await listen(createTlsServer(tls, listener))

test('RFC 8705: the certificate that the token is bound to', async () => {
  const reply = await askTls(own)
  assert.deepEqual(reply, { status: 200, body: 'orders', challenge: undefined })
})

test('RFC 8705 §3: another certificate, or none', async () => {
  for (const shown of [stranger, {}]) {
    const reply = await askTls(shown)
    assert.equal(reply.status, 401)
    assert.match(reply.challenge!, /^Bearer realm="countersign", error="invalid_token"/)
  }
})

test('one connection, many requests', async () => {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  for (let index = 0; index < 3; index++) assert.equal((await askTls(own, { agent })).status, 200)
  agent.destroy()
})

test('a header in the name of a proxy counts for nothing from others', async () => {
  const headers = { 'client-cert': `:${raw.toString('base64')}:` }
  assert.equal((await askTls({}, { headers })).status, 401)
})

test('HTTP/2 over TLS', async () => {
  const secure = createSecureServer(tls, listener)
  const securePort = await listen(secure as unknown as Server)
  for (const [shown, status] of [
    [own, 200],
    [stranger, 401],
    [{}, 401],
  ] as const) {
    const session = connectHttp2(`https://127.0.0.1:${securePort}`, { ...shown, rejectUnauthorized: false })
    const stream = session.request({ ':path': '/', authorization: `Bearer ${token}` })
    const [headers] = (await once(stream, 'response')) as [{ ':status': number }]
    stream.resume()
    await once(stream, 'end')
    session.close()
    assert.equal(headers[':status'], status)
  }
})

test('behind a proxy that ends TLS: its header, from its address', async () => {
  const certificateFrom = { header: 'X-Client-Cert', encoding: 'der', proxies: ['127.0.0.1'] } as const
  const plain = await listen(createServer(listenerOf({ certificateFrom })))
  const ask = async (headers: Record<string, string>) =>
    (await fetch(`http://127.0.0.1:${plain}/`, { headers: { authorization: `Bearer ${token}`, ...headers } }))
      .status
  assert.equal(await ask({ 'x-client-cert': raw.toString('base64') }), 200)
  const other = new X509Certificate(stranger.cert).raw
  assert.equal(await ask({ 'x-client-cert': other.toString('base64') }), 401)
  assert.equal(await ask({}), 401)
  const elsewhere = { ...certificateFrom, proxies: ['192.0.2.1'] }
  const direct = await listen(createServer(listenerOf({ certificateFrom: elsewhere })))
  const headers = { authorization: `Bearer ${token}`, 'x-client-cert': raw.toString('base64') }
  assert.equal((await fetch(`http://127.0.0.1:${direct}/`, { headers })).status, 401)
})

test('an ageing nonce: the answer that lets through brings the next one, in both adapters', async () => {
  let nowMs = Date.now()
  const nonces = createDpopNonces()
  const dpopKey = createDpopKey()
  const bound = tokenWith({ jkt: dpopKey.thumbprint })
  const guard = guardOf({ proofs: { nonces }, clock: () => nowMs })
  const nonce = nonces.current(nowMs)
  const headers = () => ({
    authorization: `DPoP ${bound}`,
    dpop: createDpopProof({ key: dpopKey, method: 'GET', url: publicUrl, accessToken: bound, nonce, nowMs }),
  })
  const plain = await listen(
    createServer(
      guardNode(guard, 'authenticated', (_request, response) =>
        response.writeHead(200, { 'X-Own': '1' }).end('hello'),
      ),
    ),
  )
  const answer = guardFetch(guard, 'authenticated', () => Response.redirect('https://elsewhere.example/'))
  const overNode = () => fetch(`http://127.0.0.1:${plain}/`, { headers: headers() })
  const overFetch = () => answer(new Request('http://10.0.0.7/', { headers: headers() }))
  const fresh = await Promise.all([overNode(), overFetch()])
  assert.deepEqual(
    fresh.map((response) => [response.status, response.headers.get('dpop-nonce')]),
    [
      [200, null],
      [302, null],
    ],
  )
  nowMs += 60_000
  const next = nonces.current(nowMs)
  assert.notEqual(next, nonce)
  const ageing = await Promise.all([overNode(), overFetch()])
  assert.deepEqual(
    ageing.map((response) => [response.status, response.headers.get('dpop-nonce')]),
    [
      [200, next],
      [302, next],
    ],
  )
  assert.equal(ageing[0].headers.get('x-own'), '1')
  assert.equal(await ageing[0].text(), 'hello')
})

function guardOf(options: Partial<GuardOptions>) {
  return createGuard({
    issuer,
    audience: 'billing',
    keySet,
    senderConstraint: 'accepted',
    publicUrl,
    ...options,
  } as GuardOptions)
}

function listenerOf(options: Partial<GuardOptions>): NodeListener {
  return guardNode(guardOf(options), 'authenticated', (_request, response, auth) =>
    response.end(auth.subject),
  )
}

function tokenWith(cnf: object): string {
  const exp = Math.floor(Date.now() / 1000) + 600
  return createSigner({ key }).sign({ iss: issuer, aud: 'billing', sub: 'orders', exp, cnf })
}

function askTls(shown: object, options: object = {}) {
  const { headers, ...rest } = { headers: {}, ...options }
  return new Promise<{ status: number; body: string; challenge: string | undefined }>((resolve, reject) => {
    const request = tlsRequest(
      {
        host: '127.0.0.1',
        port,
        ...shown,
        rejectUnauthorized: false,
        headers: { authorization: `Bearer ${token}`, ...headers },
        agent: false,
        ...rest,
      },
      (response) => {
        let body = ''
        response.setEncoding('utf8').on('data', (chunk: string) => (body += chunk))
        response.on('end', () => {
          const challenge = response.headers['www-authenticate']
          resolve({ status: response.statusCode!, body, challenge })
        })
      },
    )
    request.on('error', reject).end()
  })
}

async function listen(server: Server): Promise<number> {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  after(() => {
    server.close()
    server.closeAllConnections?.()
  })
  return (server.address() as AddressInfo).port
}
