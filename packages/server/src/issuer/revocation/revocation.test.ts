import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { Problem } from '@countersign/sdk/core'
import { inspectToken } from '@countersign/sdk/jwt'
import { createMemoryStore } from '../../store/memory.ts'
import type { Store } from '../../store/store.ts'
import { chainTrust, secretOf } from '../../../../../test/issuer/exchange.ts'
import { basic, settings, startIssuer } from '../../../../../test/issuer/fixture.ts'
import type { Answer } from '../../../../../test/issuer/fixture.ts'

const memory = createMemoryStore()
let writes: 'work' | 'fail' = 'work'
const store: Store = {
  ...memory,
  async writeRevocation(...parameters) {
    if (writes === 'fail')
      throw new Problem('store-unavailable', 'the disk is full', { retryAfterSeconds: 7 })
    return memory.writeRevocation(...parameters)
  },
}
const fixture = await startIssuer({ trust: chainTrust(), store })
after(() => fixture.close())

const post = (path: string, id: string, fields: Record<string, string>): Promise<Answer> =>
  fixture.send('POST', path, {
    body: new URLSearchParams(fields).toString(),
    headers: { 'Content-Type': 'application/x-www-form-urlencoded', ...basic(id, secretOf(id)) },
  })
const revoke = (id: string, token: string, more = {}): Promise<Answer> =>
  post('/revoke', id, { token, ...more })
const revoked = async (): Promise<readonly string[]> =>
  ((await memory.readRevocations(fixture.clock.nowMs))?.revocations ?? []).map(({ id }) => id)

async function take(id = 'front', fields = {}): Promise<{ token: string; jti: string }> {
  const asked = { grant_type: 'client_credentials', audience: 'billing', ...fields }
  const { json } = await post('/token', id, asked)
  const token = String(json['access_token'])
  return { token, jti: String(inspectToken(token).claims?.['jti']) }
}

const exchange = (subject: string): Promise<Answer> =>
  post('/token', 'billing-api', {
    grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
    subject_token: subject,
    subject_token_type: 'urn:ietf:params:oauth:token-type:access_token',
    audience: 'stock',
  })

test('a client revokes its own token: it is written when the answer comes', async () => {
  const { token, jti } = await take()
  const { status, body, headers } = await revoke('front', token)
  assert.deepEqual([status, body, headers['cache-control']], [200, '', 'no-store'])
  assert.ok((await revoked()).includes(jti))
  assert.ok(fixture.logged.some((line) => line.startsWith('revoked ') && line.includes(jti)))
})

test('nothing is exchanged for a revoked token, nor for what was made of it before', async () => {
  const { token } = await take()
  const child = String((await exchange(token)).json['access_token'])
  await revoke('front', token)
  const refused = await exchange(token)
  assert.deepEqual([refused.status, refused.json['error']], [400, 'invalid_request'])
  assert.match(String(refused.json['error_description']), /token-revoked/)
  const grandchild = await post('/token', 'stock-api', {
    grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
    subject_token: child,
    subject_token_type: 'urn:ietf:params:oauth:token-type:access_token',
    audience: 'ledger',
  })
  assert.match(String(grandchild.json['error_description']), /token-revoked/)
})

test('a token that another replica signed with a key of this very minute is revoked, and not just said to be', async () => {
  const shared = { trust: chainTrust(), store: createMemoryStore() }
  const one = await startIssuer(shared)
  after(() => one.close())
  const other = await startIssuer({ ...shared, settings: settings(one.url) })
  after(() => other.close())
  // Started later, it could be ahead by more than a verifier forgives.
  other.clock.nowMs = one.clock.nowMs
  // In an emergency the next key signs at once.
  await other.issuer.keyRing.remove(other.issuer.keyRing.describe(Date.now())[0]!.keyId)
  const send = (to: typeof one, path: string, fields: Record<string, string>): Promise<Answer> =>
    to.send('POST', path, {
      body: new URLSearchParams(fields).toString(),
      headers: { 'Content-Type': 'application/x-www-form-urlencoded', ...basic('front', secretOf('front')) },
    })
  const asked = { grant_type: 'client_credentials', audience: 'billing' }
  const token = String((await send(other, '/token', asked)).json['access_token'])
  assert.equal((await send(one, '/revoke', { token })).status, 200)
  const { revocations } = (await shared.store.readRevocations(Date.now()))!
  assert.deepEqual(
    revocations.map(({ kind, id }) => `${kind} ${id}`),
    [`token ${String(inspectToken(token).claims?.['jti'])}`],
  )
})

test('a token may be revoked twice, whatever the hint says', async () => {
  const { token } = await take()
  for (const hint of ['access_token', 'refresh_token', 'nonsense']) {
    assert.equal((await revoke('front', token, { token_type_hint: hint })).status, 200)
  }
})

test('another client’s token is refused, and stays good', async () => {
  const { token, jti } = await take()
  for (const id of ['billing-api', 'stock-api']) {
    const { status, json } = await revoke(id, token)
    assert.deepEqual([status, json['error']], [400, 'invalid_grant'])
  }
  assert.ok(!(await revoked()).includes(jti))
  assert.equal((await exchange(token)).status, 200)
})

test('what is no token of ours is answered as if it were revoked', async () => {
  const before = await revoked()
  const { token } = await take()
  const end = token.endsWith('AAA') ? 'BBA' : 'AAA'
  for (const other of ['x', 'a.b.c', `${token.slice(0, -3)}${end}`]) {
    assert.equal((await revoke('front', other)).status, 200)
  }
  assert.deepEqual(await revoked(), before)
})

test('a token that has just expired is still written down, a dead one is not', async () => {
  const start = fixture.clock.nowMs
  const [just, dead] = [await take(), await take()]
  fixture.clock.nowMs = start + 590_000
  assert.equal((await revoke('front', just.token)).status, 200)
  assert.ok((await revoked()).includes(just.jti))
  fixture.clock.nowMs = start + 610_000
  assert.equal((await revoke('front', dead.token)).status, 200)
  assert.ok(!(await revoked()).includes(dead.jti))
})

test('what could not be written is a 503, and the token is as it was', async () => {
  const { token, jti } = await take()
  writes = 'fail'
  const { status, json, headers } = await revoke('front', token)
  writes = 'work'
  assert.deepEqual([status, json['error'], headers['retry-after']], [503, 'temporarily_unavailable', '7'])
  assert.ok(!(await revoked()).includes(jti))
})
