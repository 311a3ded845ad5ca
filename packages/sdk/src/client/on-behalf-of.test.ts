import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Principal } from '../policy/principal.ts'
import { inspectToken } from '../jwt/inspect.ts'
import { createAuthContext } from '../guard/auth-context.ts'
import { startTestIssuer } from '../testing/loopback-issuer.ts'
import type { StartedTestIssuer } from '../testing/loopback-issuer.ts'
import type { TestToken } from '../testing/mint.ts'
import { IssuerAccess } from './issuer-access.ts'
import { SubjectTokens } from './on-behalf-of.ts'
import { createTokenSource } from './token-source.ts'

const stock = 'https://stock.acme.example'

test('the user travels: the next service sees them, and who acts for them', async () => {
  await using issuer = await start()
  const auth = await authOf(issuer, { subject: 'alice', clientId: 'web', roles: ['reader', 'admin'] })
  const source = createTokenSource({ ...issuer.credentials('orders'), audience: stock })
  const token = await source.onBehalfOf(auth).token()
  const seen = await authOf(issuer, token.secret.revealText(), stock)
  assert.deepEqual([seen.subject, seen.clientId, seen.actor?.subject], ['alice', 'orders', 'orders'])
  assert.deepEqual([...seen.roles], ['reader'], 'what both have')
  assert.equal((await source.token()).secret.revealText() === token.secret.revealText(), false)
})

test('asked once per caller’s token, and not for two who are called the same', async () => {
  await using issuer = await start()
  const source = createTokenSource(issuer.credentials('orders'))
  const one = await authOf(issuer, { subject: 'alice', roles: 'reader' })
  const other = await authOf(issuer, { subject: 'alice' })
  const tokens = await Promise.all([one, other, one, other].map((auth) => source.onBehalfOf(auth).token()))
  assert.equal(issuer.requests.token, 2)
  assert.equal(tokens[0], tokens[2])
  assert.equal(tokens[1], tokens[3])
  assert.deepEqual(
    tokens.slice(0, 2).map(({ secret }) => inspectToken(secret.revealText()).claims?.['roles']),
    [['reader'], undefined],
  )
})

test('never longer than the caller’s own token', async () => {
  await using issuer = await start()
  const auth = await authOf(issuer, { subject: 'alice', lifetimeSeconds: 60 })
  const onBehalf = createTokenSource(issuer.credentials('orders')).onBehalfOf(auth)
  const { expiresAtMs } = await onBehalf.token()
  assert.ok(expiresAtMs <= auth.expiresAtSeconds * 1000)
  issuer.advance(61)
  await assert.rejects(onBehalf.token(), { code: 'token-refused' })
})

test('a copy of auth, or one made by hand, is nobody’s', async () => {
  await using issuer = await start()
  const source = createTokenSource(issuer.credentials('orders'))
  const auth = await authOf(issuer, { subject: 'alice' })
  for (const forged of [
    { ...auth },
    structuredClone({ expiresAtSeconds: 9e9 }),
    JSON.parse('{}'),
    { auth },
  ]) {
    assert.throws(() => source.onBehalfOf(forged as Principal), { code: 'auth-missing' })
  }
})

test('a context is asked at each call', async () => {
  await using issuer = await start()
  const context = createAuthContext()
  const onBehalf = createTokenSource(issuer.credentials('orders')).onBehalfOf(context)
  const users = await Promise.all(['alice', 'bob'].map((subject) => authOf(issuer, { subject })))
  const subjects = users.map((auth) =>
    context.run(
      auth,
      async () => inspectToken((await onBehalf.authHeader()).slice('Bearer '.length)).claims?.['sub'],
    ),
  )
  assert.deepEqual(await Promise.all(subjects), ['alice', 'bob'])
  await assert.rejects(onBehalf.token(), { code: 'auth-missing' })
})

test('one caller’s refusal is not another’s, and does not repeat their token', async () => {
  await using issuer = await start()
  const source = createTokenSource(issuer.credentials('orders'))
  const [alice, bob] = await Promise.all(['alice', 'bob'].map((subject) => authOf(issuer, { subject })))
  issuer.revoke({ subject: 'alice' })
  await assert.rejects(source.onBehalfOf(alice!).token(), { code: 'token-refused' })
  await source.onBehalfOf(bob!).token()
})

for (const fault of [429, 'reset'] as const) {
  test(`an issuer that answers nobody (${fault}) is asked for one caller, not for each`, async () => {
    await using issuer = await start()
    const source = createTokenSource({ ...issuer.credentials('orders'), random: () => 0 })
    const users = await Promise.all(
      Array.from({ length: 20 }, (_, at) => authOf(issuer, { subject: `user-${at}` })),
    )
    const known = await source.onBehalfOf(users[0]!).token()
    const before = issuer.requests.token
    issuer.fail({ token: fault })
    for (const auth of users.slice(1)) {
      await assert.rejects(source.onBehalfOf(auth).token(), { code: 'token-unavailable' })
    }
    assert.equal(issuer.requests.token - before, 1)
    assert.equal(await source.onBehalfOf(users[0]!).token(), known, 'what is at hand serves')
    issuer.advance(1)
    const all = users.slice(1).map((auth) => source.onBehalfOf(auth).token())
    await Promise.allSettled(all)
    assert.equal(issuer.requests.token - before, 1 + 19, 'those who ask together')
    await assert.rejects(source.onBehalfOf(users[1]!).token(), { code: 'token-unavailable' })
    assert.equal(issuer.requests.token - before, 1 + 19)
    issuer.recover()
    issuer.advance(2)
    await Promise.all(users.map((auth) => source.onBehalfOf(auth).token()))
    assert.equal(issuer.requests.token - before, 1 + 19 + 19)
  })
}

test('what the issuer cannot do for one caller keeps nobody else from asking', async () => {
  await using issuer = await start()
  const source = createTokenSource({ ...issuer.credentials('orders'), random: () => 0 })
  const [mallory, alice] = [
    await authOf(issuer, { subject: 'mallory' }),
    await authOf(issuer, { subject: 'alice' }),
  ]
  // As where the keys of mallory's own provider cannot be had.
  issuer.fail({ token: { status: 503, retryAfterSeconds: 30 } })
  await assert.rejects(source.onBehalfOf(mallory).token(), {
    code: 'token-unavailable',
    retryAfterSeconds: 30,
  })
  issuer.recover()
  const before = issuer.requests.token
  await assert.rejects(source.onBehalfOf(mallory).token(), { code: 'token-unavailable' })
  assert.equal(issuer.requests.token, before, 'left alone for as long as it says')
  assert.ok(await source.onBehalfOf(alice).token())
  assert.ok(await source.token())
})

test('no more callers are remembered than there is room for, and none beyond their time', async () => {
  await using issuer = await start()
  const tokens = new SubjectTokens(new IssuerAccess(issuer.credentials('orders')), {})
  const first = await authOf(issuer, { subject: 'first', lifetimeSeconds: 3600 })
  const kept = tokens.of(first)
  for (let at = 0; at < 1050; at++) {
    tokens.of(await authOf(issuer, { subject: `user-${at}` }))
    assert.equal(tokens.of(first), kept, 'whoever comes again stays')
  }
  assert.equal(tokens.size, 1000)
  issuer.advance(1000)
  tokens.of(first)
  assert.equal(tokens.size, 1)
})

function start(): Promise<StartedTestIssuer> {
  // By a clock that stands still: a pause of the machine would end the second for which an issuer that is down is left alone.
  const clients = { orders: { secret: 'orders-secret', roles: ['reader'] } }
  return startTestIssuer({ clients, nowMs: 1_800_000_000_000 })
}

/** Who acts, as a guard gives it. */
async function authOf(issuer: StartedTestIssuer, token: TestToken | string, audience = issuer.audience) {
  const text = typeof token === 'string' ? token : issuer.token(token)
  const guard = issuer.guard({ verifier: issuer.verifier({ audience, keySet: memoryKeys(issuer) }) })
  const rawHeaders = ['Authorization', `Bearer ${text}`]
  const decision = await guard.check({ method: 'GET', target: '/', rawHeaders }, 'authenticated')
  assert.ok(decision.kind === 'allow' && decision.principal !== undefined)
  return decision.principal
}

/** One key set for all guards of an issuer, so that a thousand of them need not ask. */
function memoryKeys(issuer: StartedTestIssuer) {
  const known = keySets.get(issuer) ?? issuer.keySet()
  keySets.set(issuer, known)
  return known
}

const keySets = new WeakMap<StartedTestIssuer, ReturnType<StartedTestIssuer['keySet']>>()
