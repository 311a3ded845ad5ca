import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createKeySet } from '../jwt/key-set.ts'
import { createRevocations } from '../jwt/revocations.ts'
import type { RevocationEvent } from '../jwt/revocation-source.ts'
import { startTestIssuer } from '../testing/loopback-issuer.ts'
import type { StartedTestIssuer } from '../testing/loopback-issuer.ts'
import { followRevocations } from './followed-revocations.ts'
import type { RevocationsOption } from './followed-revocations.ts'
import { createGuard } from './guard.ts'
import type { Guard } from './guard.ts'

test('one setting: what the issuer revokes is refused, also when it was just let in', async () => {
  await using issuer = await startTestIssuer()
  const guard = guardOf(issuer, true)
  const [token, other] = [issuer.token(), issuer.token()]
  const answeredAtMs = () => guard.health().revocations[0]?.answeredAtMs
  assert.equal(await ask(guard, token), 'allow')
  const first = answeredAtMs()
  issuer.revoke(token)
  issuer.advance(10)
  // Now it is asked again, in the background, and what it says counts from the next request on.
  assert.equal(await ask(guard, token), 'allow')
  while (answeredAtMs() === first) await new Promise((resolve) => setTimeout(resolve, 2))
  assert.equal(issuer.requests.revocations, 2)
  assert.equal(await ask(guard, token), 'token-revoked')
  assert.equal(await ask(guard, other), 'allow')
})

test('a service starts while its issuer’s feed is down, and hears of it when it is back', async () => {
  await using issuer = await startTestIssuer()
  issuer.fail({ revocations: 503 })
  const events: RevocationEvent[] = []
  const guard = guardOf(issuer, { onEvent: (event) => events.push(event) })
  const token = issuer.token()
  issuer.revoke(token)
  assert.equal(await ask(guard, token), 'allow')
  assert.deepEqual([events[0]?.kind, events[0]?.source], ['failed', issuer.url])
  issuer.recover()
  issuer.advance(60)
  assert.equal(await ask(guard, token), 'token-revoked')
})

test('an outage is no outage of the service, and it shows', async () => {
  await using issuer = await startTestIssuer()
  const guard = guardOf(issuer, true)
  const ofIssuer = () => guard.health().revocations[0]!
  const never = { source: issuer.url, answeredAtMs: undefined, problem: undefined, refusing: false }
  assert.deepEqual(ofIssuer(), never)
  issuer.fail({ revocations: 503 })
  assert.equal(await ask(guard, issuer.token()), 'allow')
  assert.deepEqual([ofIssuer().answeredAtMs, ofIssuer().problem?.code], [undefined, 'fetch-failed'])
  issuer.recover()
  issuer.advance(60)
  const asked = issuer.clock()
  assert.equal(await ask(guard, issuer.token()), 'allow')
  const answeredAtMs = ofIssuer().answeredAtMs!
  assert.ok(answeredAtMs >= asked && answeredAtMs <= issuer.clock())
  assert.equal(ofIssuer().problem, undefined)
  issuer.fail({ revocations: 'reset' })
  // Days: for as long as the issuer's keys can be had, its tokens are taken.
  for (let hours = 0; hours < 48; hours++) {
    issuer.advance(3600)
    assert.equal(await ask(guard, issuer.token()), 'allow')
  }
  assert.deepEqual([ofIssuer().problem?.code, ofIssuer().refusing], ['fetch-failed', false])
  assert.equal(ofIssuer().answeredAtMs, answeredAtMs)
})

test('who follows nothing has nothing to tell', async () => {
  await using issuer = await startTestIssuer()
  assert.deepEqual(guardOf(issuer, createRevocations()).health(), { revocations: [] })
  assert.deepEqual(issuer.guard().health(), { revocations: [] })
})

test('with a limit it answers 503 until it has heard', async () => {
  await using issuer = await startTestIssuer()
  issuer.fail({ revocations: 'reset' })
  const guard = guardOf(issuer, { staleAfterSeconds: 60 })
  await assert.rejects(async () => ask(guard, issuer.token()), { code: 'revocations-unavailable' })
  assert.equal(guard.health().revocations[0]?.refusing, true)
  issuer.recover()
  issuer.advance(30)
  await guard.warm()
  assert.equal(await ask(guard, issuer.token()), 'allow')
})

test('a service of the trust file follows those of its issuers that publish', async () => {
  await using issuer = await startTestIssuer()
  await using silent = await startTestIssuer()
  const at = ({ url, audience }: StartedTestIssuer) => ({ issuer: url, audience })
  const service = {
    name: 'billing',
    audience: issuer.audience,
    roles: [],
    scopes: [],
    issuers: [{ ...at(issuer), publishesRevocations: true as const }, at(silent)],
    tokenFrom: ['bearer' as const],
    routes: {},
  }
  const guard = createGuard({ service, revocations: true, clock: issuer.clock })
  const [token, other] = [issuer.token(), silent.token()]
  issuer.revoke(token)
  silent.revoke(other)
  assert.equal(await ask(guard, token), 'token-revoked')
  assert.equal(await ask(guard, other), 'allow')
  assert.equal(silent.requests.revocations, 0)
  const nobody = { ...service, issuers: [at(silent)] }
  assert.throws(() => createGuard({ service: nobody, revocations: true }), { code: 'option-invalid' })
})

test('a list of one’s own is asked as it is, and none is none', () => {
  const revocations = createRevocations()
  assert.equal(followRevocations(revocations, []), revocations)
  assert.equal(followRevocations(undefined, []), undefined)
})

test('one URL is not the list of several issuers', () => {
  const keySet = createKeySet([])
  const followed = ['https://a.example', 'https://b.example'].map((issuer) => ({ issuer, keySet }))
  assert.throws(() => followRevocations({ url: 'https://a.example/list' }, followed), {
    code: 'option-invalid',
    message: /several issuers/,
  })
  assert.ok(followRevocations({ url: 'https://a.example/list' }, followed.slice(0, 1)))
})

test('options that make no sense are refused', () => {
  const source = { issuer: 'https://issuer.example', audience: 'billing' }
  for (const [revocations, code] of [
    [false, 'option-invalid'],
    ['yes', 'option-invalid'],
    [null, 'option-invalid'],
    [{ staleAfter: 60 }, 'option-unknown'],
    [{ issuer: 'https://other.example' }, 'option-unknown'],
    [{ staleAfterSeconds: 1 }, 'option-invalid'],
  ] as const) {
    const options = { ...source, revocations: revocations as unknown as RevocationsOption }
    assert.throws(() => createGuard(options), { code }, JSON.stringify(revocations))
  }
})

function guardOf(issuer: StartedTestIssuer, revocations: RevocationsOption): Guard {
  return createGuard({ issuer: issuer.url, audience: issuer.audience, clock: issuer.clock, revocations })
}

async function ask(guard: Pick<Guard, 'check'>, token: string): Promise<string> {
  const rawHeaders = ['Authorization', `Bearer ${token}`]
  const decision = await guard.check({ method: 'GET', target: '/', rawHeaders }, 'authenticated')
  return decision.kind === 'allow' ? 'allow' : decision.denial.reason
}
