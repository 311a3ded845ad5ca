import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { isProblem, Secret } from '@countersign/sdk/core'
import { openStore } from './open.ts'

test('each kind of settings opens its store', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'countersign-open-'))
  for (const settings of [{ kind: 'memory' }, { kind: 'sqlite', path: join(directory, 'a.db') }] as const) {
    const store = await openStore(settings)
    assert.equal(store.kind, settings.kind)
    await store.ping()
    await store.close()
  }
  rmSync(directory, { recursive: true })
})

test('PostgreSQL is refused with what to do instead, and without its password', async () => {
  await assert.rejects(
    openStore({ kind: 'postgres', url: Secret.fromText('postgres://u:hush@h/d') }),
    (error) => {
      assert.ok(isProblem(error))
      assert.equal(error.code, 'store-unsupported')
      assert.match(error.next ?? '', /sqlite:/)
      assert.doesNotMatch(`${error.message} ${error.next}`, /hush/)
      return true
    },
  )
})
