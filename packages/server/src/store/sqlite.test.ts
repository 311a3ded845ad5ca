import assert from 'node:assert/strict'
import { fork, spawn } from 'node:child_process'
import { mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { after, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { isProblem } from '@countersign/sdk/core'
import { openSqliteStore } from './sqlite.ts'
import { tables } from './tables.ts'
import { keyRecord, storeContract } from '../../../../test/store/contract.ts'
import { useEverything } from '../../../../test/store/later-version.ts'

const directory = mkdtempSync(join(tmpdir(), 'countersign-store-'))
after(() => rmSync(directory, { recursive: true, force: true }))
let files = 0
const newPath = (): string => join(directory, `${files++}.db`)

storeContract('sqlite', async () => openSqliteStore({ path: newPath() }))

test('what one opening wrote the next one reads', async () => {
  const path = newPath()
  const first = openSqliteStore({ path })
  await first.replaceRing(0, [keyRecord('a')])
  await first.putOnce('orders', 'a', 2000, 1000)
  await first.close()

  const second = openSqliteStore({ path })
  assert.deepEqual(await second.readRing(), { version: 1, keys: [keyRecord('a')] })
  assert.equal(await second.putOnce('orders', 'a', 2000, 1000), false)
  await second.close()
})

test('a replica goes on while a later version has added columns to every table', async () => {
  const path = newPath()
  const store = openSqliteStore({ path })
  await useEverything(store, 'before')
  const later = new DatabaseSync(path)
  for (const { name: table } of tables) later.exec(`ALTER TABLE ${table} ADD COLUMN added_later TEXT`)
  later.close()
  await useEverything(store, 'after')
  await store.close()
})

test('the file and its side files are readable by their owner only', async () => {
  const path = newPath()
  const store = openSqliteStore({ path })
  await store.replaceRing(0, [keyRecord('a')])
  for (const file of [path, `${path}-wal`, `${path}-shm`])
    assert.equal(statSync(file).mode & 0o777, 0o600, file)
  await store.close()
})

test('two openings of one file see each other and exclude each other', async () => {
  const path = newPath()
  const [one, two] = [openSqliteStore({ path }), openSqliteStore({ path })]
  await one.replaceRing(0, [keyRecord('a')])
  assert.equal((await two.readRing()).version, 1)
  assert.equal(await two.replaceRing(0, [keyRecord('b')]), false)
  assert.equal(await one.putOnce('orders', 'a', 2000, 1000), true)
  assert.equal(await two.putOnce('orders', 'a', 2000, 1000), false)
  await one.close()
  await two.close()
})

test('a write that waits too long for another process is a passing Problem', async () => {
  const path = newPath()
  const store = openSqliteStore({ path, busyTimeoutMs: 20 })
  const other = new DatabaseSync(path)
  other.exec('BEGIN IMMEDIATE')
  await assert.rejects(store.replaceRing(0, [keyRecord('a')]), (error) => {
    assert.ok(isProblem(error))
    assert.equal(error.code, 'store-unavailable')
    assert.ok(error.retryAfterSeconds !== undefined)
    assert.match(error.message, /locked/)
    return true
  })
  other.exec('COMMIT')
  other.close()
  assert.equal(await store.replaceRing(0, [keyRecord('a')]), true)
  await store.close()
})

test('a half-written replacement is undone as a whole', async () => {
  const store = openSqliteStore({ path: newPath() })
  await store.replaceRing(0, [keyRecord('a')])
  await assert.rejects(store.replaceRing(1, [keyRecord('b'), keyRecord('b')]), { code: 'store-unavailable' })
  assert.deepEqual(await store.readRing(), { version: 1, keys: [keyRecord('a')] })
  assert.equal(await store.replaceRing(1, [keyRecord('c')]), true)
  await store.close()
})

test('one sweep drops no more than its limit', async () => {
  const store = openSqliteStore({ path: newPath(), sweepLimit: 10 })
  for (let index = 0; index < 15; index++) await store.putOnce('orders', `${index}`, 2000, 1000)
  assert.deepEqual(await store.sweep(9000), { dropped: 10 })
  assert.deepEqual(await store.sweep(9000), { dropped: 5 })
  await store.close()
})

test('a path that cannot be opened is a Problem that names it', () => {
  const path = join(directory, 'missing', 'x.db')
  assert.throws(
    () => openSqliteStore({ path }),
    (error) => isProblem(error) && error.code === 'store-unavailable' && error.message.startsWith(path),
  )
})

test('several processes that start together on a new file make one ring', async () => {
  const path = newPath()
  const outcomes = await Promise.all(
    Array.from({ length: 4 }, () => {
      const child = fork(writer, ['ring', 'sqlite', path], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
      return new Promise((resolve, reject) => {
        child.once('message', resolve)
        child.once('exit', (code) => reject(new Error(`ended with ${code} before it had tried`)))
      })
    }),
  )
  assert.equal(outcomes.filter((won) => won === true).length, 1)
  const store = openSqliteStore({ path })
  assert.equal((await store.readRing()).version, 1)
  await store.close()
})

test('kill -9 in the middle of writes loses nothing that was acknowledged', async () => {
  const path = newPath()
  for (const round of [1, 2]) {
    const acknowledged = await writeUntilKilled(path, `round-${round}`, 40 * round)
    const store = openSqliteStore({ path })
    for (const id of acknowledged.marks) {
      assert.equal(await store.putOnce(`round-${round}`, id, 9e12, 1000), false, `mark ${id} was lost`)
    }
    const ring = await store.readRing()
    assert.ok(ring.version >= acknowledged.version, `version ${acknowledged.version} was lost`)
    // All of a version or nothing of it.
    assert.deepEqual(
      ring.keys.map((key) => key.keyId),
      [`a${ring.version}`, `b${ring.version}`],
    )
    await store.close()

    const check = new DatabaseSync(path)
    assert.deepEqual({ ...check.prepare('PRAGMA integrity_check').get() }, { integrity_check: 'ok' })
    check.close()
  }
})

const writer = fileURLToPath(new URL('../../../../test/store/writer.ts', import.meta.url))

/** Runs a writing child, kills it without warning, and reports what it had acknowledged by then. */
async function writeUntilKilled(
  path: string,
  scope: string,
  count: number,
): Promise<{ marks: string[]; version: number }> {
  const child = spawn(process.execPath, ['--conditions=source', writer, 'flood', 'sqlite', path, scope], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  let output = ''
  child.stdout.setEncoding('utf8')
  child.stdout.on('data', (chunk: string) => {
    output += chunk
    if (output.split('\n').length > count) child.kill('SIGKILL')
  })
  const signal = await new Promise((resolve) => child.once('close', (_code, by) => resolve(by)))
  assert.equal(signal, 'SIGKILL', 'the writer ended by itself')
  const lines = output.slice(0, output.lastIndexOf('\n')).split('\n')
  const marks = lines.filter((line) => line.startsWith('mark ')).map((line) => line.slice(5))
  const versions = lines.filter((line) => line.startsWith('ring ')).map((line) => Number(line.slice(5)))
  assert.ok(marks.length > 0 && versions.length > 0)
  return { marks, version: Math.max(...versions) }
}
