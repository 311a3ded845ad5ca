import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Secret } from '@countersign/sdk/core'
import { createSigner, readSecretSigningKey } from '@countersign/sdk/jwt'
import { readTrust } from '../trust/read.ts'
import type { Service, Trust } from '../trust/trust.ts'
import { expectedIssuers, verifyForService } from './verify-for-service.ts'

const secret = 's'.repeat(32)
const trust = trustFrom(`issuer: { url: http://localhost:1, listen: 127.0.0.1:1, store: 'memory:' }
trusted:
  login: { issuer: login, audience: acme, secret: { env: S }, roles: /groups }
services:
  a: { audience: a, accepts: login, routes: { GET /: authenticated } }
  open: { audience: o, accepts: [], routes: { GET /: open } }
`)
const signer = createSigner({
  key: readSecretSigningKey(Secret.fromText(secret), { algorithm: 'HS256' }),
  type: 'JWT',
})
const claims = { iss: 'login', aud: 'acme', sub: 'alice', groups: ['reader'], exp: 4_000_000_000 }

test('as the gateway does: the issuer’s audience, its type, its place for roles', async () => {
  const verified = await verifyForService(signer.sign(claims), serviceOf('a'), trust)
  assert.ok(verified.kind === 'verified')
  assert.deepEqual([verified.principal.subject, [...verified.principal.roles]], ['alice', ['reader']])
  const denied = await verifyForService(signer.sign({ ...claims, aud: 'a' }), serviceOf('a'), trust)
  assert.equal(denied.kind === 'denied' && denied.denial.reason, 'audience-mismatch')
})

test('a token whose actors cannot be read is refused', async () => {
  const denied = await verifyForService(signer.sign({ ...claims, act: 'x' }), serviceOf('a'), trust)
  assert.equal(denied.kind === 'denied' && denied.denial.reason, 'claim-malformed')
})

test('a token that is bound counts where the gateway asks for proof, and nowhere else', async () => {
  const url = 'https://api.acme.example'
  const gateway = { listen: { host: '127.0.0.1', port: 1 }, realm: 'acme', url }
  const [bound, foreign, plain] = [{ jkt: 'x'.repeat(43) }, { osc: 'x' }, undefined].map((cnf) =>
    signer.sign(cnf === undefined ? claims : { ...claims, cnf }),
  )
  const asked = async (token: string, service: Service, known = true): Promise<unknown> => {
    const found = await verifyForService(token, service, known ? { ...trust, gateway } : trust)
    return found.kind === 'denied' ? found.denial.reason : found.isBound
  }
  const a = serviceOf('a')
  assert.deepEqual(
    [
      await asked(bound!, a),
      await asked(bound!, a, false),
      await asked(foreign!, a),
      await asked(plain!, a),
      await asked(plain!, { ...a, bind: 'dpop' }),
      await asked(bound!, { ...a, bind: 'certificate' }),
    ],
    [true, 'proof-required', 'proof-required', false, 'confirmation-missing', 'confirmation-missing'],
  )
})

test('a service that accepts nobody', async () => {
  assert.deepEqual(expectedIssuers(serviceOf('open'), trust), [])
  const denied = await verifyForService(signer.sign(claims), serviceOf('open'), trust)
  assert.equal(denied.kind === 'denied' && denied.denial.reason, 'issuer-mismatch')
})

function serviceOf(name: string): Service {
  return trust.services.get(name) ?? assert.fail()
}

function trustFrom(text: string): Trust {
  const reading = readTrust(text, { file: 'f', env: { S: secret }, readFile: () => '' })
  return reading.kind === 'trust' ? reading.trust : assert.fail(JSON.stringify(reading.mistakes))
}
