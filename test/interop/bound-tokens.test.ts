/** Other people's OAuth clients, unchanged, with tokens that are bound to them: by DPoP with nonces, by TLS certificate. */
import assert from 'node:assert/strict'
import { X509Certificate } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import * as jose from 'jose'
import * as oauth from 'oauth4webapi'
import * as openid from 'openid-client'
import { Agent, fetch as fetchBy } from 'undici'
import { createTokenSource } from '@countersign/sdk/client'
import { jwkThumbprint } from '@countersign/sdk/jwt'
import { startServers } from '../../packages/server/src/serve/start.ts'
import { mistakesText } from '../../packages/server/src/trust/mistake.ts'
import { readTrust } from '../../packages/server/src/trust/read.ts'
import { freePort } from '../machine/free-port.ts'
import { certificateAuthority, certify } from '../gateway/certificate.ts'

const secret = 'a-secret-of-the-client-of-32-bytes'
const audience = 'https://billing.acme.example'
const folder = mkdtempSync(join(tmpdir(), 'countersign-bound-'))
const authority = certificateAuthority()
const server = certify(
  { subject: [['CN', 'issuer']], names: { dns: ['localhost'] }, purpose: 'serverAuth' },
  authority,
)
const shown = certify(
  { subject: [['CN', 'mtls']], names: { dns: ['mtls.acme.example'] }, purpose: 'clientAuth' },
  authority,
)
for (const [name, pem] of Object.entries({ cert: server.cert, key: server.key, ca: authority.cert })) {
  writeFileSync(join(folder, `${name}.pem`), pem)
}
const signer = await jose.generateKeyPair('ES256', { extractable: true })
// The issuer's URL has its port in it, so it must be known before it listens.
const port = await freePort()
const url = `https://localhost:${port}`
const servers = await start()
const agents = [
  new Agent({ connect: { ca: authority.cert } }),
  new Agent({ connect: { ca: authority.cert, ...shown } }),
] as const
after(async () => {
  await Promise.all(agents.map((agent) => agent.close()))
  await servers.close()
  rmSync(folder, { recursive: true })
})
const [plainFetch, certifiedFetch] = agents.map(
  (dispatcher) =>
    ((input: string, init: object) => fetchBy(input, { ...init, dispatcher })) as unknown as typeof fetch,
) as [typeof fetch, typeof fetch]
const thumbprint = Buffer.from(
  new X509Certificate(shown.cert).fingerprint256.replaceAll(':', ''),
  'hex',
).toString('base64url')

test('oauth4webapi: private_key_jwt and DPoP, with the nonce that it is asked for', async () => {
  const as = await discover()
  const client = { client_id: 'keyed' }
  const dpop = await oauth.generateKeyPair('ES256')
  const handle = oauth.DPoP({}, dpop)
  const ask = () =>
    oauth.clientCredentialsGrantRequest(
      as,
      client,
      oauth.PrivateKeyJwt({ key: signer.privateKey, kid: 'k1' }),
      { audience },
      { DPoP: handle, [oauth.customFetch]: plainFetch },
    )
  await assert.rejects(
    ask().then((response) => oauth.processClientCredentialsResponse(as, client, response)),
    (error) => oauth.isDPoPNonceError(error),
  )
  const result = await oauth.processClientCredentialsResponse(as, client, await ask())
  assert.equal(result.token_type, 'dpop')
  const jkt = jwkThumbprint({ ...(await jose.exportJWK(dpop.publicKey)) } as never)
  assert.deepEqual(jose.decodeJwt(result.access_token)['cnf'], { jkt })
  let presented: Request | undefined
  await oauth
    .protectedResourceRequest(
      result.access_token,
      'GET',
      new URL(`${audience}/invoices`),
      new Headers(),
      null,
      {
        DPoP: handle,
        [oauth.customFetch]: async (input: string, init: object) => {
          presented = new Request(input, init)
          return new Response()
        },
      },
    )
    .catch(() => undefined)
  const options = { [oauth.customFetch]: plainFetch, requireDPoP: true } as never
  const claims = await oauth.validateJwtAccessToken(as, presented!, audience, options)
  assert.equal(claims.sub, 'keyed')
})

test('openid-client: private_key_jwt and DPoP, which answers for the nonce by itself', async () => {
  const config = await openid.discovery(
    new URL(url),
    'keyed',
    undefined,
    openid.PrivateKeyJwt({ key: signer.privateKey, kid: 'k1' }),
    { [openid.customFetch]: plainFetch as never },
  )
  config[openid.customFetch] = plainFetch as never
  const DPoP = openid.getDPoPHandle(config, await openid.randomDPoPKeyPair('ES256'))
  for (let round = 0; round < 2; round++) {
    const tokens = await openid.clientCredentialsGrant(config, { audience }, { DPoP })
    assert.equal(tokens.token_type, 'dpop')
  }
})

test('oauth4webapi and openid-client: by certificate, with a token that is bound to it', async () => {
  const as = await discover()
  assert.deepEqual(as.mtls_endpoint_aliases?.token_endpoint, `${url}/token`)
  const client = { client_id: 'certified', use_mtls_endpoint_aliases: true }
  const response = await oauth.clientCredentialsGrantRequest(
    as,
    client,
    oauth.TlsClientAuth(),
    { audience },
    {
      [oauth.customFetch]: certifiedFetch,
    } as never,
  )
  const result = await oauth.processClientCredentialsResponse(as, client, response)
  assert.deepEqual(jose.decodeJwt(result.access_token)['cnf'], { 'x5t#S256': thumbprint })

  const config = await openid.discovery(
    new URL(url),
    'certified',
    { use_mtls_endpoint_aliases: true },
    openid.TlsClientAuth(),
    {
      [openid.customFetch]: certifiedFetch as never,
    },
  )
  config[openid.customFetch] = certifiedFetch as never
  const tokens = await openid.clientCredentialsGrant(config, { audience })
  assert.deepEqual(jose.decodeJwt(tokens.access_token)['cnf'], { 'x5t#S256': thumbprint })
})

test('our own client: DPoP, and the issuer’s nonces', async () => {
  const source = createTokenSource({
    tokenEndpoint: `${url}/token`,
    clientId: 'secretive',
    clientSecret: secret,
    audience,
    dpop: true,
    fetch: plainFetch,
  })
  const { secret: token } = await source.token()
  assert.ok('jkt' in (jose.decodeJwt(token.revealText())['cnf'] as object))
})

test('our own client: by certificate', async () => {
  const source = createTokenSource({
    tokenEndpoint: `${url}/token`,
    clientId: 'certified',
    authentication: 'tls_client_auth',
    audience,
    fetch: certifiedFetch,
  })
  const { secret: token } = await source.token()
  assert.deepEqual(jose.decodeJwt(token.revealText())['cnf'], { 'x5t#S256': thumbprint })
  const without = createTokenSource({
    tokenEndpoint: `${url}/token`,
    clientId: 'certified',
    authentication: 'tls_client_auth',
    audience,
    fetch: plainFetch,
  })
  await assert.rejects(without.token(), {
    code: 'token-refused',
    message: /invalid_client: no client authentication/,
  })
})

async function discover(): Promise<oauth.AuthorizationServer> {
  const issuer = new URL(url)
  const options = { algorithm: 'oauth2', [oauth.customFetch]: plainFetch } as const
  return oauth.processDiscoveryResponse(issuer, await oauth.discoveryRequest(issuer, options as never))
}

async function start() {
  const jwk = { ...(await jose.exportJWK(signer.publicKey)), kid: 'k1', alg: 'ES256' }
  const text = `issuer:
  url: ${url}
  listen: 127.0.0.1:${port}
  store: 'memory:'
  tls: { certificate: { file: cert.pem }, key: { file: key.pem } }
  clientCertificates: { authorities: { file: ca.pem } }
  mtlsUrl: ${url}
  dpop: { nonces: true }
services:
  billing: { audience: ${audience}, roles: [reader] }
clients:
  keyed:
    authenticate: { keys: [${JSON.stringify(jwk)}] }
    bind: dpop
    may: { billing: { roles: reader } }
  secretive:
    authenticate: { secret: { env: SECRET } }
    bind: dpop
    may: { billing: { roles: reader } }
  certified:
    authenticate: { certificate: { dns: mtls.acme.example } }
    bind: certificate
    may: { billing: { roles: reader } }
`
  const file = join(folder, 'countersign.yaml')
  const reading = readTrust(text, { file, env: { SECRET: secret }, readFile: () => 'x' })
  assert.ok(reading.kind === 'trust', reading.kind === 'mistakes' ? mistakesText(file, reading.mistakes) : '')
  return startServers({ trust: reading.trust, drainMs: 100 })
}
