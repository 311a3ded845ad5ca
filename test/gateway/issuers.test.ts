/** One gateway, and callers with tokens of four issuers: our own, and three in the ways that others have of saying things. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { after, before, test } from 'node:test'
import {
  createKeySet,
  createSigner,
  generateSigningKey,
  publicJwk,
  verificationKey,
} from '@countersign/sdk/jwt'
import type { SigningKey } from '@countersign/sdk/jwt'
import { createGateway } from '../../packages/server/src/gateway/gateway.ts'
import type { Gateway } from '../../packages/server/src/gateway/gateway.ts'
import { readTrust } from '../../packages/server/src/trust/read.ts'
import { ask, bearer, get, listenOn, okReply, openUpstream } from './stand.ts'
import type { ScriptedUpstream } from './stand.ts'

// All keys have the same kid: it belongs to its issuer, and says nothing about another one's.
const keys = {
  own: generateSigningKey('ES256', { keyId: 'one' }),
  keycloak: generateSigningKey('RS256', { keyId: 'one' }),
  fusionAuth: generateSigningKey('RS256', { keyId: 'one' }),
  plain: generateSigningKey('Ed25519', { keyId: 'one' }),
}
const own = 'https://issuer.acme.example'
const exp = Math.floor(Date.now() / 1000) + 300
let upstream: ScriptedUpstream
let gateway: Gateway
let port: number
/** Where the issuers are. */
let at: Record<'keycloak' | 'fusionAuth' | 'plain', string>
const close: (() => void)[] = []

before(async () => {
  upstream = await openUpstream((socket) => socket.end(okReply('ok', 'Connection: close')))
  const keycloak = await openIssuer(keys.keycloak, '/realms/acme', '/protocol/openid-connect/certs')
  at = {
    keycloak,
    fusionAuth: await openIssuer(keys.fusionAuth, '', '/.well-known/jwks.json'),
    plain: await openIssuer(keys.plain, '', '/keys'),
  }
  const text = `issuer: { url: '${own}', listen: 127.0.0.1:0, store: 'memory:' }
gateway: { listen: 127.0.0.1:0 }
trusted:
  keycloak: { issuer: '${at.keycloak}', audience: account, algorithms: RS256, type: JWT, roles: /realm_access/roles }
  fusionauth: { issuer: acme.com, audience: 85a03867-dccf-4882-adde-1a79aeec50df, algorithms: RS256, type: JWT, jwks: '${at.fusionAuth}/.well-known/jwks.json' }
  plain: { issuer: '${at.plain}', audience: https://billing.acme.example, algorithms: Ed25519 }
services:
  billing:
    audience: https://billing.acme.example
    roles: [reader, admin]
    accepts: [own, keycloak, fusionauth, plain]
    upstream: ${upstream.url}
    at: /billing
    routes:
      GET /invoices: { roles: reader }
      DELETE /invoices: { roles: admin }
      GET /private: { anyOf: [{ roles: admin }, { claims: { /tenant: { equals: acme } } }] }
      GET /public: { not: { claims: { /tenant: { equals: acme } } } }
  page:
    audience: https://page.acme.example
    roles: [reader]
    accepts: [keycloak]
    upstream: ${upstream.url}
    at: /page
    tokenFrom: [{ cookie: session }, { header: Token }]
    routes:
      GET /: { roles: reader }
`
  const reading = readTrust(text, { file: 'issuers.yaml', env: {}, readFile: () => '' })
  assert.ok(reading.kind === 'trust', JSON.stringify(reading))
  gateway = createGateway({
    trust: reading.trust,
    ownIssuer: { issuer: own, keySet: createKeySet([verificationKey(keys.own)]) },
  })
  gateway.server.listen(0, '127.0.0.1')
  await once(gateway.server, 'listening')
  port = (gateway.server.address() as AddressInfo).port
})
after(async () => {
  await gateway?.close()
  await upstream?.close()
  for (const one of close) one()
})

test('each issuer’s tokens are taken, with roles where it keeps them, and the service sees whose they are', async () => {
  for (const [name, issuer, subject] of [
    ['own', own, 'orders'],
    ['keycloak', at.keycloak, 'c0ffee'],
    ['fusionAuth', 'acme.com', 'f00d'],
    ['plain', at.plain, 'orders'],
  ] as const) {
    const token = bearer(tokenOf(name))
    assert.equal((await ask(port, get('/billing/invoices', token))).status, 200, name)
    const request = upstream.requests.at(-1)!
    assert.match(request, new RegExp(`\r\nCountersign-Issuer: ${issuer}\r\n`), name)
    assert.match(request, new RegExp(`\r\nCountersign-Subject: ${subject}\r\n`), name)
    assert.match(request, /\r\nCountersign-Roles: \["reader"[^\r]*\]\r\n/, name)
    const remove = get('/billing/invoices', token).replace('GET', 'DELETE')
    assert.equal((await ask(port, remove)).status, 403, name)
  }
})

test('a key of one issuer makes no token of another, whatever its kid', async () => {
  const names = Object.keys(keys) as (keyof typeof keys)[]
  for (const name of names) {
    for (const other of names) {
      if (other === name) continue
      const { status } = await ask(port, get('/billing/invoices', bearer(tokenOf(name, keys[other]))))
      assert.equal(status, 401, `${name} signed by ${other}`)
    }
  }
})

test('an issuer’s own audience, type and algorithm are asked for, and nobody else’s', async () => {
  const wrong = [
    tokenOf('keycloak', keys.keycloak, { aud: 'https://billing.acme.example' }),
    tokenOf('plain', keys.plain, { aud: 'account' }),
    tokenOf('own', keys.own, { iss: 'https://issuer.acme.example/' }),
    tokenOf('keycloak', keys.keycloak, { iss: `${at.keycloak}/` }),
    createSigner({ key: keys.keycloak, type: 'at+jwt' }).sign(claimsOf('keycloak')),
    createSigner({ key: keys.plain, type: 'JWT' }).sign(claimsOf('plain')),
  ]
  for (const token of wrong) {
    assert.equal((await ask(port, get('/billing/invoices', bearer(token)))).status, 401)
  }
})

test('claims of anybody’s token can be asked for, any of them or none', async () => {
  const tenant = (name: string) => bearer(tokenOf('fusionAuth', keys.fusionAuth, { tenant: name }))
  const statuses = []
  for (const path of ['/billing/private', '/billing/public']) {
    // What a token does not say it does not deny either.
    for (const token of [tenant('acme'), tenant('other'), bearer(tokenOf('fusionAuth'))]) {
      statuses.push((await ask(port, get(path, token))).status)
    }
  }
  assert.deepEqual(statuses, [200, 403, 403, 403, 200, 403])
})

test('a service takes tokens where it says, and of those whom it accepts', async () => {
  const good = tokenOf('keycloak')
  const asked = async (...lines: string[]): Promise<number> =>
    (await ask(port, get('/page/', ...lines))).status
  assert.equal(await asked(`Cookie: a=1; session=${good}; b=2`), 200)
  assert.equal(await asked(`Token: ${good}`), 200)
  assert.equal(await asked(bearer(good)), 401)
  assert.equal(await asked(`Token: ${good}`, `Cookie: session=${good}`), 400)
  assert.equal(await asked(`Token: ${tokenOf('own', keys.own, { aud: 'https://page.acme.example' })}`), 401)
})

function claimsOf(name: keyof typeof keys): Record<string, unknown> {
  switch (name) {
    case 'own':
    case 'plain':
      return {
        iss: name === 'own' ? own : at.plain,
        aud: 'https://billing.acme.example',
        sub: 'orders',
        client_id: 'orders',
        roles: ['reader'],
        exp,
      }
    case 'keycloak':
      return {
        iss: at.keycloak,
        aud: ['account', 'other'],
        sub: 'c0ffee',
        typ: 'Bearer',
        azp: 'web',
        scope: 'email profile',
        realm_access: { roles: ['reader', 'offline_access'] },
        resource_access: { account: { roles: ['admin'] } },
        roles: ['admin'],
        exp,
      }
    case 'fusionAuth':
      return {
        iss: 'acme.com',
        aud: '85a03867-dccf-4882-adde-1a79aeec50df',
        sub: 'f00d',
        authenticationType: 'PASSWORD',
        applicationId: '85a03867-dccf-4882-adde-1a79aeec50df',
        roles: ['reader'],
        exp,
      }
  }
}

function tokenOf(
  name: keyof typeof keys,
  key: SigningKey = keys[name],
  changes: Readonly<Record<string, unknown>> = {},
): string {
  const type = name === 'own' || name === 'plain' ? 'at+jwt' : 'JWT'
  return createSigner({ key, type }).sign({ ...claimsOf(name), ...changes })
}

/** @returns its URL, which is the claim `iss` of those who are found by it */
async function openIssuer(key: SigningKey, path: string, keysPath: string): Promise<string> {
  const server = createServer((request, response) => {
    const documents: Record<string, unknown> = {
      [`${path}/.well-known/openid-configuration`]: { issuer: url, jwks_uri: `${url}${keysPath}` },
      [`${path}${keysPath}`]: { keys: [publicJwk(key)] },
    }
    const document = documents[request.url ?? '']
    response.writeHead(document === undefined ? 404 : 200, { 'content-type': 'application/json' })
    response.end(JSON.stringify(document))
  })
  const url = `http://localhost:${await listenOn(server)}${path}`
  close.push(() => server.close().closeAllConnections())
  return url
}
