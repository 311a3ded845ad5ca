import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Principal } from '../policy/principal.ts'
import { createAuthContext } from './auth-context.ts'

const [alice, bob] = [{ subject: 'alice' }, { subject: 'bob' }] as Principal[]

test('who acts is found across awaits, and each sees their own', async () => {
  const context = createAuthContext()
  const deep = async (): Promise<string | undefined> => {
    await new Promise((resolve) => setTimeout(resolve, Math.random() * 5))
    return context.auth().subject
  }
  const seen = await Promise.all([context.run(alice!, deep), context.run(bob!, deep)])
  assert.deepEqual(seen, ['alice', 'bob'])
})

test('outside, and inside for nobody, there is nobody', () => {
  const context = createAuthContext()
  assert.throws(() => context.auth(), { code: 'auth-missing' })
  context.run(alice!, () => {
    context.run(undefined, () => assert.throws(() => context.auth(), { code: 'auth-missing' }))
    assert.equal(context.auth(), alice)
  })
})

test('two contexts know nothing of each other', () => {
  const [one, other] = [createAuthContext(), createAuthContext()]
  one.run(alice!, () => assert.throws(() => other.auth(), { code: 'auth-missing' }))
})
