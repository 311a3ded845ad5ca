import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { test } from 'node:test'
import { promisify } from 'node:util'
import { createTokenSource } from '../client/token-source.ts'
import { createGuard } from '../guard/guard.ts'
import type { Guard } from '../guard/guard.ts'
import { startTestIssuer } from './loopback-issuer.ts'

test('a guard that is told nothing but the issuer finds its keys', async () => {
  await using issuer = await startTestIssuer({ audience: 'billing' })
  const guard = createGuard({ issuer: issuer.url, audience: 'billing' })
  assert.equal(await ask(guard, issuer.authorization()), 'allow')
  assert.equal(
    await ask(guard, issuer.authorization({ dangerouslySignature: 'foreign' })),
    'signature-invalid',
  )
  assert.deepEqual(issuer.requests, { metadata: 1, keys: 1, token: 0, revocations: 0 })
})

test('a token source gets tokens from it that its guards take', async () => {
  await using issuer = await startTestIssuer({
    clients: { orders: { secret: 'a secret: 100%', roles: ['reader', 'admin'] } },
    lifetimeSeconds: 100,
    nowMs: 1_800_000_000_000,
  })
  const source = createTokenSource({ ...issuer.credentials('orders'), roles: ['reader'], random: () => 0 })
  const guard = issuer.guard()
  const first = await source.authHeader()
  const decision = await guard.check(
    { method: 'GET', target: '/', rawHeaders: ['Authorization', first] },
    { roles: 'reader' },
  )
  assert.ok(decision.kind === 'allow')
  assert.equal(decision.principal?.clientId, 'orders')
  assert.deepEqual([...decision.principal.roles], ['reader'])
  assert.equal((await source.token()).expiresAtMs, 1_800_000_100_000)
  issuer.advance(100)
  assert.notEqual(await source.authHeader(), first, 'by the same clock')
  assert.equal(issuer.requests.token, 2)
})

test('keys that cannot be had, slow ones, and ones that hang up', async () => {
  await using issuer = await startTestIssuer()
  const token = issuer.authorization()
  for (const keys of [503, 404, 'reset'] as const) {
    issuer.fail({ keys })
    await assert.rejects(async () => ask(issuer.guard(), token), { code: 'keys-unavailable' }, String(keys))
  }
  issuer.fail({ metadata: 500 })
  await assert.rejects(async () => ask(issuer.guard(), token), { code: 'keys-unavailable' })
  issuer.fail({ delayMs: 30 })
  const started = performance.now()
  assert.equal(await ask(issuer.guard(), token), 'allow')
  // Timers count in whole milliseconds of a clock that may lag by one, so each can end a little early.
  assert.ok(performance.now() - started >= 56, 'two answers, each delayed')
  issuer.recover()
  assert.equal(await ask(issuer.guard(), token), 'allow')
})

test('a guard outlives its issuer for a while, by the movable clock', async () => {
  await using issuer = await startTestIssuer({ keysMaxAgeSeconds: 60, lifetimeSeconds: 100_000 })
  const guard = issuer.guard()
  const token = issuer.authorization()
  assert.equal(await ask(guard, token), 'allow')
  issuer.fail({ keys: 503 })
  issuer.advance(120)
  assert.equal(await ask(guard, token), 'allow', 'stale keys')
  issuer.advance(4000)
  await assert.rejects(async () => ask(guard, token), { code: 'keys-unavailable' })
})

test('rotation is seen by those who fetch, unless the endpoint is stale', async () => {
  await using issuer = await startTestIssuer()
  const guard = issuer.guard()
  assert.equal(await ask(guard, issuer.authorization()), 'allow')
  issuer.rotate()
  assert.equal(await ask(guard, issuer.authorization()), 'allow', 'a new kid is asked for at once')
  issuer.fail({ staleKeys: true })
  issuer.rotate()
  issuer.advance(60)
  assert.equal(await ask(guard, issuer.authorization()), 'key-unknown')
  issuer.recover()
  issuer.advance(60)
  assert.equal(await ask(guard, issuer.authorization()), 'allow')
})

test('closing cuts off what hangs, and leaves no timer', async () => {
  const issuer = await startTestIssuer()
  issuer.fail({ delayMs: 60_000 })
  const hanging = fetch(`${issuer.url}/.well-known/jwks.json`)
  const failed = assert.rejects(hanging)
  while (!process.getActiveResourcesInfo().includes('Timeout')) await new Promise(setImmediate)
  await issuer.close()
  await failed
  await issuer.close()
  await assert.rejects(fetch(issuer.url))
})

test('what cannot be is refused', async () => {
  await assert.rejects(startTestIssuer({ algorithm: 'HS256' }), { code: 'option-invalid' })
  await assert.rejects(startTestIssuer({ issuer: 'x' } as object), { code: 'option-unknown' })
  await using issuer = await startTestIssuer()
  assert.throws(() => issuer.fail({ jwks: 500 } as object), { code: 'option-unknown' })
  assert.throws(() => issuer.credentials('nobody'), { code: 'option-invalid' })
})

async function ask(guard: Guard, header: string) {
  const decision = await guard.check(
    { method: 'GET', target: '/', rawHeaders: ['Authorization', header] },
    'authenticated',
  )
  return decision.kind === 'allow' ? 'allow' : decision.denial.reason
}

test('whoever forgets to close it is not kept waiting', async () => {
  const script = `
    import { startTestIssuer } from '@countersign/sdk/testing'
    const issuer = await startTestIssuer()
    await (await fetch(issuer.url + '/.well-known/oauth-authorization-server')).json()
    let ticks = 0
    setInterval(() => ticks++, 100).unref()
    process.on('exit', () => console.log(ticks))`
  const { stdout } = await promisify(execFile)(
    process.execPath,
    ['--conditions=source', '--input-type=module', '-e', script],
    { cwd: import.meta.dirname, timeout: 120_000 },
  )
  // Its client keeps a connection for seconds. In ticks of the process itself: a machine that pauses makes one late, not many.
  assert.match(stdout, /^\d+\n$/)
  assert.ok(Number(stdout) < 15, `${stdout.trim()} tenths of a second`)
})
