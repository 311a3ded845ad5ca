import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { setTimeout as wait } from 'node:timers/promises'
import { openSqliteStore } from '../../packages/server/src/store/sqlite.ts'
import { assertionFields, assertionOf, goodClaims, keyedClient } from '../issuer/assertion.ts'
import { orders, ordersSecret, settings, startIssuer, trust } from '../issuer/fixture.ts'
import type { Answer } from '../issuer/fixture.ts'

test('while another process holds the lock of the SQLite file, tokens go on, and writes wait for it', async (t) => {
  const { plain, assertion, holdLock } = await start(t, { busyTimeoutMs: 60_000 })
  const release = await holdLock()
  const waiting = Array.from({ length: 20 }, assertion)
  let ended = false
  const written = Promise.all(waiting).finally(() => (ended = true))
  const tookMs: number[] = []
  // For a second, and so many that one at which the machine stands still is not one of twenty.
  for (const untilMs = performance.now() + 1_000; performance.now() < untilMs || tookMs.length < 200;) {
    const begunMs = performance.now()
    assert.equal((await plain()).status, 200)
    tookMs.push(performance.now() - begunMs)
  }
  assert.equal(ended, false, 'the lock was not held')
  await release()
  assert.deepEqual([...new Set((await written).map(({ status }) => status))], [200])
  const nearlyAllMs = tookMs.sort((a, b) => a - b)[Math.ceil(tookMs.length * 0.95) - 1]!
  t.diagnostic(`${tookMs.length} tokens meanwhile, 95 of 100 within ${nearlyAllMs.toFixed(1)} ms`)
  assert.ok(nearlyAllMs < 100, `${nearlyAllMs} ms`)
})

test('a lock that is held for longer: writes are given up with 503, and go on when it is free', async (t) => {
  const { plain, assertion, holdLock } = await start(t, { busyTimeoutMs: 300 })
  const release = await holdLock()
  const [refused, issued] = await Promise.all([assertion(), wait(100).then(plain)])
  assert.deepEqual([refused.status, refused.json['error']], [503, 'temporarily_unavailable'])
  assert.ok(Number(refused.headers['retry-after']) > 0)
  assert.equal(issued.status, 200)
  await release()
  assert.equal((await assertion()).status, 200)
})

async function start(t: TestContext, { busyTimeoutMs }: { readonly busyTimeoutMs: number }) {
  const folder = mkdtempSync(join(tmpdir(), 'countersign-lock-'))
  const path = join(folder, 'issuer.db')
  const store = openSqliteStore({ path, busyTimeoutMs })
  const { client, key } = keyedClient('keyed')
  const issuer = 'http://issuer.example'
  const keys = {
    algorithm: 'ES256',
    rotateEverySeconds: 36_000,
    seal: undefined,
    dangerouslyUnsealed: true,
  } as const
  const fixture = await startIssuer({
    store,
    clock: Date.now,
    trust: trust([orders, client]),
    settings: settings(issuer, { keys }),
  })
  t.after(async () => {
    await fixture.close()
    await store.close()
    rmSync(folder, { recursive: true, force: true })
  })
  return {
    plain: (): Promise<Answer> =>
      fixture.ask(`grant_type=client_credentials&client_id=orders&client_secret=${ordersSecret}`),
    /** Needs a mark in the store, that its assertion is used up. */
    assertion: (): Promise<Answer> => {
      const shown = assertionOf(key, goodClaims('keyed', issuer, Date.now()))
      return fixture.ask(assertionFields(shown, { grant_type: 'client_credentials' }))
    },
    /** Another process locks the file. @returns what lets go of it */
    async holdLock(): Promise<() => Promise<void>> {
      const child = spawn(process.execPath, ['--input-type=module', '--eval', holder, path], {
        stdio: ['pipe', 'pipe', 'inherit'],
        env: { ...process.env, NODE_TEST_CONTEXT: undefined },
      })
      t.after(() => child.kill('SIGKILL'))
      await once(child.stdout, 'data')
      return async () => {
        child.stdin.end()
        await once(child, 'exit')
      }
    },
  }
}

const holder = `
import { DatabaseSync } from 'node:sqlite'
const database = new DatabaseSync(process.argv.at(-1))
database.exec('BEGIN IMMEDIATE')
process.stdout.write('held')
process.stdin.resume().on('end', () => {
  database.exec('COMMIT')
  process.exit(0)
})
`
