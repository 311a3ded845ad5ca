// The issuer over HTTP, with its keys in a program of its own: what it signs, and what it says while that program is out of order.
import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { Secret } from '@countersign/sdk/core'
import { createRevocationFeed, createVerifier } from '@countersign/sdk/jwt'
import type { Verifier } from '@countersign/sdk/jwt'
import { createMetrics } from '../../packages/server/src/metrics/registry.ts'
import { observeIssuer } from '../../packages/server/src/issuer/issuer-metrics.ts'
import { createMemoryStore } from '../../packages/server/src/store/memory.ts'
import type { Store } from '../../packages/server/src/store/store.ts'
import { basic, ordersSecret, startIssuer } from './fixture.ts'
import type { Answer, Fixture } from './fixture.ts'
import { signerFolder } from './signer-folder.ts'
import type { SignerFolder } from './signer-folder.ts'

const asOrders = basic('orders', ordersSecret)

test('tokens and the list of revocations are signed there, and verify by what is published', async () => {
  const { fixture } = await start(signerFolder('a', 'b'))
  const answers = await Promise.all(Array.from({ length: 20 }, () => ask(fixture)))
  for (const { status, json } of answers) {
    assert.equal(status, 200)
    assert.equal(await outcome(verifierOf(fixture), json), 'verified')
  }
  const set = await fixture.send('GET', '/.well-known/jwks.json')
  assert.deepEqual(
    (set.json['keys'] as { kid: string }[]).map(({ kid }) => kid),
    ['a'],
  )

  await fixture.issuer.revoke({ subject: 'alice' }, { nowMs: fixture.clock.nowMs })
  const feed = createRevocationFeed({ issuer: fixture.url, keySet: fixture.issuer.keySet })
  assert.equal([...(await feed.read(fixture.clock.nowMs))!].length, 1)
})

test('a local key answers without a promise in between', async () => {
  const fixture = await startIssuer()
  after(() => fixture.close())
  const { keyRing } = fixture.issuer
  assert.equal(keyRing.external, undefined)
  assert.equal(typeof keyRing.signerAt(fixture.clock.nowMs).sign({ iss: 'x' }), 'string')
})

for (const mode of ['hang', 'die', 'garbage', 'other-id', 'other-key', 'der', 'short', 'error'] as const) {
  test(`no token, and 503 with Retry-After, from a signer that does this: ${mode}`, async () => {
    const { fixture, folder } = await start(signerFolder('a', 'b'), {
      timeoutMs: mode === 'hang' ? 5000 : 20_000,
    })
    assert.equal((await ask(fixture)).status, 200)
    const starts = (): number =>
      fixture.logged.filter((line) => line.startsWith('signer.started-again')).length
    // A program that has ended is started again a second later: on a machine that stood still for so long we missed it.
    for (let before = -1; before !== starts();) {
      folder.turn('ok')
      await eventually(fixture)
      before = starts()
      folder.turn(mode)
      const answers = await Promise.all([ask(fixture), ask(fixture)])
      const [readyz, isReady] = [await fixture.send('GET', '/readyz'), fixture.issuer.isReady()]
      for (const answer of answers) {
        assert.equal(answer.status, 503, answer.body)
        assert.equal(answer.json['error'], 'temporarily_unavailable')
        assert.ok(Number(answer.headers['retry-after']) > 0)
        assert.equal('access_token' in answer.json, false)
      }
      if (before !== starts()) continue
      // Whether to send requests here depends on a program that runs, not on what it says.
      const isGone = mode === 'hang' || mode === 'die' || mode === 'garbage' || mode === 'other-id'
      assert.equal(readyz.status, isGone ? 503 : 200)
      assert.equal(isReady, !isGone)
    }
    assert.ok(fixture.logged.some((line) => /^token\.failed .*"signer-(unavailable|wrong)"/.test(line)))
    // What is published needs nobody.
    assert.equal((await fixture.send('GET', '/.well-known/jwks.json')).status, 200)
    folder.turn('ok')
    await eventually(fixture)
    assert.equal((await fixture.send('GET', '/readyz')).status, 200)
  })
}

test('its signatures and failures are counted', async () => {
  const { fixture, folder } = await start(signerFolder('a'))
  const metrics = createMetrics()
  observeIssuer({
    issuer: fixture.url,
    keyRing: fixture.issuer.keyRing,
    clock: Date.now,
    metrics,
    addressOf: fixture.issuer.addressOf,
  })
  await ask(fixture)
  folder.turn('short')
  await ask(fixture)
  folder.turn('error')
  await ask(fixture)
  const text = metrics.text()
  assert.match(text, /^countersign_issuer_signer_duration_seconds_count\{outcome="signed"\} 1$/m)
  assert.match(text, /^countersign_issuer_signer_duration_seconds_count\{outcome="wrong"\} 1$/m)
  assert.match(text, /^countersign_issuer_signer_duration_seconds_count\{outcome="unavailable"\} 1$/m)
  assert.match(text, /^countersign_issuer_signer_up 1$/m)
})

test('two replicas with signers of their own sign with one key, also after one of them has turned the ring', async () => {
  const [folder, store] = [signerFolder('a'), createMemoryStore()]
  const one = await start(folder, { store })
  const two = await start(folder, { store })
  assert.equal(await keyIdFrom(two.fixture), 'a')
  folder.addKey('b')
  await one.fixture.issuer.keyRing.rotate()
  await two.fixture.issuer.keyRing.refresh()
  const takeover = one.fixture.issuer.keyRing.describe(one.fixture.clock.nowMs).at(-1)!.activeFromMs
  for (const { fixture } of [one, two]) {
    fixture.clock.nowMs = takeover
    await fixture.issuer.keyRing.refresh()
    assert.equal(await keyIdFrom(fixture), 'b')
  }
})

async function start(
  folder: SignerFolder,
  { store = createMemoryStore(), timeoutMs = 20_000 }: { store?: Store; timeoutMs?: number } = {},
): Promise<{ fixture: Fixture; folder: SignerFolder }> {
  const external = { command: folder.command, timeoutMs, leave: false }
  const fixture = await startIssuer({
    keys: { seal: Secret.fromText('x'.repeat(32)), external },
    store,
  })
  after(async () => {
    await fixture.close()
    folder.remove()
  })
  return { fixture, folder }
}

function ask(fixture: Fixture): Promise<Answer> {
  return fixture.ask('grant_type=client_credentials', asOrders)
}

/** The program takes its time to start again. */
async function eventually(fixture: Fixture): Promise<void> {
  for (let attempt = 1; (await ask(fixture)).status !== 200; attempt++) {
    assert.ok(attempt < 400, 'it does not come back')
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
}

function verifierOf(fixture: Fixture): Verifier {
  return createVerifier({
    issuer: fixture.url,
    audience: 'https://billing.acme.example',
    keySet: fixture.issuer.keySet,
    clock: () => fixture.clock.nowMs,
  })
}

async function outcome(
  verifier: Verifier,
  { access_token: token }: Record<string, unknown>,
): Promise<string> {
  const verification = await verifier.verify(String(token))
  return verification.kind === 'verified' ? 'verified' : verification.denial.reason
}

async function keyIdFrom(fixture: Fixture): Promise<unknown> {
  const { json } = await ask(fixture)
  assert.equal(await outcome(verifierOf(fixture), json), 'verified')
  const [header = ''] = String(json['access_token']).split('.')
  return (JSON.parse(Buffer.from(header, 'base64url').toString()) as { kid: string }).kid
}
