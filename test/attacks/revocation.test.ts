import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { after, before, beforeEach, test } from 'node:test'
import { createGuard } from '@countersign/sdk/guard'
import type { Guard, RevocationsOption } from '@countersign/sdk/guard'
import { createSigner, generateSigningKey, inspectToken, signRevocationList } from '@countersign/sdk/jwt'
import { caller, chainTrust, secretOf } from '../issuer/exchange.ts'
import { basic, startIssuer } from '../issuer/fixture.ts'
import type { Answer, Fixture } from '../issuer/fixture.ts'

// A stolen token is revoked, and somebody wants it to live on: by old, false, foreign or withheld lists, by revoking or
// asking about what is not theirs, and by filling the list until nothing fits in any more.

let issuer: Fixture
let between: Between

before(async () => {
  issuer = await startIssuer({
    trust: chainTrust({
      clients: [
        caller('front', [{ service: 'billing', roles: ['reader'], scopes: ['read'] }]),
        { ...caller('billing-api', [{ service: 'stock', roles: [], scopes: [] }]), mayExchange: ['billing'] },
        caller('mallory', [{ service: 'billing', roles: [], scopes: [] }]),
      ],
    }),
  })
  between = await Between.open(issuer)
})
after(async () => {
  between.close()
  await issuer.close()
})
beforeEach(() => {
  between.answer = undefined
  // Past the pause after which a follower waits for news.
  issuer.clock.nowMs += 120_000
})

test('an old list, shown again after a newer one, brings nothing back', async () => {
  const guard = guardBehind()
  const token = await take('front')
  assert.equal(await ask(guard, token), 'allow')
  const old = await between.listOf(issuer)
  await revoke('front', token)
  issuer.clock.nowMs += 60_000
  assert.equal(await ask(guard, token), 'token-revoked')
  between.answer = old
  for (let tries = 0; tries < 3; tries++) {
    issuer.clock.nowMs += 60_000
    assert.equal(await ask(guard, token), 'token-revoked')
  }
})

test('an old list, shown to a service that has just started, is no longer taken after its five minutes', async () => {
  const token = await take('front')
  const old = await between.listOf(issuer)
  await revoke('front', token)
  issuer.clock.nowMs += 400_000
  between.answer = old
  const later = await take('front')
  await assert.rejects(ask(guardBehind({ staleAfterSeconds: 60 }), later), {
    code: 'revocations-unavailable',
  })
})

test('"nothing has changed", said for ever, is believed for no longer than the list itself', async () => {
  const guard = guardBehind({ staleAfterSeconds: 60 })
  assert.equal(await ask(guard, await take('front')), 'allow')
  between.answer = 304
  issuer.clock.nowMs += 60_000
  assert.equal(await ask(guard, await take('front')), 'allow')
  issuer.clock.nowMs += 300_000
  const late = await take('front')
  await assert.rejects(ask(guard, late), { code: 'revocations-unavailable' })
})

test('a list by any other key empties nothing and revokes nothing', async () => {
  const token = await take('front')
  const jti = String(inspectToken(token).claims?.['jti'])
  const nowSeconds = Math.floor(issuer.clock.nowMs / 1000)
  const list = {
    issuer: issuer.url,
    issuedAtSeconds: nowSeconds,
    expiresAtSeconds: nowSeconds + 300,
    sequence: Number.MAX_SAFE_INTEGER,
    revocations: [{ issuer: issuer.url, tokenId: jti, untilSeconds: nowSeconds + 900 }],
  }
  const { keyId } = issuer.issuer.keyRing.signerAt(issuer.clock.nowMs)
  for (const key of [generateSigningKey('ES256'), generateSigningKey('ES256', { keyId })]) {
    const guard = guardBehind()
    between.answer = signRevocationList(list, key)
    assert.equal(await ask(guard, token), 'allow', 'refusing everybody’s tokens is an attack as well')
    between.answer = undefined
    const doomed = await take('front')
    await revoke('front', doomed)
    issuer.clock.nowMs += 60_000
    // Its sequence was not remembered: the true list still counts.
    assert.equal(await ask(guard, doomed), 'token-revoked')
  }
})

test('who is revoked cannot be read from the list, and is refused all the same', async () => {
  const token = await take('front')
  await issuer.issuer.revoke({ subject: 'front' }, { nowMs: issuer.clock.nowMs })
  const list = inspectToken(await between.listOf(issuer)).claims
  assert.equal((list?.['subjects'] as unknown[]).length, 1)
  assert.ok(!JSON.stringify(list).includes('front'))
  assert.equal(await ask(guardBehind(), token), 'token-revoked')
})

test('a list of another issuer, well signed by that one, says nothing about ours', async () => {
  const other = await startIssuer()
  const token = await take('front')
  const jti = String(inspectToken(token).claims?.['jti'])
  other.clock.nowMs = issuer.clock.nowMs
  await other.issuer.revoke({ tokenId: jti }, { nowMs: other.clock.nowMs })
  between.answer = await between.listOf(other)
  assert.equal(await ask(guardBehind(), token), 'allow')
  await other.close()
})

test('a token is no list, and a list is no token', async () => {
  const token = await take('front')
  between.answer = token
  await assert.rejects(ask(guardBehind({ staleAfterSeconds: 60 }), token), {
    code: 'revocations-unavailable',
  })
  assert.equal(await ask(guardBehind(), await between.listOf(issuer)), 'type-mismatch')
})

test('a list without end is not read to its end, and does not stop the service', async () => {
  between.answer = 'x'.repeat(9 * 1024 * 1024)
  assert.equal(await ask(guardBehind(), await take('front')), 'allow')
})

test('a stranger’s question and a question about nothing have the same answer, byte for byte', async () => {
  const token = await take('front')
  const forged = createSigner({ key: generateSigningKey('ES256') }).sign({ ...inspectToken(token).claims })
  const answers = await Promise.all(
    [token, forged, 'x'].map((one) => post('/introspect', 'mallory', { token: one })),
  )
  for (const { status, body } of answers) assert.deepEqual([status, body], [200, '{"active":false}'])
  const headers = answers.map(({ headers: { date: _, ...rest } }) => rest)
  assert.deepEqual(headers[1], headers[0])
})

test('nobody asks or revokes without proving who they are', async () => {
  const token = await take('front')
  for (const path of ['/introspect', '/revoke']) {
    for (const [id, secret] of [
      ['front', 'wrong'],
      ['nobody', 'x'],
    ] as const) {
      const headers = { 'Content-Type': 'application/x-www-form-urlencoded', ...basic(id, secret) }
      const answer = await issuer.send('POST', path, { headers, body: `token=${token}` })
      assert.deepEqual([answer.status, answer.json['error']], [401, 'invalid_client'])
    }
    const headers = { 'Content-Type': 'application/x-www-form-urlencoded', Authorization: `Bearer ${token}` }
    assert.equal((await issuer.send('POST', path, { headers, body: `token=${token}` })).status, 401)
  }
  assert.equal(await ask(guardBehind(), token), 'allow')
})

test('a stranger cannot revoke: not with the token in hand, not by saying whose it is', async () => {
  const token = await take('front')
  for (const fields of [{}, { client_id: 'front' }, { token_type_hint: 'refresh_token' }]) {
    assert.equal((await post('/revoke', 'mallory', { token, ...fields })).status, 400)
  }
  assert.equal(await ask(guardBehind(), token), 'allow')
})

test('who stands for a service cannot revoke its callers’ tokens, only what it got for them', async () => {
  const token = await take('front')
  const child = await exchange(token)
  assert.equal((await post('/revoke', 'billing-api', { token })).status, 400)
  assert.equal((await post('/revoke', 'billing-api', { token: child })).status, 200)
  assert.equal(await ask(guardBehind(), token), 'allow')
  assert.equal(await ask(guardBehind({}, 'stock'), child), 'token-revoked')
})

test('a stolen token’s children fall with it, those made while it was being revoked as well', async () => {
  const token = await take('front')
  const answers = await Promise.all([
    ...Array.from({ length: 5 }, () => exchange(token)),
    revoke('front', token),
    ...Array.from({ length: 5 }, () => exchange(token)),
  ])
  const guard = guardBehind({}, 'stock')
  const children = answers.filter((one) => typeof one === 'string' && one !== 'undefined')
  assert.ok(children.length > 0)
  for (const child of children) assert.equal(await ask(guard, String(child)), 'token-revoked')
  assert.equal(await exchange(token), 'undefined')
})

test('one client that revokes without end leaves room for the others', async () => {
  const flooded = await startIssuer({
    trust: chainTrust({
      clients: [
        caller('front', [{ service: 'billing', roles: [], scopes: [] }]),
        caller('mallory', [{ service: 'billing', roles: [], scopes: [] }]),
      ],
    }),
  })
  const { nowMs } = flooded.clock
  for (let index = 0; index < 1000; index++) {
    await flooded.issuer.revoke({ tokenId: `m${index}` }, { nowMs, by: 'mallory' })
  }
  const [mine, theirs] = [await take('mallory', flooded), await take('front', flooded)]
  const full = await post('/revoke', 'mallory', { token: mine }, flooded)
  assert.deepEqual([full.status, full.headers['retry-after']], [503, '60'])
  assert.equal((await post('/revoke', 'front', { token: theirs }, flooded)).status, 200)
  await flooded.close()
})

/** Somebody on the way to the feed, who can say what he likes. */
class Between {
  /** Instead of the feed's own. */
  answer: string | 304 | undefined
  readonly #server: Server
  readonly url: string

  static async open(to: Fixture): Promise<Between> {
    const server = createServer()
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    return new Between(server, to)
  }

  constructor(server: Server, to: Fixture) {
    this.#server = server
    this.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/revocations`
    server.on('request', (_request, response) => {
      if (this.answer === 304) return void response.writeHead(304).end()
      response.setHeader('content-type', 'application/revocations+jwt').setHeader('etag', '"same"')
      if (this.answer !== undefined) return void response.end(this.answer)
      void this.listOf(to).then((list) => response.end(list))
    })
  }

  async listOf(fixture: Fixture): Promise<string> {
    return (await fixture.send('GET', '/revocations')).body
  }

  close(): void {
    this.#server.closeAllConnections()
    this.#server.close()
  }
}

function guardBehind(revocations: Exclude<RevocationsOption, true> = {}, service = 'billing'): Guard {
  return createGuard({
    issuer: issuer.url,
    audience: `https://${service}.acme.example`,
    keySet: issuer.issuer.keySet,
    clock: () => issuer.clock.nowMs,
    revocations: { url: between.url, ...revocations },
  })
}

async function ask(guard: Guard, token: string): Promise<string> {
  const rawHeaders = ['Authorization', `Bearer ${token}`]
  const decision = await guard.check({ method: 'GET', target: '/', rawHeaders }, 'authenticated')
  return decision.kind === 'allow' ? 'allow' : decision.denial.reason
}

function post(path: string, id: string, fields: Record<string, string>, at = issuer): Promise<Answer> {
  return at.send('POST', path, {
    body: new URLSearchParams(fields).toString(),
    headers: { 'Content-Type': 'application/x-www-form-urlencoded', ...basic(id, secretOf(id)) },
  })
}

async function take(id: string, at = issuer): Promise<string> {
  const { json } = await post('/token', id, { grant_type: 'client_credentials', audience: 'billing' }, at)
  return String(json['access_token'])
}

async function exchange(subject: string): Promise<string> {
  const { json } = await post('/token', 'billing-api', {
    grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
    subject_token: subject,
    subject_token_type: 'urn:ietf:params:oauth:token-type:access_token',
    audience: 'stock',
  })
  return String(json['access_token'])
}

async function revoke(id: string, token: string): Promise<void> {
  assert.equal((await post('/revoke', id, { token })).status, 200)
}
