import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { Problem } from '@countersign/sdk/core'
import { createRevocationFeed, inspectToken } from '@countersign/sdk/jwt'
import { createMemoryStore } from '../../store/memory.ts'
import type { Store } from '../../store/store.ts'
import { settings, startIssuer } from '../../../../../test/issuer/fixture.ts'
import type { Fixture } from '../../../../../test/issuer/fixture.ts'

const fixture = await startIssuer()
after(() => fixture.close())

type Listed = {
  sequence: number
  iat: number
  exp: number
  iss: string
  tokens: unknown[]
  clients: unknown[]
}

async function listOf(from: Fixture): Promise<Listed> {
  const { body } = await from.send('GET', '/revocations')
  return inspectToken(body).claims as unknown as Listed
}

test('the list is signed, of its own type, and says whose and of when it is', async () => {
  const { status, headers, body } = await fixture.send('GET', '/revocations')
  assert.equal(status, 200)
  assert.equal(headers['content-type'], 'application/revocations+jwt')
  assert.equal(headers['cache-control'], 'public, max-age=2')
  const { header, claims } = inspectToken(body)
  assert.equal(header?.['typ'], 'revocations+jwt')
  const minute = Math.floor(fixture.clock.nowMs / 60_000) * 60
  assert.deepEqual([claims?.['iss'], claims?.['iat'], claims?.['exp']], [fixture.url, minute, minute + 300])
})

test('what is revoked is in the next answer, with a greater sequence, until it has run out', async () => {
  const before = await listOf(fixture)
  const expiresAtSeconds = Math.floor(fixture.clock.nowMs / 1000) + 60
  await fixture.issuer.revoke({ tokenId: 't1', expiresAtSeconds }, { nowMs: fixture.clock.nowMs })
  await fixture.issuer.revoke({ clientId: 'orders' }, { nowMs: fixture.clock.nowMs })
  const after = await listOf(fixture)
  assert.ok(after.sequence > before.sequence)
  assert.deepEqual(after.tokens, [['t1', expiresAtSeconds + 300]])
  assert.equal(after.clients.length, 1)
  fixture.clock.nowMs += 422_000
  const later = await listOf(fixture)
  assert.deepEqual([later.tokens, later.clients.length, later.sequence], [[], 1, after.sequence])
})

test('who has the list is told that it has not changed, until it has or a minute is over', async () => {
  fixture.clock.nowMs = Math.ceil(fixture.clock.nowMs / 60_000) * 60_000
  const ask = (etag: string) => fixture.send('GET', '/revocations', { headers: { 'If-None-Match': etag } })
  const { headers } = await fixture.send('GET', '/revocations')
  const etag = String(headers.etag)
  fixture.clock.nowMs += 59_000
  const same = await ask(etag)
  assert.deepEqual([same.status, same.body, same.headers.etag], [304, '', etag])
  fixture.clock.nowMs += 1000
  assert.equal((await ask(etag)).status, 200)
  const next = String((await fixture.send('HEAD', '/revocations')).headers.etag)
  await fixture.issuer.revoke({ subject: 'alice' }, { nowMs: fixture.clock.nowMs })
  assert.equal((await ask(next)).status, 200)
})

test('the key that signs the list is the key that signs tokens', async () => {
  const first = inspectToken((await fixture.send('GET', '/revocations')).body).header?.['kid']
  assert.equal(first, fixture.issuer.keyRing.signerAt(fixture.clock.nowMs).keyId)
  await fixture.issuer.revoke({ keyId: String(first) }, { nowMs: fixture.clock.nowMs })
  const { body } = await fixture.send('GET', '/revocations')
  assert.notEqual(inspectToken(body).header?.['kid'], first)
  assert.deepEqual((inspectToken(body).claims?.['keys'] as unknown[][])[0]?.[0], first)
})

test('several replicas on one store serve one list under one ETag', async () => {
  const store = createMemoryStore()
  const url = 'https://issuer.example'
  const replicas = await Promise.all([1, 2].map(() => startIssuer({ store, settings: settings(url) })))
  const [one, two] = replicas as [Fixture, Fixture]
  const nowMs = Math.ceil(Date.now() / 60_000) * 60_000 + 1000
  one.clock.nowMs = two.clock.nowMs = nowMs
  await listOf(two)
  await one.issuer.revoke({ tokenId: 't1' }, { nowMs })
  one.clock.nowMs = two.clock.nowMs = nowMs + 1000
  const [first, second] = await Promise.all(replicas.map((replica) => replica.send('GET', '/revocations')))
  assert.deepEqual(inspectToken(first!.body).claims, inspectToken(second!.body).claims)
  assert.equal(first!.headers.etag, second!.headers.etag)
  assert.match(String(first!.headers.etag), /^W\//)
  await Promise.all(replicas.map((replica) => replica.close()))
})

test('only GET and HEAD', async () => {
  const { status, headers } = await fixture.send('POST', '/revocations')
  assert.deepEqual([status, headers['allow']], [405, 'GET, HEAD'])
})

test('a store that is away for long is a 503, and not an old list', async () => {
  const memory = createMemoryStore()
  let down = false
  const store: Store = {
    ...memory,
    async readRevocations(...parameters) {
      if (down) throw new Problem('store-unavailable', 'the store is down')
      return memory.readRevocations(...parameters)
    },
  }
  const issuer = await startIssuer({ store })
  assert.equal((await issuer.send('GET', '/revocations')).status, 200)
  down = true
  issuer.clock.nowMs += 29_000
  assert.equal((await issuer.send('GET', '/revocations')).status, 200)
  issuer.clock.nowMs += 1000
  const { status, headers } = await issuer.send('GET', '/revocations')
  assert.deepEqual([status, headers['retry-after'] !== undefined], [503, true])
  await issuer.close()
})

test('the follower of the sdk follows it', async () => {
  const issuer = await startIssuer()
  const { nowMs } = issuer.clock
  await issuer.issuer.revoke({ tokenId: 't1' }, { nowMs })
  const feed = createRevocationFeed({ issuer: issuer.url, keySet: issuer.issuer.keySet })
  const [revocation] = [...((await feed.read(nowMs)) ?? [])]
  assert.ok(revocation !== undefined && 'tokenId' in revocation && revocation.tokenId === 't1')
  assert.equal(await feed.read(nowMs), undefined)
  await issuer.close()
})
