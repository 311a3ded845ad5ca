import assert from 'node:assert/strict'
import { test } from 'node:test'
import { startTestIssuer } from '../testing/loopback-issuer.ts'
import { HeldToken } from './held-token.ts'
import { IssuerAccess } from './issuer-access.ts'
import type { TokenSourceEvent } from './token-source-options.ts'

// Most of what it does is tested with the source that it serves, in token-source.test.ts.

const grant = { grant_type: 'client_credentials' }

test('never used longer than it may be, whatever the issuer says, and not renewed for less', async () => {
  await using issuer = await startTestIssuer({ nowMs: 1_800_000_000_000 })
  const untilMs = issuer.clock() + 100_000
  const token = new HeldToken(new IssuerAccess(issuer.credentials()), grant, untilMs)
  assert.equal((await token.hold()).token.expiresAtMs, untilMs)
  issuer.advance(85)
  await token.hold()
  assert.equal(issuer.requests.token, 1, 'no renewal, though most of its life is over')
  issuer.advance(6)
  assert.equal((await token.hold()).token.expiresAtMs, untilMs)
  assert.equal(issuer.requests.token, 2)
  issuer.advance(9)
  await assert.rejects(async () => token.hold(), { code: 'token-refused', message: /has ended/ })
  assert.equal(issuer.requests.token, 2, 'nobody was asked')
})

test('a token of the time before the clock was set back is renewed, and never taken for brand-new', async () => {
  await using issuer = await startTestIssuer({ nowMs: 1_800_000_000_000 })
  let ahead = 86_400_000
  const clock = (): number => issuer.clock() + ahead
  const failed = Promise.withResolvers<void>()
  const onEvent = ({ kind }: TokenSourceEvent): void => void (kind === 'failed' && failed.resolve())
  const token = new HeldToken(new IssuerAccess({ ...issuer.credentials(), clock, onEvent }), grant)
  const first = (await token.hold()).token
  ahead = 0
  issuer.fail({ token: 503 })
  assert.equal((await token.hold()).token, first, 'nobody waits')
  await failed.promise
  await new Promise((resolve) => setImmediate(resolve))
  issuer.recover()
  issuer.advance(400)
  const second = await token.renewed(first)
  assert.ok(second !== undefined && second !== first)
  assert.equal(second.expiresAtMs, issuer.clock() + 300_000)
  assert.equal((await token.hold()).token, second)
})

test('Retry-After counts for all tokens of a client, any other failure for one alone', async () => {
  const access = new IssuerAccess({
    tokenEndpoint: 'https://issuer.example/token',
    clientId: 'orders',
    clientSecret: 's',
    clock: () => 0,
    random: () => 0,
    fetch: async (_, init) => {
      asked++
      const form = new URLSearchParams(String(init?.body))
      if (form.get('who') === 'poison') return new Response('', { status: 500 })
      if (form.get('who') === 'busy')
        return new Response('', { status: 429, headers: { 'Retry-After': '30' } })
      return Response.json({ access_token: 'x', token_type: 'Bearer', expires_in: 60 })
    },
  })
  let asked = 0
  const [poison, busy, good, other] = ['poison', 'busy', 'good', 'other'].map(
    (who) => new HeldToken(access, { who }),
  )
  await assert.rejects(async () => poison!.hold(), { code: 'token-unavailable' })
  await good!.hold()
  await assert.rejects(async () => busy!.hold(), { code: 'token-unavailable', retryAfterSeconds: 30 })
  assert.equal(asked, 3)
  await assert.rejects(async () => other!.hold(), { code: 'token-unavailable', retryAfterSeconds: 30 })
  await good!.hold()
  assert.equal(asked, 3, 'the issuer is left alone, and what is at hand serves')
})
