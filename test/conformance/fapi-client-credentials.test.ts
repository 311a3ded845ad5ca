/**
 * The modules of the FAPI 2.0 client credentials plan, issuer and gateway together over TLS: private_key_jwt with tokens
 * bound by DPoP and by certificate. Named after what they check; a reimplementation, and no certification. What they
 * check about client assertions is in fapi-client-authentication.test.ts.
 */
import assert from 'node:assert/strict'
import { createHash, generateKeyPairSync, randomUUID, sign, X509Certificate } from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { request as tlsRequest } from 'node:https'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import { connect } from 'node:tls'
import { generateSigningKey, inspectToken, publicJwk } from '@countersign/sdk/jwt'
import { startServers } from '../../packages/server/src/serve/start.ts'
import { mistakesText } from '../../packages/server/src/trust/mistake.ts'
import { readTrust } from '../../packages/server/src/trust/read.ts'
import { certify } from '../gateway/certificate.ts'
import type { Certified } from '../gateway/certificate.ts'
import { assertionFields, assertionOf, goodClaims } from '../issuer/assertion.ts'

const issuerUrl = 'https://issuer.acme.example'
const resourceUrl = 'https://api.acme.example/billing/invoices/7'
const folder = mkdtempSync(join(tmpdir(), 'countersign-fapi-'))
const serverCertificate = certify({ subject: [['CN', 'server']], names: { dns: ['localhost'] } })
const certificate = certify({ subject: [['CN', 'mtls']] })
const clientKey = generateSigningKey('PS256')
const upstream = createServer((_request, response) => response.end('invoice 7'))
upstream.listen(0, '127.0.0.1')
await once(upstream, 'listening')
writeFileSync(join(folder, 'cert.pem'), serverCertificate.cert)
writeFileSync(join(folder, 'key.pem'), serverCertificate.key)
const servers = await start()
after(async () => {
  await servers.close()
  upstream.close()
  rmSync(folder, { recursive: true })
})

const pair = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const other = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 })

describe('happy flow', () => {
  test('sender_constrain=dpop', async () => {
    const answer = await ask('dpop', { headers: { DPoP: proof({}) } })
    assert.deepEqual(
      [answer.status, answer.json['token_type'], answer.headers['cache-control']],
      [200, 'DPoP', 'no-store'],
    )
    const reply = await resource(tokenOf(answer))
    assert.deepEqual([reply.status, reply.body], [200, 'invoice 7'])
  })

  test('sender_constrain=mtls', async () => {
    const answer = await ask('mtls', { certificate })
    assert.deepEqual([answer.status, answer.json['token_type']], [200, 'Bearer'])
    const headers = { Authorization: `Bearer ${tokenOf(answer)}` }
    assert.equal((await call('gateway', '/billing/invoices/7', { headers, certificate })).status, 200)
  })
})

test('discovery endpoint verification', async () => {
  const { status, headers, json } = await call('issuer', '/.well-known/oauth-authorization-server', {})
  assert.deepEqual([status, headers['content-type'], json['issuer']], [200, 'application/json', issuerUrl])
  assert.ok((json['grant_types_supported'] as string[]).includes('client_credentials'))
  for (const method of ['private_key_jwt', 'self_signed_tls_client_auth']) {
    assert.ok((json['token_endpoint_auth_methods_supported'] as string[]).includes(method), method)
  }
  assert.deepEqual(json['dpop_signing_alg_values_supported'], ['ES256', 'PS256', 'EdDSA', 'Ed25519'])
  assert.equal(json['tls_client_certificate_bound_access_tokens'], true)
  const keys = await call('issuer', '/.well-known/jwks.json', {})
  for (const key of keys.json['keys'] as Record<string, unknown>[]) {
    for (const secret of ['d', 'p', 'q', 'dp', 'dq', 'qi', 'k', 'priv']) assert.equal(key[secret], undefined)
  }
})

describe('ensure holder of key required', () => {
  test('no proof, and no certificate, at the token endpoint', async () => {
    const dpop = await ask('dpop', {})
    assert.deepEqual([dpop.status, dpop.json['error']], [400, 'invalid_dpop_proof'])
    const mtls = await ask('mtls', {})
    assert.deepEqual([mtls.status, mtls.json['error']], [400, 'invalid_request'])
  })

  test('another certificate, and none, at the resource', async () => {
    const headers = { Authorization: `Bearer ${tokenOf(await ask('mtls', { certificate }))}` }
    for (const shown of [undefined, certify({ subject: [['CN', 'mtls']] })]) {
      assert.equal(
        (await call('gateway', '/billing/invoices/7', { headers, certificate: shown })).status,
        401,
      )
    }
  })

  for (const part of ['issuer', 'gateway'] as const) {
    test(`TLS 1.2 at least, 1.3 when the client can: ${part}`, async () => {
      assert.equal(await protocolOf(part, {}), 'TLSv1.3')
      assert.equal(await protocolOf(part, { maxVersion: 'TLSv1.2' }), 'TLSv1.2')
      const old = { minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT@SECLEVEL=0' } as const
      assert.equal(await protocolOf(part, old), 'refused')
      // RFC 9325 §4.1: neither static RSA nor CBC with SHA-1 alone.
      for (const ciphers of [
        'AES128-SHA',
        'NULL-SHA256',
        'ECDHE-ECDSA-AES128-SHA',
        'ECDHE-ECDSA-AES256-SHA384',
      ]) {
        assert.equal(
          await protocolOf(part, { maxVersion: 'TLSv1.2', ciphers: `${ciphers}:@SECLEVEL=0` }),
          'refused',
        )
      }
    })
  }
})

for (const seconds of [-10, 10]) {
  test(`a DPoP proof with iat 10 seconds ${seconds < 0 ? 'before' : 'after'} succeeds`, async () => {
    const iat = now() + seconds
    const answer = await ask('dpop', { headers: { DPoP: proof({ claims: { iat } }) } })
    assert.equal(answer.status, 200)
    assert.equal((await resource(tokenOf(answer), { claims: { iat } })).status, 200)
  })
}

test('check a DPoP proof’s nbf and exp', async () => {
  const good = { nbf: now() - 10, exp: now() + 60 }
  assert.equal((await ask('dpop', { headers: { DPoP: proof({ claims: good }) } })).status, 200)
  for (const claims of [{ exp: now() - 60 }, { nbf: now() + 120 }]) {
    const answer = await ask('dpop', { headers: { DPoP: proof({ claims }) } })
    assert.equal(answer.json['error'], 'invalid_dpop_proof')
  }
})

describe('the access token’s type in the header has no case', () => {
  for (const scheme of ['DPoP', 'dpop', 'DPOP', 'dPoP']) {
    test(scheme, async () => {
      const answer = await ask('dpop', { headers: { DPoP: proof({}) } })
      assert.equal((await resource(tokenOf(answer), { scheme })).status, 200)
    })
  }
})

describe('DPoP negative tests', () => {
  const jwk = (key: KeyObject) => key.export({ format: 'jwk' })
  const rows: Readonly<Record<string, () => Made>> = {
    'two DPoP headers': () => ({ copies: 2 }),
    'a malformed proof': () => ({ text: 'not.a.proof' }),
    'no typ': () => ({ header: { typ: undefined } }),
    'wrong typ': () => ({ header: { typ: 'JWT' } }),
    'no alg': () => ({ header: { alg: undefined } }),
    RS256: () => ({ header: { alg: 'RS256', jwk: jwk(rsa.publicKey) }, key: rsa.privateKey }),
    none: () => ({ header: { alg: 'none' } }),
    'a bad signature': () => ({ key: other.privateKey }),
    'no jwk': () => ({ header: { jwk: undefined } }),
    'a private jwk': () => ({ header: { jwk: jwk(pair.privateKey) } }),
    'no jti': () => ({ claims: { jti: undefined } }),
    'no htm': () => ({ claims: { htm: undefined } }),
    'no htu': () => ({ claims: { htu: undefined } }),
    'no iat': () => ({ claims: { iat: undefined } }),
    'wrong htm': () => ({ claims: { htm: 'PUT' } }),
    'wrong htu': () => ({ claims: { htu: 'https://api.acme.example/billing/invoices/8' } }),
    'iat an hour ago': () => ({ claims: { iat: now() - 3600 } }),
    'iat in an hour': () => ({ claims: { iat: now() + 3600 } }),
    'no proof': () => ({ copies: 0 }),
  }
  const atResourceAlone: Readonly<Record<string, () => Made>> = {
    'no ath': () => ({ claims: { ath: undefined } }),
    'wrong ath': () => ({ claims: { ath: hashOf('another token') } }),
    'another key': () => ({ header: { jwk: jwk(other.publicKey) }, key: other.privateKey }),
    'the scheme Bearer': () => ({ scheme: 'Bearer' }),
    'the scheme Bearer, no proof': () => ({ scheme: 'Bearer', copies: 0 }),
  }
  for (const [what, made] of Object.entries(rows)) {
    test(`at the token endpoint: ${what}`, async () => {
      const row = made()
      const { copies = 1, text = proof(row) } = row
      const headers = copies === 0 ? {} : { DPoP: copies === 1 ? text : [text, proof({})] }
      const answer = await ask('dpop', { headers })
      assert.deepEqual([answer.status, answer.json['error']], [400, 'invalid_dpop_proof'])
    })
  }
  for (const [what, made] of Object.entries({ ...rows, ...atResourceAlone })) {
    test(`at the resource: ${what}`, async () => {
      const answer = await ask('dpop', { headers: { DPoP: proof({}) } })
      assert.equal((await resource(tokenOf(answer), made())).status, 401)
    })
  }
  test('a jti that was used before, at both', async () => {
    const used = proof({})
    assert.equal((await ask('dpop', { headers: { DPoP: used } })).status, 200)
    const answer = await ask('dpop', { headers: { DPoP: used } })
    assert.equal(answer.json['error'], 'invalid_dpop_proof')
    const token = tokenOf(await ask('dpop', { headers: { DPoP: proof({}) } }))
    const text = proof({ claims: { htm: 'GET', htu: resourceUrl, ath: hashOf(token) } })
    assert.equal((await resource(token, { text })).status, 200)
    assert.equal((await resource(token, { text })).status, 401)
  })
  for (const [what, made] of Object.entries({
    'htu with a query': { claims: { htu: `${resourceUrl}?page=2` } },
    'htu with a fragment': { claims: { htu: `${resourceUrl}#top` } },
    'htu in another case, with the default port': {
      claims: { htu: 'HTTPS://API.ACME.example:443/billing/invoices/7' },
    },
    'claims nobody knows': { claims: { surprise: true }, header: { extra: 1 } },
  })) {
    test(`accepted: ${what}`, async () => {
      const answer = await ask('dpop', { headers: { DPoP: proof({}) } })
      assert.equal((await resource(tokenOf(answer), made)).status, 200)
    })
  }
})

type Made = {
  readonly header?: object
  readonly claims?: object
  readonly key?: KeyObject
  readonly scheme?: string
  readonly copies?: 0 | 1 | 2
  /** Sent as it is. */
  readonly text?: string
}

/** By node:crypto alone, so that a mistake of our own signer cannot hide one of our checker. */
function proof({ header, claims, key = pair.privateKey }: Made): string {
  const head = { typ: 'dpop+jwt', alg: 'ES256', jwk: pair.publicKey.export({ format: 'jwk' }), ...header }
  const body = { jti: randomUUID(), htm: 'POST', htu: `${issuerUrl}/token`, iat: now(), ...claims }
  const input = [head, body].map((part) => Buffer.from(JSON.stringify(part)).toString('base64url')).join('.')
  const signature = sign('sha256', Buffer.from(input), { key, dsaEncoding: 'ieee-p1363' })
  return `${input}.${signature.toString('base64url')}`
}

function resource(token: string, made: Made = {}): Promise<Answer> {
  const { scheme = 'DPoP', copies = 1 } = made
  const text = (): string =>
    made.text ??
    proof({ ...made, claims: { htm: 'GET', htu: resourceUrl, ath: hashOf(token), ...made.claims } })
  const proofs = Array.from({ length: copies }, text)
  return call('gateway', '/billing/invoices/7', {
    headers: {
      Authorization: `${scheme} ${token}`,
      ...(copies === 0 ? {} : { DPoP: copies === 1 ? proofs[0]! : proofs }),
    },
  })
}

type Sent = {
  readonly headers?: Record<string, string | string[]>
  readonly certificate?: Certified | undefined
  readonly body?: string
}
type Answer = {
  readonly status: number
  readonly headers: Record<string, unknown>
  readonly body: string
  readonly json: Record<string, unknown>
}

/** A token request with a fresh assertion. */
function ask(client: 'dpop' | 'mtls', sent: Sent): Promise<Answer> {
  const assertion = assertionOf(clientKey, goodClaims(client, issuerUrl, Date.now()))
  const body = assertionFields(assertion, { grant_type: 'client_credentials' })
  const headers = { 'Content-Type': 'application/x-www-form-urlencoded', ...sent.headers }
  return call('issuer', '/token', { ...sent, headers, body })
}

function call(
  part: 'issuer' | 'gateway',
  path: string,
  { headers = {}, certificate: own, body }: Sent,
): Promise<Answer> {
  const { host, port } = servers.addresses[part]!
  const method = body === undefined ? 'GET' : 'POST'
  const options = {
    host,
    port,
    path,
    method,
    headers,
    agent: false,
    ca: serverCertificate.cert,
    servername: 'localhost',
  }
  return new Promise((resolve, reject) => {
    const request = tlsRequest({ ...options, ...own }, async (response) => {
      const text = (await response.toArray()).join('')
      const json = text.startsWith('{') ? (JSON.parse(text) as Record<string, unknown>) : {}
      resolve({ status: response.statusCode ?? 0, headers: response.headers, body: text, json })
    })
    request.on('error', reject)
    request.end(body)
  })
}

function protocolOf(part: 'issuer' | 'gateway', options: object): Promise<string> {
  const { host, port } = servers.addresses[part]!
  return new Promise((resolve) => {
    const socket = connect({ host, port, rejectUnauthorized: false, ...options })
    socket.on('secureConnect', () => {
      resolve(socket.getProtocol() ?? '')
      socket.destroy()
    })
    socket.on('error', () => resolve('refused'))
  })
}

function tokenOf(answer: Answer): string {
  const token = String(answer.json['access_token'])
  assert.ok(inspectToken(token).problems.length === 0, JSON.stringify(answer.json))
  return token
}

async function start() {
  const { port } = upstream.address() as AddressInfo
  const keys = `[${JSON.stringify(publicJwk(clientKey))}]`
  const tls = 'tls: { certificate: { file: cert.pem }, key: { file: key.pem } }'
  const text = `issuer:
  url: ${issuerUrl}
  listen: 127.0.0.1:0
  store: 'memory:'
  ${tls}
  clientCertificates: {}
gateway:
  listen: 127.0.0.1:0
  url: https://api.acme.example
  ${tls}
  clientCertificates: {}
services:
  billing:
    audience: https://billing.acme.example
    roles: [reader]
    upstream: http://127.0.0.1:${port}
    at: /billing
    bind: "any"
    routes:
      GET /invoices/{id}: { roles: reader }
clients:
  dpop:
    authenticate: { keys: ${keys} }
    bind: dpop
    may: { billing: { roles: reader } }
  mtls:
    authenticate: { keys: ${keys} }
    bind: certificate
    may: { billing: { roles: reader } }
  self-signed:
    authenticate: { certificate: { thumbprint: "${new X509Certificate(certificate.cert).fingerprint256}" } }
    bind: certificate
    may: { billing: { roles: reader } }
`
  const file = join(folder, 'countersign.yaml')
  const reading = readTrust(text, { file, env: {}, readFile: () => 'x' })
  assert.ok(reading.kind === 'trust', reading.kind === 'mistakes' ? mistakesText(file, reading.mistakes) : '')
  return startServers({ trust: reading.trust, drainMs: 100 })
}

function hashOf(text: string): string {
  return createHash('sha256').update(text).digest('base64url')
}

function now(): number {
  return Math.floor(Date.now() / 1000)
}
