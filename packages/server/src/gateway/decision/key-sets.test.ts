import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { test } from 'node:test'
import { Secret, systemClock } from '@countersign/sdk/core'
import {
  createKeySet,
  createRevocations,
  createSigner,
  createVerifier,
  generateSigningKey,
  publicJwk,
  readSecretSigningKey,
} from '@countersign/sdk/jwt'
import { KeySets } from './key-sets.ts'
import { silentLog } from '../../log.ts'
import type { TrustedIssuer, Trust } from '../../trust/trust.ts'
import { issuerAt, standService, standTrust } from '../../../../../test/gateway/stand.ts'

const own = { issuer: 'https://issuer.acme.example', keySet: createKeySet([]) }

test('our own issuer is expected with the audience of the service', () => {
  const [issuer, ...others] = keySets().issuersOf(standService('http://a'), standTrust('http://a'), own)
  assert.deepEqual(issuer, { ...own, audience: 'https://billing.acme.example' })
  assert.deepEqual(others, [])
})

test('without our issuer in this process its keys are fetched, once for all services', () => {
  const sets = keySets()
  const trust: Trust = { ...standTrust('http://a'), issuer: issuerAt('http://127.0.0.1:8080') }
  const [first] = sets.issuersOf(standService('http://a'), trust, undefined)
  const [second] = sets.issuersOf(standService('http://a'), trust, undefined)
  assert.equal(first?.issuer, 'http://127.0.0.1:8080')
  assert.equal(first?.keySet, second?.keySet)
})

test('what our issuer has revoked is followed once for all services, over every reload', () => {
  const sets = keySets()
  const trust: Trust = { ...standTrust('http://a'), issuer: issuerAt('http://127.0.0.1:8080') }
  const first = sets.revocationsOf(standService('http://a'), trust, undefined)
  assert.ok(first !== undefined)
  assert.equal(sets.revocationsOf(standService('http://b'), { ...trust }, undefined), first)
  const gateway = { listen: { host: '127.0.0.1', port: 0 }, realm: 'x', revocationsStaleAfterSeconds: 60 }
  assert.notEqual(sets.revocationsOf(standService('http://a'), { ...trust, gateway }, undefined), first)
})

test('an issuer in this process hands over what it has revoked', () => {
  const gateway = { listen: { host: '127.0.0.1', port: 0 }, realm: 'x', revocationsStaleAfterSeconds: 60 }
  const revocations = createRevocations()
  const asked: unknown[] = []
  const revocationsFor = (stale?: number) => (asked.push(stale), revocations)
  const trust = { ...standTrust('http://a'), gateway }
  assert.equal(
    keySets().revocationsOf(standService('http://a'), trust, { ...own, revocationsFor }),
    revocations,
  )
  assert.deepEqual(asked, [60])
})

test('without an issuer of ours there is nothing to follow', () => {
  const trust = standTrust('http://a')
  assert.equal(keySets().revocationsOf(standService('http://a'), trust, undefined), undefined)
  const foreign = standService('http://a', { acceptsOwn: false })
  assert.equal(
    keySets().revocationsOf(foreign, { ...trust, issuer: issuerAt('http://a') }, undefined),
    undefined,
  )
})

test('nothing is expected of an issuer that the service does not accept', () => {
  const trust = trusting({ kind: 'discovery' })
  const service = standService('http://a', { acceptsOwn: false })
  assert.deepEqual(keySets().issuersOf(service, trust, own), [])
})

test('a trusted issuer is expected with its own audience, algorithms and type', () => {
  const trust = trusting({ kind: 'jwks', url: 'https://login.acme.example/keys' })
  const service = standService('http://a', { accepts: ['partner'] })
  const [, partner] = keySets().issuersOf(service, trust, own)
  assert.equal(partner?.issuer, 'https://login.acme.example')
  assert.equal(partner?.audience, 'acme-web')
  assert.deepEqual(partner?.algorithms, ['HS256'])
  assert.deepEqual(partner?.types, ['JWT'])
})

test('a shared secret verifies what was signed with it', () => {
  const secret = Secret.fromText('a secret of at least thirty-two bytes')
  const trust = trusting({ kind: 'secret', secret, dangerouslyShort: false })
  const service = standService('http://a', { acceptsOwn: false, accepts: ['partner'] })
  const verifier = createVerifier({ issuers: keySets().issuersOf(service, trust, undefined) })
  const signer = createSigner({ key: readSecretSigningKey(secret, { algorithm: 'HS256' }), type: 'JWT' })
  const token = signer.sign({
    iss: 'https://login.acme.example',
    aud: 'acme-web',
    exp: Math.floor(Date.now() / 1000) + 60,
  })
  assert.equal(verifier.verifyNow(token)?.kind, 'verified')
})

test('ready is who has keys to decide with; who has none asks for some, in moderation', async (t) => {
  const sets = keySets()
  assert.equal(sets.ready(), true, 'nothing has to be fetched')
  let asked = 0
  let document: object | undefined
  const server = createServer((request, response) => {
    asked += 1
    const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
    const metadata = { issuer: origin, jwks_uri: `${origin}/jwks.json` }
    if (document === undefined) response.writeHead(500).end()
    else response.end(JSON.stringify(request.url === '/jwks.json' ? document : metadata))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => {
    server.closeAllConnections()
    server.close()
  })
  const issuer = issuerAt(`http://127.0.0.1:${(server.address() as AddressInfo).port}`)
  sets.issuersOf(standService('http://a'), { ...standTrust('http://a'), issuer }, undefined)
  for (let count = 0; count < 50; count++) {
    assert.equal(sets.ready(), false)
    await new Promise((resolve) => setTimeout(resolve, 2))
  }
  assert.ok(asked > 0 && asked <= 4, `${asked}`)
  assert.deepEqual(sets.ages(), [])
  document = { keys: [publicJwk(generateSigningKey('ES256', { keyId: 'a' }))] }
  for (let count = 0; count < 1_000 && !sets.ready(); count++)
    await new Promise((resolve) => setTimeout(resolve, 50))
  assert.equal(sets.ready(), true)
  assert.equal(sets.ages()[0]?.[0], issuer.url)
})

function keySets(): KeySets {
  return new KeySets(systemClock, silentLog)
}

function trusting(keys: TrustedIssuer['keys']): Trust {
  const partner: TrustedIssuer = {
    name: 'partner',
    issuer: 'https://login.acme.example',
    audience: 'acme-web',
    algorithms: ['HS256'],
    type: 'JWT',
    keys,
    roles: undefined,
  }
  return { ...standTrust('http://a'), trusted: new Map([['partner', partner]]) }
}
