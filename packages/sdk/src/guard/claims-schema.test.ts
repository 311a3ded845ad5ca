import assert from 'node:assert/strict'
import { test } from 'node:test'
import { z } from 'zod'
import type { Problem } from '../core/problem.ts'
import type { Requirement } from '../policy/policy.ts'
import { createTestIssuer } from '../testing/memory-issuer.ts'
import { compileSchema } from './claims-schema.ts'
import type { ClaimsSchema } from './claims-schema.ts'
import { createGuard } from './guard.ts'
import type { Guard } from './guard.ts'

const issuer = createTestIssuer()
const schema = z.object({ tenant: z.string(), plan: z.enum(['free', 'paid']).default('free') })
const guard = createGuard({ verifier: issuer.verifier(), claims: schema })

test('zod: auth.claims is what the schema makes of the claims, typed and frozen', async () => {
  const decision = await check(issuer.token({ claims: { tenant: 'acme' }, roles: 'reader' }))
  assert.ok(decision.kind === 'allow' && decision.principal !== undefined)
  const { claims, subject, roles } = decision.principal
  const plan: 'free' | 'paid' = claims.plan
  const tenant: string = claims.tenant
  assert.deepEqual([tenant, plan], ['acme', 'free'])
  assert.deepEqual(claims, { tenant: 'acme', plan: 'free' }, 'what the schema leaves out is not there')
  assert.deepEqual([subject, [...roles]], ['test-client', ['reader']])
  assert.ok(Object.isFrozen(decision.principal) && Object.isFrozen(claims))
})

test('zod: claims it does not take are a denial that names the place and not the value', async () => {
  for (const claims of [{}, { tenant: 7 }, { tenant: 'acme', plan: 'stolen-secret' }]) {
    const decision = await check(issuer.token({ claims }))
    assert.ok(decision.kind === 'deny')
    assert.equal(decision.denial.reason, 'claims-mismatch')
    assert.match(decision.denial.detail, /"\/(tenant|plan)"$/)
    assert.ok(!decision.denial.detail.includes('stolen'))
    assert.equal(guard.answer(decision, []).status, 401)
  }
})

test('policies ask what the issuer signed: what a schema leaves out is not absent', async () => {
  const requirement = { claims: { suspended: { exists: false } } }
  const suspended = await check(issuer.token({ claims: { tenant: 'acme', suspended: true } }), requirement)
  assert.equal(suspended.kind, 'deny')
  assert.equal((await check(issuer.token({ claims: { tenant: 'acme' } }), requirement)).kind, 'allow')
})

test('a token is asked about once', async () => {
  let asked = 0
  const counting = z.object({}).refine(() => ++asked > 0)
  const other = createGuard({ verifier: issuer.verifier(), claims: counting })
  const token = issuer.token()
  const [one, two] = [await check(token, 'authenticated', other), await check(token, 'authenticated', other)]
  assert.equal(asked, 1)
  assert.ok(one.kind === 'allow' && two.kind === 'allow' && one.principal === two.principal)
})

test('a schema that takes a while is waited for', async () => {
  const slow = z.object({ tenant: z.string() }).refine(async ({ tenant }) => {
    await new Promise((resolve) => setImmediate(resolve))
    return tenant === 'acme'
  })
  const other = createGuard({ verifier: issuer.verifier(), claims: slow })
  const ask = (tenant: string) => check(issuer.token({ claims: { tenant } }), 'authenticated', other)
  assert.equal((await ask('acme')).kind, 'allow')
  assert.equal((await ask('evil')).kind, 'deny')
})

test('a schema that fails lets nobody in, refuses nobody, and repeats no claim', async () => {
  const failures: ClaimsSchema<{ a: string }>['~standard']['validate'][] = [
    () => {
      throw new Error('got stolen-secret')
    },
    () => Promise.reject(new Error('got stolen-secret')),
    () => undefined as never,
    () => ({ value: 'a text' as never }),
  ]
  for (const validate of failures) {
    const events: unknown[] = []
    const claims: ClaimsSchema<{ a: string }> = { '~standard': { version: 1, vendor: 'x', validate } }
    const failing = createGuard({
      verifier: issuer.verifier(),
      claims,
      onDecision: (event) => void events.push(event),
    })
    const asked = async () =>
      check(issuer.token({ claims: { a: 'stolen-secret' } }), 'authenticated', failing)
    await assert.rejects(asked, (problem: Problem) => {
      assert.equal(problem.code, 'claims-unchecked')
      assert.equal(problem.cause, undefined)
      assert.equal(failing.answerProblem(problem, []).status, 503)
      return true
    })
    assert.match(JSON.stringify(events), /"kind":"unable".*claims-unchecked/)
    assert.ok(!JSON.stringify(events).includes('stolen'))
  }
})

test('a schema whose promises are of a kind of their own is waited for', async () => {
  class Later {
    readonly value: unknown
    constructor(value: unknown) {
      this.value = value
    }
    then(next: (value: unknown) => unknown): Later {
      return new Later(next(this.value))
    }
  }
  for (const [result, kind] of [
    [{ issues: [{ message: 'no' }] }, 'deny'],
    [{ value: { a: 'b' } }, 'allow'],
  ] as const) {
    const validate = (() => new Later(result)) as never
    const claims: ClaimsSchema<{ a: string }> = { '~standard': { version: 1, vendor: 'x', validate } }
    const other = createGuard({ verifier: issuer.verifier(), claims })
    const decision = await check(issuer.token(), 'authenticated', other)
    assert.equal(decision.kind, kind)
    if (decision.kind === 'allow') assert.deepEqual(decision.principal?.claims, { a: 'b' })
  }
})

test('what is no schema is refused at once', () => {
  for (const claims of [null, {}, { parse() {} }, { '~standard': { version: 2, validate() {} } }]) {
    assert.throws(() => compileSchema(claims as never), { code: 'option-invalid' })
  }
})

test('a schema may be a function, name places by objects, and make instances of classes', async () => {
  const since = new Date(0)
  const schema = Object.assign(() => {}, {
    '~standard': {
      version: 1,
      vendor: 'x',
      validate: ({ tenant }: { tenant?: string }) =>
        tenant === undefined
          ? { issues: [{ message: '', path: [{ key: 'tenant' }] }, { message: '' }] }
          : { value: { since } },
    },
  })
  const ask = compileSchema(schema as never)
  assert.deepEqual(await ask({}), {
    reason: 'claims-mismatch',
    detail: 'the service\'s schema does not take the claims: "/tenant", as a whole',
  })
  const checked = (await ask({ tenant: 'acme' })) as { claims: { since: Date } }
  assert.equal(checked.claims.since.getTime(), 0)
})

function check(
  token: string,
  requirement: Requirement = 'authenticated',
  by: Pick<typeof guard, 'check'> | Guard = guard,
): ReturnType<typeof guard.check> {
  const request = { method: 'GET', target: '/', rawHeaders: ['Authorization', `Bearer ${token}`] }
  return by.check(request, requirement) as ReturnType<typeof guard.check>
}
