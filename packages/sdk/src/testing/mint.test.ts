import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { DenialReason } from '../core/denial.ts'
import { inspectToken } from '../jwt/inspect.ts'
import { createTestIssuer } from './memory-issuer.ts'
import type { TestToken } from './mint.ts'

const nowMs = 1_800_000_000_000
const issuer = createTestIssuer({ audience: 'billing', nowMs })
const verifier = issuer.verifier({ maxLifetimeSeconds: 3600 })

test('a token that says nothing is a good one, as RFC 9068 has them', () => {
  const token = issuer.token()
  const { header, claims, problems } = inspectToken(token)
  assert.deepEqual(problems, [])
  assert.deepEqual({ ...header, kid: typeof header?.['kid'] }, { alg: 'ES256', typ: 'at+jwt', kid: 'string' })
  assert.deepEqual(
    { ...claims, jti: typeof claims?.['jti'] },
    {
      iss: 'https://issuer.test',
      aud: 'billing',
      sub: 'test-client',
      client_id: 'test-client',
      iat: nowMs / 1000,
      exp: nowMs / 1000 + 300,
      jti: 'string',
    },
  )
  assert.equal(verifier.verifyNow(token)?.kind, 'verified')
  assert.notEqual(inspectToken(issuer.token()).claims?.['jti'], claims?.['jti'], 'each is another token')
})

test('roles, scopes, subject, actors, audience, life and any claim', () => {
  const { claims } = inspectToken(
    issuer.token({
      subject: 'alice',
      clientId: 'shop',
      roles: 'reader',
      scopes: ['invoices:read', 'invoices:write'],
      actor: ['orders', 'shop'],
      audience: ['billing', 'shipping'],
      lifetimeSeconds: 60,
      claims: { tenant: 'acme', jti: undefined },
    }),
  )
  assert.deepEqual(claims, {
    iss: 'https://issuer.test',
    aud: ['billing', 'shipping'],
    sub: 'alice',
    client_id: 'shop',
    iat: nowMs / 1000,
    exp: nowMs / 1000 + 60,
    scope: 'invoices:read invoices:write',
    roles: ['reader'],
    act: { sub: 'orders', act: { sub: 'shop' } },
    tenant: 'acme',
  })
})

const wrong: [TestToken, DenialReason][] = [
  [{ lifetimeSeconds: -60 }, 'token-expired'],
  [{ lifetimeSeconds: 7200 }, 'token-lifetime'],
  [{ audience: 'shipping' }, 'audience-mismatch'],
  [{ claims: { iss: 'https://other.example' } }, 'issuer-mismatch'],
  [{ claims: { nbf: nowMs / 1000 + 60 } }, 'token-premature'],
  [{ claims: { exp: undefined } }, 'claim-missing'],
  [{ claims: { cnf: { jkt: 'x' } } }, 'proof-required'],
  [{ dangerouslyClaims: { exp: 'soon' } }, 'claim-malformed'],
  [{ dangerouslyType: 'JWT' }, 'type-mismatch'],
  [{ dangerouslyAlgorithm: 'none', dangerouslySignature: 'none' }, 'algorithm-mismatch'],
  [{ dangerouslyAlgorithm: 'HS256' }, 'algorithm-mismatch'],
  [{ dangerouslyKeyId: 'nobody' }, 'key-unknown'],
  [{ dangerouslyHeader: { crit: ['exp'] } }, 'critical-unknown'],
  [{ dangerouslySignature: 'broken' }, 'signature-invalid'],
  [{ dangerouslySignature: 'foreign' }, 'signature-invalid'],
  [{ dangerouslySignature: 'none' }, 'signature-invalid'],
]
for (const [wanted, reason] of wrong) {
  test(`wrong on purpose: ${JSON.stringify(wanted)} is refused as ${reason}`, () => {
    const verification = verifier.verifyNow(issuer.token(wanted))
    assert.ok(verification?.kind === 'denied')
    assert.equal(verification.denial.reason, reason)
  })
}

test('what is wrong in one way is right in all others', () => {
  const { header, claims } = inspectToken(issuer.token({ dangerouslyType: 'JWT', roles: 'reader' }))
  assert.equal(header?.['alg'], 'ES256')
  assert.deepEqual(claims?.['roles'], ['reader'])
  const kidless = inspectToken(issuer.token({ dangerouslyHeader: { kid: undefined } }))
  assert.ok(kidless.header !== undefined && !('kid' in kidless.header))
})

test('the signer of production refuses what it would not sign', () => {
  assert.throws(() => issuer.token({ claims: { exp: nowMs } }), { code: 'claims-invalid' })
  assert.throws(() => issuer.token({ role: 'reader' } as unknown as TestToken), {
    code: 'option-unknown',
    next: 'did you mean "roles"?',
  })
})
