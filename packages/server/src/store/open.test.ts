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

test('a PostgreSQL server that is not there is a Problem, without its password', async () => {
  const url = Secret.fromText('postgres://u:hush@127.0.0.1:1/d')
  await assert.rejects(openStore({ kind: 'postgres', url }), (error) => {
    assert.ok(isProblem(error))
    assert.equal(error.code, 'store-unavailable')
    assert.doesNotMatch(`${error.message} ${error.next}`, /hush/)
    return true
  })
})
