import assert from 'node:assert/strict'
import { X509Certificate } from 'node:crypto'
import { once } from 'node:events'
import { createServer, request as plainRequest } from 'node:http'
import type { IncomingHttpHeaders, IncomingMessage } from 'node:http'
import { connect as connectHttp2 } from 'node:http2'
import { request as tlsRequest } from 'node:https'
import type { AddressInfo } from 'node:net'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import { Secret } from '@countersign/sdk/core'
import {
  createDpopKey,
  createDpopProof,
  createSigner,
  generateSigningKey,
  inspectToken,
} from '@countersign/sdk/jwt'
import { createGatewayProofs, createSenderCheck, withNonce } from './sender.ts'
import { certify } from '../../../../../test/gateway/certificate.ts'
import type { Certified } from '../../../../../test/gateway/certificate.ts'
import { openStand, standService, standTrust } from '../../../../../test/gateway/stand.ts'
import { askStream } from '../../../../../test/gateway/tls-stand.ts'
import type { Stand } from '../../../../../test/gateway/stand.ts'
import type { GatewaySettings, Service } from '../../trust/trust.ts'

const url = 'https://api.acme.example'
const folder = mkdtempSync(join(tmpdir(), 'countersign-sender-'))
const client = certify({ subject: [['CN', 'orders']] })
const other = certify({ subject: [['CN', 'shop']] })
const key = createDpopKey()
const upstream = createServer((request, response) => {
  response.setHeader('DPoP-Nonce', 'of the service')
  response.end(JSON.stringify(request.headers))
})
upstream.listen(0, '127.0.0.1')
await once(upstream, 'listening')
const upstreamUrl = `http://127.0.0.1:${(upstream.address() as AddressInfo).port}`
after(() => {
  upstream.close()
  rmSync(folder, { recursive: true })
})

describe('tokens that are bound to a key', () => {
  test('with a proof for the public URL, which the service gets as well', async () => {
    await using stand = await open({ url })
    const reply = await ask(stand, bound(stand))
    assert.equal(reply.status, 200, reply.body)
    const headers = JSON.parse(reply.body) as IncomingHttpHeaders
    assert.match(headers.authorization ?? '', /^DPoP /)
    assert.equal(typeof headers['dpop'], 'string')
    assert.equal(reply.headers['dpop-nonce'], 'of the service')
  })

  test('once', async () => {
    await using stand = await open({ url })
    const headers = bound(stand)
    assert.equal((await ask(stand, headers)).status, 200)
    const again = await ask(stand, headers)
    assert.deepEqual([again.status, stand.decisions.at(-1)?.reason], [401, 'proof-replayed'])
    assert.match(again.headers['www-authenticate'] ?? '', /^DPoP .*error="invalid_dpop_proof".*algs="ES256 /)
  })

  test('once over a reload as well', async () => {
    await using stand = await open({ url })
    const headers = bound(stand)
    await ask(stand, headers)
    stand.gateway.replace(trustOf({ url }))
    assert.equal((await ask(stand, headers)).status, 401)
  })

  for (const [what, change, reason] of [
    ['a proof for the upstream’s URL', { at: `${upstreamUrl}/me` }, 'proof-invalid'],
    ['a proof for the host that the caller names', { at: 'http://localhost/billing/me' }, 'proof-invalid'],
    ['a proof without the prefix', { at: `${url}/me` }, 'proof-invalid'],
    ['another key’s proof', { key: createDpopKey() }, 'confirmation-mismatch'],
    ['no proof', { proof: undefined }, 'proof-missing'],
    ['as a bearer token', { scheme: 'Bearer' }, 'proof-required'],
  ] as const) {
    test(`not with ${what}`, async () => {
      await using stand = await open({ url })
      const reply = await ask(stand, bound(stand, change))
      assert.deepEqual([reply.status, stand.decisions.at(-1)?.reason], [401, reason])
    })
  }

  test('nowhere where the gateway does not know its URL', async () => {
    await using stand = await open({})
    assert.equal((await ask(stand, bound(stand))).status, 401)
    assert.equal(stand.decisions.at(-1)?.reason, 'token-missing', 'the scheme is not even looked for')
    const reply = await ask(stand, bound(stand, { scheme: 'Bearer' }))
    assert.deepEqual([reply.status, stand.decisions.at(-1)?.reason], [401, 'proof-required'])
  })

  test('of a service with a host of its own: by that host', async () => {
    await using stand = await open(
      { url: 'https://api.acme.example:8443' },
      { host: 'billing.acme.example', at: undefined },
    )
    const at = 'https://billing.acme.example:8443/me'
    const named = { Host: 'billing.acme.example:8443' }
    assert.equal((await ask(stand, { ...bound(stand, { at }), ...named }, '/me')).status, 200)
    const wrong = bound(stand, { at: 'https://api.acme.example:8443/me' })
    assert.equal((await ask(stand, { ...wrong, ...named }, '/me')).status, 401)
  })

  test('nonces: asked for, renewed, and in place of the service’s', async () => {
    const nonceSecret = Secret.fromText('a-secret-for-nonces-of-32-bytes-and-more')
    let nowMs = Date.now()
    await using stand = await open({ url, dpop: { nonces: true, nonceSecret } }, {}, () => nowMs)
    const first = await ask(stand, bound(stand, { nowMs }))
    assert.deepEqual([first.status, stand.decisions.at(-1)?.reason], [401, 'nonce-required'])
    assert.match(first.headers['www-authenticate'] ?? '', /error="use_dpop_nonce"/)
    const nonce = first.headers['dpop-nonce'] as string
    assert.equal(nonce, createGatewayProofs({ dpop: { nonces: true, nonceSecret } }).currentNonce(nowMs))
    assert.equal((await ask(stand, bound(stand, { nonce, nowMs }))).status, 200)
    nowMs += 60_000
    const later = await ask(stand, bound(stand, { nonce, nowMs }))
    assert.equal(later.status, 200)
    assert.match(String(later.headers['dpop-nonce']), /^[\w-]{24}$/)
    assert.notEqual(later.headers['dpop-nonce'], nonce)
  })
})

test('what a service wants of its callers’ tokens', async () => {
  const x5t = { cnf: { 'x5t#S256': thumbprintOf(client) } }
  for (const [bind, token, reason] of [
    ['dpop', {}, 'confirmation-missing'],
    ['dpop', x5t, 'confirmation-missing'],
    ['certificate', {}, 'confirmation-missing'],
    ['certificate', { cnf: { jkt: key.thumbprint } }, 'confirmation-missing'],
    ['any', {}, 'confirmation-missing'],
    ['any', x5t, 'proof-required'],
    [undefined, { cnf: { osc: 'x' } }, 'proof-required'],
  ] as const) {
    await using stand = await open({ url }, bind === undefined ? {} : { bind })
    const reply = await ask(stand, { Authorization: `Bearer ${stand.token(token)}` })
    assert.deepEqual(
      [reply.status, stand.decisions.at(-1)?.reason],
      [401, reason],
      `${bind} ${JSON.stringify(token)}`,
    )
    const offered = bind === 'dpop' ? /^DPoP / : /^Bearer .*DPoP /
    assert.match(reply.headers['www-authenticate'] ?? '', offered)
  }
  await using dpop = await open({ url }, { bind: 'dpop' })
  assert.equal((await ask(dpop, bound(dpop))).status, 200)
  await using any = await open({ url }, {})
  assert.equal((await ask(any, { Authorization: `Bearer ${any.token()}` })).status, 200)
})

describe('tokens that are bound to a certificate', () => {
  const cnf = { 'x5t#S256': thumbprintOf(client) }
  const header = (certificate: Certified): string =>
    `:${new X509Certificate(certificate.cert).raw.toString('base64')}:`
  const ask509 = (stand: Stand, certificate?: Certified, headers: Record<string, string> = {}) =>
    ask(
      stand,
      { Authorization: `Bearer ${stand.token({ cnf })}`, ...headers },
      '/billing/me',
      certificate ?? {},
    )

  test('from their client alone; the service is told of the certificate', async () => {
    await using stand = await openTls({ url, clientCertificates: {} })
    const reply = await ask509(stand, client, { 'Client-Cert': 'invented', 'Client-Cert-Chain': 'invented' })
    assert.equal(reply.status, 200, reply.body)
    const told = JSON.parse(reply.body) as IncomingHttpHeaders
    assert.equal(told['client-cert'], header(client))
    assert.equal(told['client-cert-chain'], undefined)
    assert.equal((await ask509(stand, other)).status, 401)
    assert.equal((await ask509(stand)).status, 401)
    assert.equal((await ask509(stand, undefined, { 'Client-Cert': header(client) })).status, 401)
  })

  test('by the word of a trusted proxy, in one header, and nobody else’s', async () => {
    const clientCertificates = { header: { name: 'X-Cert', encoding: 'rfc9440' } } as const
    await using stand = await open({ url, clientCertificates }, {}, undefined, ['127.0.0.1'])
    const reply = await ask509(stand, undefined, { 'X-Cert': header(client) })
    assert.equal(reply.status, 200, reply.body)
    const told = JSON.parse(reply.body) as IncomingHttpHeaders
    assert.deepEqual([told['client-cert'], told['x-cert']], [header(client), undefined])
    assert.equal((await ask509(stand, undefined, { 'Client-Cert': header(client) })).status, 401)
    const renamed = { header: { name: 'X-Seen', encoding: 'rfc9440' } } as const
    stand.gateway.replace(trustOf({ url, clientCertificates: renamed }, {}, ['127.0.0.1']))
    const after = await ask509(stand, undefined, { 'X-Seen': header(client) })
    assert.equal(after.status, 200, after.body)
    assert.equal((JSON.parse(after.body) as IncomingHttpHeaders)['x-seen'], undefined)
    stand.gateway.replace(trustOf({ url, clientCertificates }, {}, ['192.0.2.1']))
    assert.equal((await ask509(stand, undefined, { 'X-Cert': header(client) })).status, 401)
    stand.gateway.replace(trustOf({ url, clientCertificates }, {}, []))
    assert.equal((await ask509(stand, undefined, { 'X-Cert': header(client) })).status, 401)
  })
})

test('over HTTP/2 as over HTTP/1.1', async () => {
  await using stand = await openTls({ url, clientCertificates: {} })
  const askBy = async (headers: Record<string, string>, certificate: Partial<Certified> = {}) => {
    const at = `https://127.0.0.1:${stand.port}`
    const session = connectHttp2(at, { ...certificate, rejectUnauthorized: false })
    const reply = await askStream(session, { ':path': '/billing/me', ...headers })
    session.destroy()
    return reply
  }
  const withKey = bound(stand)
  const asked = await askBy(withKey)
  assert.deepEqual([asked.status, asked.code], [200, 0], asked.body)
  assert.equal((await askBy(withKey)).status, 401)
  assert.equal(stand.decisions.at(-1)?.reason, 'proof-replayed')
  assert.equal((await ask(stand, withKey)).status, 401, 'nor over HTTP/1.1')
  const token = stand.token({ cnf: { 'x5t#S256': thumbprintOf(client) } })
  const withCertificate = { authorization: `Bearer ${token}`, 'client-cert': 'invented' }
  const told = await askBy(withCertificate, client)
  assert.equal(told.status, 200, told.body)
  assert.match((JSON.parse(told.body) as IncomingHttpHeaders)['client-cert'] as string, /^:M[\w+/]+=*:$/)
  assert.equal((await askBy(withCertificate, other)).status, 401)
  assert.equal((await askBy(withCertificate)).status, 401)
})

test('a service of transactions takes a transaction token from its header, and no access token', async () => {
  const trust = trustOf({}, { transactions: true, tokenFrom: [{ kind: 'header', name: 'Txn-Token' }] })
  const key = generateSigningKey('ES256')
  const transactions = { trustDomain: 'acme.example', lifetimeSeconds: 60 }
  const stand = await openStand(upstreamUrl, { key, gateway: { trust: { ...trust, transactions } } })
  const claims = { ...(inspectToken(stand.token()).claims ?? {}), aud: 'acme.example' }
  const [txn, access] = ['txntoken+jwt', 'at+jwt'].map((type) => createSigner({ key, type }).sign(claims))
  assert.equal((await ask(stand, { 'Txn-Token': txn! })).status, 200)
  assert.equal((await ask(stand, { Authorization: `Bearer ${txn}` })).status, 401)
  for (const token of [access!, stand.token()]) {
    assert.equal((await ask(stand, { 'Txn-Token': token })).status, 401)
  }
  await stand.close()
})

test('parts', () => {
  assert.equal(
    createSenderCheck({ host: undefined }, { gateway: undefined }, createGatewayProofs({})),
    undefined,
  )
  assert.deepEqual(withNonce(['A', '1', 'dpop-NONCE', 'x', 'B', '2'], 'n'), [
    'A',
    '1',
    'B',
    '2',
    'DPoP-Nonce',
    'n',
  ])
})

type Changes = Partial<Pick<GatewaySettings, 'url' | 'dpop' | 'clientCertificates' | 'tls'>>

function trustOf(changes: Changes, service: Partial<Service> = {}, trustedProxies: readonly string[] = []) {
  const routes = [
    ...standService('x').routes,
    { method: 'GET', template: '/me', requirement: 'authenticated', line: 1 },
  ]
  const trust = standTrust(upstreamUrl, { service: { ...service, routes } as Partial<Service> })
  return { ...trust, gateway: { ...trust.gateway!, ...changes }, trustedProxies }
}

async function open(
  changes: Changes,
  service: Partial<Service> = {},
  clock?: () => number,
  trustedProxies: readonly string[] = [],
): Promise<Stand & AsyncDisposable> {
  const trust = trustOf(changes, service, trustedProxies)
  const stand = await openStand(upstreamUrl, {
    gateway: { trust, ...(clock === undefined ? {} : { clock }) },
  })
  return { ...stand, [Symbol.asyncDispose]: () => stand.close() }
}

async function openTls(changes: Changes): Promise<Stand & AsyncDisposable> {
  const server = certify({ subject: [['CN', 'gateway']] })
  const tls = { certificateFile: join(folder, 'cert'), keyFile: join(folder, 'key') }
  writeFileSync(tls.certificateFile, server.cert)
  writeFileSync(tls.keyFile, server.key)
  return open({ ...changes, tls })
}

type Made = {
  readonly at?: string
  readonly key?: typeof key
  readonly proof?: undefined
  readonly scheme?: string
  readonly nonce?: string
  readonly nowMs?: number
}

/** The headers of a request with a token that is bound to the key. */
function bound(stand: Stand, made: Made = {}): Record<string, string> {
  const { at = `${url}/billing/me`, scheme = 'DPoP', nonce, nowMs = Date.now() } = made
  const accessToken = stand.token({
    cnf: { jkt: key.thumbprint },
    iat: Math.floor(nowMs / 1000),
    exp: Math.floor(nowMs / 1000) + 60,
  })
  const proof = createDpopProof({
    key: made.key ?? key,
    method: 'GET',
    url: at,
    accessToken,
    nowMs,
    ...(nonce === undefined ? {} : { nonce }),
  })
  return { Authorization: `${scheme} ${accessToken}`, ...('proof' in made ? {} : { DPoP: proof }) }
}

type Reply = { readonly status: number; readonly headers: IncomingHttpHeaders; readonly body: string }

async function ask(
  { port, gateway }: Stand,
  headers: Record<string, string>,
  path = '/billing/me',
  certificate: Partial<Certified> = {},
): Promise<Reply> {
  const options = { host: '127.0.0.1', port, path, headers, agent: false } as const
  return new Promise((resolve, reject) => {
    const take = async (response: IncomingMessage): Promise<void> =>
      resolve({
        status: response.statusCode ?? 0,
        headers: response.headers,
        body: (await response.toArray()).join(''),
      })
    const isTls = 'setSecureContext' in gateway.server
    const request = isTls
      ? tlsRequest(
          { ...options, ...certificate, rejectUnauthorized: false },
          (response) => void take(response),
        )
      : plainRequest(options, (response) => void take(response))
    request.on('error', reject)
    request.end()
  })
}

function thumbprintOf({ cert }: Certified): string {
  return Buffer.from(new X509Certificate(cert).fingerprint256.replaceAll(':', ''), 'hex').toString(
    'base64url',
  )
}
