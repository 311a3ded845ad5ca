import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Secret } from '../core/secret.ts'
import { readSecretKey } from '../jwt/key-readers.ts'
import { createKeySet } from '../jwt/key-set.ts'
import { createTestIssuer, MemoryIssuer } from '../testing/memory-issuer.ts'
import { createGuard } from './guard.ts'
import type { ServiceTerms } from './service-terms.ts'
import { readRoutes } from './routes.ts'

const ours = createTestIssuer({ issuer: 'https://issuer.example', audience: 'https://billing.example' })
const login = createTestIssuer({ issuer: 'https://login.example', audience: 'acme-web', algorithm: 'ES384' })
const tutorial = new MemoryIssuer({ issuer: 'jwtgo.io', audience: 'billing.jwtgo.io', algorithm: 'HS256' })

const billing = {
  name: 'billing',
  audience: 'https://billing.example',
  roles: ['reader', 'admin'],
  scopes: [],
  issuers: [
    { issuer: 'https://issuer.example', audience: 'https://billing.example', allowPrivateAddresses: true },
    {
      issuer: 'https://login.example',
      audience: 'acme-web',
      algorithms: ['ES384'],
      types: ['JWT'],
      roles: '/realm/roles',
    },
    { issuer: 'jwtgo.io', audience: 'billing.jwtgo.io', algorithms: ['HS256'], hasSecret: true },
  ],
  tokenFrom: ['bearer', { header: 'Token' }],
  routes: { 'GET /health': 'open', 'GET /invoices/{id}': { roles: ['reader'] } },
} as const satisfies ServiceTerms

const keySets = Object.fromEntries([ours, login, tutorial].map((issuer) => [issuer.url, issuer.keySet()]))
const guard = createGuard({ service: billing, keySets })
const routes = readRoutes(billing.routes)

test('a guard from the trust file takes what each issuer is trusted with, and nothing else', async () => {
  const webRoles = { claims: { realm: { roles: ['reader'] } }, dangerouslyType: 'JWT' }
  assert.equal(await ask(['Authorization', ours.authorization({ roles: 'reader' })]), 'allow')
  assert.equal(await ask(['Token', ours.token({ roles: 'reader' })]), 'allow')
  assert.equal(await ask(['Token', login.token(webRoles)]), 'allow')
  assert.equal(await ask(['Token', tutorial.token({ roles: 'reader' })]), 'allow')
  assert.equal(await ask(['Token', ours.token({ roles: 'admin' })]), 'role-missing')
  assert.equal(await ask(['Token', ours.token(webRoles)]), 'type-mismatch')
  assert.equal(await ask(['Token', login.token({ ...webRoles, audience: 'other' })]), 'audience-mismatch')
  assert.equal(await ask(['Token', login.token({ roles: 'reader', dangerouslyType: 'JWT' })]), 'role-missing')
  assert.equal(await ask([], '/health'), 'allow')
  assert.equal(await ask([], '/other'), 'route-unknown')
})

test('a secret that is not given stops the service, and so does a key set that is for nobody', () => {
  assert.throws(() => createGuard({ service: billing }), { code: 'option-invalid', message: /jwtgo\.io/ })
  const secret = readSecretKey(Secret.fromText('x'.repeat(32)), { algorithm: 'HS256' })
  const stray = { ...keySets, 'https://other.example': createKeySet([secret]) }
  assert.throws(() => createGuard({ service: billing, keySets: stray }), {
    code: 'option-invalid',
    message: /other/,
  })
})

test('a service of bound tokens has no guard that takes others', () => {
  for (const options of [
    {},
    { senderConstraint: 'accepted', publicUrl: 'https://billing.example' },
  ] as const) {
    const service = { ...billing, bind: 'dpop' } as const
    assert.throws(() => createGuard({ service, keySets, ...options }), {
      code: 'option-invalid',
      message: /bound/,
    })
  }
})

test('what a service asks of its tokens, its guard asks as well', async () => {
  const publicUrl = 'https://billing.example'
  const token = ours.token({ roles: 'reader', claims: { cnf: { 'x5t#S256': 'x' } } })
  const reasonFor = async (bind: 'dpop' | 'certificate' | 'any', senderConstraint = 'required') => {
    const service = { ...billing, bind }
    const own = createGuard({ service, keySets, publicUrl, senderConstraint: senderConstraint as 'required' })
    const rawHeaders = ['Authorization', `Bearer ${token}`]
    const decision = await own.check({ method: 'GET', target: '/invoices/7', rawHeaders }, routes)
    return decision.kind === 'deny' && decision.denial.reason
  }
  assert.equal(await reasonFor('dpop'), 'confirmation-missing')
  assert.equal(await reasonFor('certificate'), 'proof-required')
  assert.equal(await reasonFor('any'), 'proof-required')
  assert.equal(await reasonFor('any', 'dpop'), 'confirmation-missing')
  await assert.rejects(reasonFor('dpop', 'certificate'), { code: 'option-invalid' })
})

test('a condition that no guard can ask is not left out in silence', () => {
  const service = { ...billing, conditions: { 'GET /invoices/{id}': 'claims.tenant == path.id' } } as const
  assert.throws(() => createGuard({ service, keySets }), {
    code: 'option-invalid',
    message: /GET \/invoices/,
  })
  for (const wrong of [true, 'ignored']) {
    assert.throws(() => createGuard({ service, keySets, conditions: wrong as never }), {
      code: 'option-invalid',
    })
  }
  assert.ok(createGuard({ service, keySets, conditions: 'checked-by-gateway' }))
})

test('a service that takes nobody’s tokens has no guard', () => {
  assert.throws(() => createGuard({ service: { ...billing, issuers: [] } }), { code: 'option-invalid' })
})

test('what the trust file says is not said twice', () => {
  for (const twice of [{ roles: '/roles' }, { audience: 'x' }, { issuer: 'x' }]) {
    assert.throws(() => createGuard({ service: billing, keySets, ...twice } as never), {
      code: 'option-unknown',
    })
  }
})

async function ask(rawHeaders: readonly string[], target = '/invoices/7'): Promise<string> {
  const decision = await guard.check({ method: 'GET', target, rawHeaders }, routes)
  return decision.kind === 'allow' ? 'allow' : decision.denial.reason
}
