import assert from 'node:assert/strict'
import { fork, spawn } from 'node:child_process'
import { after, before, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { inspect } from 'node:util'
import { isProblem, Secret } from '@countersign/sdk/core'
import { keyRecord, storeContract } from '../../../../test/store/contract.ts'
import { useEverything } from '../../../../test/store/later-version.ts'
import { startPostgres, whyNoPostgres } from '../../../../test/store/postgres-server.ts'
import type { PostgresServer } from '../../../../test/store/postgres-server.ts'
import { openPostgresPool } from './postgres-pool.ts'
import { openPostgresStore } from './postgres.ts'
import { tables } from './tables.ts'

const skip = whyNoPostgres()
const options = skip === undefined ? {} : { skip }
let server: PostgresServer
before(async () => {
  if (skip === undefined) server = await startPostgres()
})
after(() => server?.stop())

let emptied: Secret | undefined
storeContract(
  'postgres',
  async () => {
    // A database takes its time to make; emptying one is as good.
    const url = (emptied ??= await server.newDatabase())
    const pool = openPostgresPool(url, patienceMs)
    await pool.run({ text: 'DROP SCHEMA IF EXISTS countersign CASCADE' })
    await pool.close()
    return openPostgresStore({ url, timeoutMs: patienceMs })
  },
  options,
)

test('two stores on one database see each other and exclude each other', options, async () => {
  const url = await server.newDatabase()
  const [one, two] = [await openPostgresStore({ url }), await openPostgresStore({ url })]
  await one.replaceRing(0, [keyRecord('a')])
  assert.equal((await two.readRing()).version, 1)
  const outcomes = await Promise.all([
    one.replaceRing(1, [keyRecord('b')]),
    two.replaceRing(1, [keyRecord('c')]),
  ])
  assert.equal(outcomes.filter(Boolean).length, 1)
  const firsts = await Promise.all(
    [one, two, one, two].map((store) => store.putOnce('orders', 'a', 2000, 1000)),
  )
  assert.equal(firsts.filter(Boolean).length, 1)
  await one.close()
  await two.close()
})

test('commits are on disk although the server’s default says otherwise', options, async () => {
  const url = await server.newDatabase()
  const pool = openPostgresPool(url, patienceMs)
  await pool.run({
    text: `ALTER DATABASE ${new URL(url.revealText()).pathname.slice(1)} SET synchronous_commit = off`,
  })
  await pool.close()
  const again = openPostgresPool(url, patienceMs)
  assert.deepEqual((await again.run({ text: 'SHOW synchronous_commit' })).rows, [
    { synchronous_commit: 'on' },
  ])
  await again.close()
})

test('a replica goes on while a later version has added columns to every table', options, async () => {
  const url = await server.newDatabase()
  const store = await openPostgresStore({ url })
  await useEverything(store, 'before')
  const later = openPostgresPool(url, patienceMs)
  for (const { name: table } of tables)
    await later.run({ text: `ALTER TABLE countersign.${table} ADD COLUMN added_later text` })
  await later.close()
  await useEverything(store, 'after')
  await store.close()
})

test(
  'a connection that ends within a transaction is a Problem, and not the end of the process',
  options,
  async () => {
    const url = await server.newDatabase()
    const [pool, other] = [openPostgresPool(url, patienceMs), openPostgresPool(url, patienceMs)]
    const outcome = pool.transaction(async (connection) => {
      const { rows } = await connection.query({ text: 'SELECT pg_backend_pid() AS pid' })
      await other.run({ text: 'SELECT pg_terminate_backend($1)', values: [(rows[0] as { pid: number }).pid] })
      // Long enough for the connection to end while no query is under way.
      await new Promise((resolve) => setTimeout(resolve, 50))
      return connection.query({ text: 'SELECT 1' })
    })
    await assert.rejects(outcome, { code: 'store-unavailable' })
    assert.equal((await pool.run({ text: 'SELECT 1 AS one' })).rowCount, 1)
    await pool.close()
    await other.close()
  },
)

test('who falls silent within a transaction does not hold up the others for long', options, async () => {
  const url = await server.newDatabase()
  const [silent, other] = [openPostgresPool(url, 1500), openPostgresPool(url, patienceMs)]
  await other.run({ text: 'CREATE TABLE claimed (row integer); INSERT INTO claimed VALUES (1)' })
  const { rows } = await silent.run({ text: 'SHOW idle_in_transaction_session_timeout' })
  assert.deepEqual(rows, [{ idle_in_transaction_session_timeout: '3s' }])
  const [claimed, through] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
  const outcome = silent.transaction(async (connection) => {
    await connection.query({ text: 'UPDATE claimed SET row = 2' })
    claimed.resolve()
    // Silent for as long as the other one has to wait: it does not wait in vain.
    await through.promise
    return connection.query({ text: 'SELECT 1' })
  })
  outcome.catch(claimed.reject)
  await claimed.promise
  await other.run({ text: 'UPDATE claimed SET row = 3' }).finally(through.resolve)
  await assert.rejects(outcome, { code: 'store-unavailable' })
  await silent.close()
  await other.close()
})

test('a half-written replacement is undone as a whole', options, async () => {
  const store = await openPostgresStore({ url: await server.newDatabase() })
  await store.replaceRing(0, [keyRecord('a')])
  await assert.rejects(store.replaceRing(1, [keyRecord('b'), keyRecord('b')]), { code: 'store-unavailable' })
  assert.deepEqual(await store.readRing(), { version: 1, keys: [keyRecord('a')] })
  assert.equal(await store.replaceRing(1, [keyRecord('c')]), true)
  await store.close()
})

test('one sweep drops no more than its limit', options, async () => {
  const store = await openPostgresStore({ url: await server.newDatabase(), sweepLimit: 10 })
  for (let index = 0; index < 15; index++) await store.putOnce('orders', `${index}`, 2000, 1000)
  assert.deepEqual(await store.sweep(9000), { dropped: 10 })
  assert.deepEqual(await store.sweep(9000), { dropped: 5 })
  await store.close()
})

test('a write that waits too long for another one is a passing Problem', options, async () => {
  const url = await server.newDatabase()
  // Its tables are made by one that has time.
  await (await openPostgresStore({ url, timeoutMs: patienceMs })).close()
  const store = await openPostgresStore({ url, timeoutMs: 2000 })
  const other = openPostgresPool(url, patienceMs)
  await other.transaction(async (connection) => {
    await connection.query({ text: 'LOCK TABLE countersign.ring' })
    await assert.rejects(
      store.replaceRing(0, [keyRecord('a')]),
      (error) =>
        isProblem(error) && error.code === 'store-unavailable' && error.retryAfterSeconds !== undefined,
    )
  })
  assert.equal(await store.replaceRing(0, [keyRecord('a')]), true)
  await other.close()
  await store.close()
})

test('several processes that start together on an empty database make one ring', options, async () => {
  const url = await server.newDatabase()
  const outcomes = await Promise.all(
    Array.from({ length: 4 }, () => {
      const child = fork(writer, ['ring', 'postgres', url.revealText()], {
        stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
      })
      return new Promise((resolve, reject) => {
        child.once('message', resolve)
        child.once('exit', (code) => reject(new Error(`ended with ${code} before it had tried`)))
      })
    }),
  )
  assert.equal(outcomes.filter((won) => won === true).length, 1)
  const store = await openPostgresStore({ url })
  assert.equal((await store.readRing()).version, 1)
  await store.close()
})

test(
  'a server that dies in the middle of writes loses nothing that was acknowledged, and the store finds it again',
  options,
  async () => {
    const url = await server.newDatabase()
    const store = await openPostgresStore({ url, timeoutMs: patienceMs })
    const child = spawn(
      process.execPath,
      ['--conditions=source', writer, 'flood', 'postgres', url.revealText(), 'orders'],
      {
        stdio: ['ignore', 'pipe', 'ignore'],
      },
    )
    let output = ''
    const ended = new Promise((resolve) => child.once('close', resolve))
    await new Promise<void>((resolve) =>
      child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
        output += chunk
        if (output.split('\n').length > 60) resolve()
      }),
    )
    await server.crash()
    // It ends by itself, unless the crash found it between two writes.
    child.kill('SIGKILL')
    await ended

    const lines = output.slice(0, output.lastIndexOf('\n')).split('\n')
    for (const line of lines.filter((entry) => entry.startsWith('mark '))) {
      assert.equal(
        await retried(() => store.putOnce('orders', line.slice(5), 9e12, 1000)),
        false,
        `${line} was lost`,
      )
    }
    const ring = await store.readRing()
    const acknowledged = Math.max(
      ...lines.filter((line) => line.startsWith('ring ')).map((line) => Number(line.slice(5))),
    )
    assert.ok(ring.version >= acknowledged, `version ${acknowledged} was lost`)
    assert.deepEqual(
      ring.keys.map((key) => key.keyId),
      [`a${ring.version}`, `b${ring.version}`],
    )
    await store.close()
  },
)

test('a store of a later version is refused with both versions named', options, async () => {
  const url = await server.newDatabase()
  await (await openPostgresStore({ url })).close()
  const later = openPostgresPool(url, patienceMs)
  await later.run({ text: 'UPDATE countersign.schema_version SET version = 999' })
  await assert.rejects(
    openPostgresStore({ url }),
    (error) => isProblem(error) && error.code === 'store-newer' && /999.*up to \d/.test(error.message),
  )
  await later.close()
})

test('a server that is not there is a Problem without the password', async () => {
  const url = Secret.fromText('postgres://countersign:hush-hush@127.0.0.1:1/countersign')
  await assert.rejects(openPostgresStore({ url, timeoutMs: patienceMs }), (error) => {
    assert.ok(isProblem(error))
    assert.equal(error.code, 'store-unavailable')
    assert.match(error.message, /^PostgreSQL: .*127\.0\.0\.1:1/)
    assert.doesNotMatch(inspect(error), /hush/)
    return true
  })
})

const writer = fileURLToPath(new URL('../../../../test/store/writer.ts', import.meta.url))

/** Where it is not about time, a server may take its own on a busy machine. */
const patienceMs = 20_000

/** Connections that the crash broke are found out by their first use. */
async function retried<Result>(use: () => Promise<Result>): Promise<Result> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await use()
    } catch (error) {
      if (attempt === 5) throw error
    }
  }
}
