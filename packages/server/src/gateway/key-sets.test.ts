import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Secret, systemClock } from '@countersign/sdk/core'
import { createKeySet, createVerifier, readSecretSigningKey, createSigner } from '@countersign/sdk/jwt'
import { KeySets } from './key-sets.ts'
import { silentLog } from '../log.ts'
import type { TrustedIssuer, Trust } from '../trust/trust.ts'
import { issuerAt, standService, standTrust } from '../../../../test/gateway/stand.ts'

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
