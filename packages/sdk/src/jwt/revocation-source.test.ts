import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isProblem, Problem } from '../core/problem.ts'
import { createTestIssuer } from '../testing/memory-issuer.ts'
import type { TestIssuer } from '../testing/memory-issuer.ts'
import { createRevocations } from './revocations.ts'
import type { Revocation } from './revocations.ts'
import type { RevocationEvent, RevocationSource } from './revocation-source.ts'
import type { Verifier } from './verifier.ts'

/** A source whose answers the test gives, and a verifier that goes by it. */
class Stage {
  readonly issuer: TestIssuer = createTestIssuer({ nowMs: 1_800_000_000_000, lifetimeSeconds: 86_400 })
  readonly events: RevocationEvent[] = []
  readonly verifier: Verifier
  asked = 0
  answer: () => Promise<Iterable<Revocation> | undefined> = async () => undefined

  constructor(options: Partial<RevocationSource> = {}) {
    const read: RevocationSource['read'] = () => {
      this.asked++
      return this.answer()
    }
    const onEvent = (event: RevocationEvent): void => void this.events.push(event)
    const revocations = createRevocations({ sources: [{ name: 'the list', read, onEvent, ...options }] })
    this.verifier = this.issuer.verifier({ revocations })
  }

  fail(): void {
    this.answer = async () => {
      throw new Problem('fetch-failed', 'nobody is there', { next: 'wake somebody' })
    }
  }

  revoke(token: string): void {
    const tokenId = JSON.parse(Buffer.from(token.split('.')[1]!, 'base64url').toString()).jti as string
    this.answer = async () => [{ issuer: this.issuer.url, tokenId, untilSeconds: 9_000_000_000 }]
  }
}

test('the first check waits for the first answer', async () => {
  const stage = new Stage()
  const token = stage.issuer.token()
  stage.revoke(token)
  assert.equal(stage.verifier.verifyNow(token), undefined)
  const outcome = await stage.verifier.verify(token)
  assert.equal(outcome.kind === 'denied' && outcome.denial.reason, 'token-revoked')
  assert.equal(stage.asked, 1)
})

test('a cached token is refused as soon as the source says so, which is asked in the background', async () => {
  const stage = new Stage({ everySeconds: 10 })
  const token = stage.issuer.token()
  assert.equal((await stage.verifier.verify(token)).kind, 'verified')
  stage.revoke(token)
  stage.issuer.advance(9)
  assert.equal(stage.verifier.verifyNow(token)?.kind, 'verified')
  assert.equal(stage.asked, 1)
  stage.issuer.advance(1)
  assert.equal(stage.verifier.verifyNow(token)?.kind, 'verified', 'nobody waits')
  assert.equal(stage.asked, 2)
  await settled()
  assert.equal(stage.verifier.verifyNow(token)?.kind, 'denied')
})

test('after a pause the first check waits for an answer, however old the token’s place in the cache', async () => {
  const stage = new Stage({ everySeconds: 10 })
  const token = stage.issuer.token()
  await stage.verifier.verify(token)
  stage.revoke(token)
  stage.issuer.advance(3600)
  assert.equal(stage.verifier.verifyNow(token), undefined)
  assert.equal((await stage.verifier.verify(token)).kind, 'denied')
})

test('without a limit a source that fails is done without, asked ever more seldom and reported', async () => {
  const stage = new Stage({ everySeconds: 10 })
  const token = stage.issuer.token()
  stage.fail()
  assert.equal((await stage.verifier.verify(token)).kind, 'verified')
  for (let second = 0; second < 60; second++) {
    stage.issuer.advance(1)
    assert.equal(stage.verifier.verifyNow(token)?.kind, 'verified')
    await settled()
  }
  // After 1, 2, 4, 8, 16 and then every 20 seconds, twice the interval.
  assert.equal(stage.asked, 7)
  assert.deepEqual(
    stage.events.map((event) => event.kind === 'failed' && !event.refusing && event.problem.code),
    Array.from({ length: 7 }, () => 'fetch-failed'),
  )
  stage.revoke(token)
  stage.issuer.advance(20)
  stage.verifier.verifyNow(token)
  await settled()
  assert.equal(stage.verifier.verifyNow(token)?.kind, 'denied')
})

test('what was revoked stays so while the source fails, and when it forgets', async () => {
  const stage = new Stage()
  const token = stage.issuer.token()
  stage.revoke(token)
  await stage.verifier.verify(token)
  for (const answer of [async () => [], async () => Promise.reject(new Error('gone'))]) {
    stage.answer = answer
    stage.issuer.advance(3600)
    assert.equal((await stage.verifier.verify(token)).kind, 'denied')
  }
})

test('with a limit, tokens are no longer judged once it is over, and are again with the next answer', async () => {
  const stage = new Stage({ everySeconds: 10, staleAfterSeconds: 60 })
  const token = stage.issuer.token()
  await stage.verifier.verify(token)
  stage.fail()
  stage.issuer.advance(59.9)
  assert.equal((await stage.verifier.verify(token)).kind, 'verified')
  stage.issuer.advance(0.1)
  assert.equal(stage.verifier.verifyNow(token), undefined)
  await assert.rejects(stage.verifier.verify(token), (error) => {
    assert.ok(isProblem(error))
    assert.equal(error.code, 'revocations-unavailable')
    assert.equal(error.message, 'the revocations of the list cannot be had: nobody is there')
    assert.equal(error.next, 'wake somebody')
    assert.ok(error.retryAfterSeconds! >= 1)
    return true
  })
  stage.answer = async () => undefined
  stage.issuer.advance(10)
  assert.equal((await stage.verifier.verify(token)).kind, 'verified')
})

test('with a limit, no token is judged before the first answer', async () => {
  const stage = new Stage({ staleAfterSeconds: 60 })
  stage.fail()
  const token = stage.issuer.token()
  await assert.rejects(stage.verifier.verify(token), { code: 'revocations-unavailable' })
  const asked = stage.asked
  // Those that come at once do not each ask again.
  await assert.rejects(stage.verifier.verify(token), { code: 'revocations-unavailable' })
  assert.equal(stage.asked, asked)
  assert.deepEqual(
    stage.events.map((event) => event.kind === 'failed' && event.refusing),
    [true],
  )
})

test('a crowd asks once', async () => {
  const stage = new Stage()
  await Promise.all(Array.from({ length: 20 }, () => stage.verifier.verify(stage.issuer.token())))
  assert.equal(stage.asked, 1)
})

test('warming asks as well', async () => {
  const stage = new Stage()
  await stage.verifier.warm()
  assert.equal(stage.asked, 1)
  assert.equal(stage.verifier.verifyNow(stage.issuer.token())?.kind, 'verified')
})

test('a clock that was a day ahead for a moment does not keep the source from being asked', async () => {
  const stage = new Stage({ everySeconds: 10 })
  const token = stage.issuer.token()
  await stage.verifier.verify(token)
  stage.issuer.advance(86_400)
  await stage.verifier.verify(token)
  stage.issuer.advance(-86_400)
  stage.revoke(token)
  stage.issuer.advance(10)
  await stage.verifier.verify(token)
  await settled()
  assert.equal((await stage.verifier.verify(token)).kind, 'denied')
})

test('whoever always waits for the verdict does not wait for the source either', async () => {
  const stage = new Stage({ everySeconds: 10 })
  const token = stage.issuer.token()
  await stage.verifier.verify(token)
  let answer = (): void => {}
  stage.answer = () => new Promise((resolve) => (answer = () => resolve(undefined)))
  stage.issuer.advance(10)
  assert.equal((await stage.verifier.verify(token)).kind, 'verified')
  assert.equal(stage.asked, 2)
  answer()
})

test('an event’s reader that throws changes nothing', async () => {
  const stage = new Stage({
    onEvent() {
      throw new Error('the log is full')
    },
  })
  const token = stage.issuer.token()
  stage.revoke(token)
  assert.equal((await stage.verifier.verify(token)).kind, 'denied')
})

test('a source that makes no sense is refused', () => {
  const read = async (): Promise<undefined> => undefined
  for (const source of [
    {},
    { name: 'x' },
    { name: 'x', read, everySeconds: 0.5 },
    { name: 'x', read, everySeconds: Number.NaN },
    { name: 'x', read, everySeconds: 30, staleAfterSeconds: 59 },
    { name: 'x', read, onEvent: 'log' },
  ]) {
    assert.throws(() => createRevocations({ sources: [source as unknown as RevocationSource] }), {
      code: 'option-invalid',
    })
  }
  assert.throws(() => createRevocations({ sources: {} as [] }), { code: 'option-invalid' })
  const misspelt = { name: 'x', read, staleAfter: 60 } as RevocationSource
  assert.throws(() => createRevocations({ sources: [misspelt] }), { code: 'option-unknown' })
})

/** Lets what goes on in the background come to its end. */
function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}
