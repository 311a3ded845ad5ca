import assert from 'node:assert/strict'
import { X509Certificate } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { request as tlsRequest } from 'node:https'
import type { RequestOptions } from 'node:https'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { inspectToken } from '@countersign/sdk/jwt'
import { readTrust } from '../trust/read.ts'
import { mistakesText } from '../trust/mistake.ts'
import { startServers } from './start.ts'
import type { RunningServers } from './start.ts'
import { certificateAuthority, certify } from '../../../../test/gateway/certificate.ts'
import type { Certified } from '../../../../test/gateway/certificate.ts'

const folder = mkdtempSync(join(tmpdir(), 'countersign-mtls-'))
after(() => rmSync(folder, { recursive: true }))
const authority = certificateAuthority()
const server = certify({ subject: [['CN', 'issuer']], names: { ip: ['127.0.0.1'], dns: ['localhost'] } })
const orders = certify(
  { subject: [['CN', 'orders']], names: { dns: ['orders.acme.example'] }, purpose: 'clientAuth' },
  authority,
)
const shop = certify({ subject: [['CN', 'shop']] })
for (const [name, text] of Object.entries({ cert: server.cert, key: server.key, ca: authority.cert })) {
  writeFileSync(join(folder, `${name}.pem`), text)
}
const grant = 'grant_type=client_credentials'

test('clients that are known by their certificate get tokens that are bound to it', async () => {
  await using servers = await start()
  for (const [id, certificate] of [
    ['orders', orders],
    ['shop', shop],
  ] as const) {
    const answer = await ask(servers, `${grant}&client_id=${id}`, certificate)
    assert.deepEqual([answer.status, answer.json['token_type']], [200, 'Bearer'], JSON.stringify(answer.json))
    assert.deepEqual(claimsOf(answer)['cnf'], { 'x5t#S256': thumbprintOf(certificate) })
    assert.deepEqual(claimsOf(answer)['sub'], id)
  }
})

test('another’s certificate, one of one’s own making, and none', async () => {
  await using servers = await start()
  const forged = certify({ subject: [['CN', 'orders']], names: { dns: ['orders.acme.example'] } })
  for (const certificate of [shop, forged, undefined]) {
    const answer = await ask(servers, `${grant}&client_id=orders`, certificate)
    assert.equal(answer.json['error'], 'invalid_client', JSON.stringify(answer.json))
  }
})

test('a header that nobody is trusted to write is never believed', async () => {
  await using servers = await start()
  const header = `:${new X509Certificate(orders.cert).raw.toString('base64')}:`
  for (const name of ['Client-Cert', 'X-Client-Cert', 'X-Forwarded-Client-Cert', 'X-SSL-Client-Cert']) {
    const answer = await ask(servers, `${grant}&client_id=orders`, undefined, { [name]: header })
    assert.equal(answer.json['error'], 'invalid_client', name)
  }
})

test('a client with a secret is bound to its certificate where the trust file says so, and asked for it', async () => {
  await using servers = await start()
  const body = `${grant}&client_id=secretive&client_secret=${secret}`
  const bound = await ask(servers, body, shop)
  assert.deepEqual(claimsOf(bound)['cnf'], { 'x5t#S256': thumbprintOf(shop) })
  const without = await ask(servers, body)
  assert.deepEqual([without.status, without.json['error']], [400, 'invalid_request'])
})

test('the metadata says so', async () => {
  await using servers = await start()
  const { json } = await ask(servers, undefined)
  assert.equal(json['tls_client_certificate_bound_access_tokens'], true)
  assert.deepEqual((json['token_endpoint_auth_methods_supported'] as string[]).slice(3), [
    'self_signed_tls_client_auth',
    'tls_client_auth',
  ])
  const aliases = json['mtls_endpoint_aliases'] as Record<string, unknown>
  assert.equal(aliases['token_endpoint'], 'https://mtls.acme.example/token')
})

const secret = 'a-secret-of-the-client-of-32-bytes'

async function start(): Promise<RunningServers & AsyncDisposable> {
  const text = `issuer:
  url: https://issuer.acme.example
  listen: 127.0.0.1:0
  store: 'memory:'
  tls: { certificate: { file: cert.pem }, key: { file: key.pem } }
  clientCertificates: { authorities: { file: ca.pem } }
  mtlsUrl: https://mtls.acme.example
services:
  billing: { audience: https://billing.acme.example, roles: [reader] }
clients:
  orders:
    authenticate: { certificate: { dns: orders.acme.example } }
    bind: certificate
    may: { billing: { roles: reader } }
  shop:
    authenticate: { certificate: { thumbprint: "${new X509Certificate(shop.cert).fingerprint256}" } }
    bind: certificate
    may: { billing: { roles: reader } }
  secretive:
    authenticate: { secret: { env: SECRET } }
    bind: certificate
    may: { billing: { roles: reader } }
`
  const file = join(folder, 'countersign.yaml')
  const reading = readTrust(text, { file, env: { SECRET: secret }, readFile: () => 'x' })
  assert.ok(reading.kind === 'trust', reading.kind === 'mistakes' ? mistakesText(file, reading.mistakes) : '')
  const servers = await startServers({ trust: reading.trust, drainMs: 100 })
  return { ...servers, [Symbol.asyncDispose]: () => servers.close() }
}

type Answer = { readonly status: number; readonly json: Record<string, unknown> }

/** A token request, or one for the metadata. */
function ask(
  { addresses }: RunningServers,
  body: string | undefined,
  certificate?: Certified,
  headers: Record<string, string> = {},
): Promise<Answer> {
  const asked: RequestOptions =
    body === undefined
      ? { path: '/.well-known/oauth-authorization-server' }
      : {
          method: 'POST',
          path: '/token',
          headers: { 'Content-Type': 'application/x-www-form-urlencoded', ...headers },
        }
  return new Promise((resolve, reject) => {
    const { host, port } = addresses.issuer!
    const request = tlsRequest(
      {
        host,
        port,
        ca: server.cert,
        agent: false,
        checkServerIdentity: () => undefined,
        ...certificate,
        ...asked,
      },
      async (response) => {
        const text = (await response.toArray()).join('')
        resolve({ status: response.statusCode ?? 0, json: JSON.parse(text) as Record<string, unknown> })
      },
    )
    request.on('error', reject)
    request.end(body)
  })
}

function claimsOf({ json }: Answer): Record<string, unknown> {
  return inspectToken(String(json['access_token'])).claims as Record<string, unknown>
}

function thumbprintOf({ cert }: Certified): string {
  return Buffer.from(new X509Certificate(cert).fingerprint256.replaceAll(':', ''), 'hex').toString(
    'base64url',
  )
}
