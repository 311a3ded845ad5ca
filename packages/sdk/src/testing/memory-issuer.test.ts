import assert from 'node:assert/strict'
import { test } from 'node:test'
import { z } from 'zod'
import { authOf, rememberAuth } from '../guard/auth-of.ts'
import { readRoutes } from '../guard/routes.ts'
import type { ServiceTerms } from '../guard/service-terms.ts'
import { createDpopKey, createDpopProof } from '../jwt/dpop-proof.ts'
import { startTestIssuer } from './loopback-issuer.ts'
import type { StartedTestIssuer } from './loopback-issuer.ts'
import { createTestIssuer } from './memory-issuer.ts'
import type { TestGuardOptions, TestIssuer, TestIssuerOptions } from './memory-issuer.ts'
import type { Guard } from '../guard/guard.ts'
import type { Requirement } from '../policy/policy.ts'
import type { SignedClaims } from '../policy/principal.ts'

test('a guard and a token in two lines', async () => {
  const issuer = createTestIssuer({ audience: 'https://billing.acme.example' })
  const guard = issuer.guard()
  assert.equal(await ask(guard, issuer.authorization({ roles: 'reader' }), { roles: 'reader' }), 'allow')
  assert.equal(await ask(guard, issuer.authorization(), { roles: 'reader' }), 'role-missing')
  assert.equal(await ask(guard, undefined, 'authenticated'), 'token-missing')
})

test('the clock moves for the issuer and for those who verify', async () => {
  const issuer = createTestIssuer({ nowMs: 1_800_000_000_000 })
  const guard = issuer.guard()
  const token = issuer.authorization({ lifetimeSeconds: 60 })
  assert.equal(await ask(guard, token), 'allow')
  issuer.advance(64)
  assert.equal(await ask(guard, token), 'allow', 'the tolerance of 5 s')
  issuer.advance(2)
  assert.equal(await ask(guard, token), 'token-expired')
  assert.equal(await ask(guard, issuer.authorization()), 'allow')
})

test('an issuer whose clock is ahead or behind', async () => {
  const issuer = createTestIssuer({ nowMs: 1_800_000_000_000 })
  const guard = issuer.guard()
  issuer.skew(4)
  assert.equal(await ask(guard, issuer.authorization()), 'allow')
  issuer.skew(60)
  assert.equal(await ask(guard, issuer.authorization()), 'token-premature')
  issuer.skew(-400)
  assert.equal(await ask(guard, issuer.authorization()), 'token-expired')
  issuer.skew(0)
  assert.equal(await ask(guard, issuer.authorization()), 'allow')
  assert.throws(() => issuer.skew(Number.NaN), { code: 'option-invalid' })
})

test('rotation: old tokens live on, until the old key is forgotten', async () => {
  const issuer = createTestIssuer()
  const guard = issuer.guard()
  const before = issuer.authorization()
  assert.equal(await ask(guard, before), 'allow')
  issuer.rotate()
  assert.equal(issuer.jwks().keys.length, 2)
  assert.equal(await ask(guard, before), 'allow')
  assert.equal(await ask(guard, issuer.authorization()), 'allow')
  issuer.rotate({ forget: true })
  assert.equal(await ask(guard, before), 'key-unknown', 'although it is in the cache')
  assert.equal(await ask(guard, issuer.authorization()), 'allow')
})

test('revocation: one token, a subject, a client, a key', async () => {
  const issuer = createTestIssuer({ nowMs: 1_800_000_000_000 })
  const guard = issuer.guard()
  const [one, other] = [issuer.token(), issuer.token()]
  assert.equal(await ask(guard, `Bearer ${one}`), 'allow')
  issuer.revoke(one)
  assert.equal(await ask(guard, `Bearer ${one}`), 'token-revoked')
  assert.equal(await ask(guard, `Bearer ${other}`), 'allow')

  for (const [revoked, wanted] of [
    [{ subject: 'alice' }, { subject: 'alice' }],
    [{ clientId: 'orders' }, { clientId: 'orders' }],
  ] as const) {
    const before = issuer.authorization(wanted)
    issuer.revoke(revoked)
    assert.equal(await ask(guard, before), 'token-revoked')
    issuer.advance(1)
    assert.equal(await ask(guard, issuer.authorization(wanted)), 'allow', 'a new one is good')
  }

  issuer.revoke({ keyId: issuer.jwks().keys[0]!['kid'] as string })
  assert.equal(await ask(guard, issuer.authorization()), 'token-revoked')
  assert.throws(() => issuer.revoke(issuer.token({ claims: { jti: undefined } })), { code: 'option-invalid' })
})

test('a verifier or a guard of one’s own making', async () => {
  const issuer = createTestIssuer()
  const strict = issuer.verifier({ requiredClaims: ['tenant'], cache: false })
  assert.equal(strict.verifyNow(issuer.token())?.kind, 'denied')
  assert.equal(strict.verifyNow(issuer.token({ claims: { tenant: 'acme' } }))?.kind, 'verified')
  const told: string[] = []
  const guard = issuer.guard({ verifier: strict, realm: 'x', onDecision: ({ kind }) => told.push(kind) })
  assert.equal(await ask(guard, issuer.authorization()), 'claim-missing')
  assert.deepEqual(told, ['deny'])
})

test('tokens that are bound to a key, and a guard that asks for the proof', async () => {
  const issuer = createTestIssuer()
  const key = createDpopKey()
  const token = issuer.token({ claims: { cnf: { jkt: key.thumbprint } } })
  assert.equal(await ask(issuer.guard(), `Bearer ${token}`), 'proof-required')
  const guard = issuer.guard({ senderConstraint: 'required', publicUrl: 'https://billing.test' })
  assert.equal(await ask(guard, `DPoP ${token}`), 'proof-missing')
  const proof = createDpopProof({ key, method: 'GET', url: 'https://billing.test/', accessToken: token })
  const rawHeaders = ['Authorization', `DPoP ${token}`, 'DPoP', proof]
  const decision = await guard.check({ method: 'GET', target: '/', rawHeaders }, 'authenticated')
  assert.equal(decision.kind, 'allow')
})

test('two issuers share nothing', async () => {
  const [one, other] = [createTestIssuer(), createTestIssuer()]
  assert.equal(await ask(one.guard(), other.authorization()), 'key-unknown')
})

test('other algorithms, also with a shared secret', async () => {
  for (const algorithm of ['HS256', 'Ed25519', 'PS256'] as const) {
    const issuer = createTestIssuer({ algorithm })
    assert.equal(await ask(issuer.guard(), issuer.authorization()), 'allow', algorithm)
    assert.equal(
      await ask(issuer.guard(), issuer.authorization({ dangerouslySignature: 'foreign' })),
      'signature-invalid',
    )
  }
  assert.throws(() => createTestIssuer({ algorithm: 'HS256' }).jwks(), { code: 'key-invalid' })
})

test('await using, and no listener, timer or socket left', async () => {
  const before = process.getActiveResourcesInfo().length
  {
    await using issuer = createTestIssuer()
    assert.equal(await ask(issuer.guard(), issuer.authorization()), 'allow')
  }
  assert.equal(process.getActiveResourcesInfo().length, before)
})

test('what is misspelt is refused', () => {
  assert.throws(() => createTestIssuer({ audiance: 'x' } as TestIssuerOptions), { code: 'option-unknown' })
  assert.throws(() => createTestIssuer({ issuer: '' }), { code: 'option-invalid' })
  assert.throws(() => createTestIssuer().rotate({ forgett: true } as object), {
    code: 'option-unknown',
  })
  assert.throws(() => createTestIssuer().guard({ relm: 'x' } as TestGuardOptions), { code: 'option-unknown' })
})

async function ask(guard: Guard, header: string | undefined, requirement: Requirement = 'authenticated') {
  const rawHeaders = header === undefined ? [] : ['Authorization', header]
  const decision = await guard.check({ method: 'GET', target: '/', rawHeaders }, requirement)
  return decision.kind === 'allow' ? 'allow' : decision.denial.reason
}

test('a guard with the terms of a service and a schema has their types, and takes this issuer’s tokens', async () => {
  // A clock that runs could begin a new second after the revocation, and a token of that second is good.
  const issuer = createTestIssuer({ nowMs: 1_800_000_000_000 })
  const service = {
    name: 'billing',
    audience: 'https://billing.acme.example',
    roles: ['reader', 'admin'],
    scopes: [],
    issuers: [{ issuer: 'jwtgo.io', audience: 'x', algorithms: ['HS256'], hasSecret: true, roles: '/other' }],
    tokenFrom: [{ header: 'Token' }],
    conditions: { 'GET /': 'true' },
    routes: { 'GET /': { roles: ['reader'] } },
  } as const satisfies ServiceTerms
  const claims = z.object({ tenant: z.string() })
  const guard: Guard<{ role: 'reader' | 'admin'; scope: never; claims: { tenant: string } }> = issuer.guard({
    service,
    claims,
  })
  const ask = (roles: string) =>
    guard.check(
      {
        method: 'GET',
        target: '/',
        rawHeaders: ['Token', issuer.token({ roles, claims: { tenant: 'acme' } })],
      },
      readRoutes(service.routes),
    )
  const decision = await ask('reader')
  assert.ok(decision.kind === 'allow')
  assert.equal(decision.principal?.claims.tenant.length, 4)
  assert.equal((await ask('admin')).kind, 'deny')
  issuer.revoke({ clientId: 'test-client' })
  assert.equal((await ask('reader')).kind, 'deny')
  const carrier = {}
  rememberAuth(carrier, decision.principal, guard)
  assert.equal(authOf(carrier, guard).claims.tenant, 'acme')
})

test('an issuer of a service has its audience and its guard, and the compiler knows its names', async () => {
  const service = {
    name: 'billing',
    audience: 'https://billing.acme.example',
    roles: ['reader', 'admin'],
    scopes: ['invoices:write'],
    issuers: [{ issuer: 'https://issuer.acme.example', audience: 'https://billing.acme.example' }],
    tokenFrom: ['bearer'],
    routes: { 'GET /': { roles: ['reader'] } },
  } as const satisfies ServiceTerms
  const issuer = createTestIssuer({ service })
  const guard: Guard<{ role: 'reader' | 'admin'; scope: 'invoices:write'; claims: SignedClaims }> =
    issuer.guard()
  assert.equal(issuer.audience, service.audience)
  assert.equal(await ask(guard, issuer.authorization({ roles: 'reader' }), { roles: 'reader' }), 'allow')
  const other = issuer.authorization({ claims: { roles: ['auditor'] } })
  assert.equal(await ask(guard, other, { roles: 'reader' }), 'role-missing', 'any other name is a claim')
  // What its own verifier takes is its own affair.
  assert.equal(await ask(issuer.guard({ verifier: issuer.verifier() }), issuer.authorization()), 'allow')
  await using started = await startTestIssuer({ service })
  assert.equal(await ask(started.guard(), started.authorization({ roles: ['reader', 'admin'] })), 'allow')
  const untyped: TestIssuer = issuer
  untyped.token({ roles: 'whatever' })
  const untypedStarted: StartedTestIssuer = started
  untypedStarted.token({ roles: 'whatever' })
  createTestIssuer().token({ roles: 'whatever' })
})

test('keys that cannot be had, and that come back', async () => {
  const issuer = createTestIssuer()
  const guard = issuer.guard()
  const before = issuer.authorization()
  assert.equal(await ask(guard, before), 'allow')
  for (const keys of [503, 'reset', { status: 503, retryAfterSeconds: 120 }] as const) {
    issuer.fail({ keys })
    for (const header of [before, issuer.authorization()]) {
      await assert.rejects(ask(guard, header), { code: 'keys-unavailable' })
    }
    await assert.rejects(ask(issuer.guard(), before), { code: 'keys-unavailable' })
    issuer.recover()
    assert.equal(await ask(guard, before), 'allow')
  }
  issuer.fail({ keys: 503 })
  assert.equal(await ask(guard, undefined), 'token-missing', 'what needs no key is decided')
  assert.throws(() => issuer.fail({ token: 503 } as object), { code: 'option-unknown' })
  assert.throws(() => issuer.fail({ keys: 5 }), { code: 'option-invalid' })
})
