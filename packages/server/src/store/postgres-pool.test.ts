import assert from 'node:assert/strict'
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { test } from 'node:test'
import { inspect } from 'node:util'
import { isProblem, Secret } from '@countersign/sdk/core'
import { openPostgresPool } from './postgres-pool.ts'

test('a URL that cannot be read is a Problem that does not repeat it', () => {
  assert.throws(
    () => openPostgresPool(Secret.fromText('postgres://u:hush-hush@[nonsense/d'), 1000),
    (error) => {
      assert.ok(isProblem(error))
      assert.equal(error.code, 'store-unavailable')
      assert.doesNotMatch(inspect(error, { depth: 9 }), /hush/)
      return true
    },
  )
})

test('a server that accepts and then says nothing is given up in time', async () => {
  const silent = createServer((socket) => socket.on('error', () => {}))
  await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve))
  const { port } = silent.address() as AddressInfo
  const pool = openPostgresPool(Secret.fromText(`postgres://u:hush-hush@127.0.0.1:${port}/d`), 150)
  for (const use of [
    () => pool.run({ text: 'SELECT 1' }),
    () => pool.transaction(async (connection) => connection.query({ text: 'SELECT 1' })),
  ]) {
    await assert.rejects(use, (error) => {
      assert.ok(
        isProblem(error) && error.code === 'store-unavailable' && error.retryAfterSeconds !== undefined,
      )
      assert.doesNotMatch(inspect(error, { depth: 9 }), /hush/)
      return true
    })
  }
  await pool.close()
  silent.close()
})

test('a closed pool says so, and closing twice is closing once', async () => {
  const pool = openPostgresPool(Secret.fromText('postgres://u@127.0.0.1:1/d'), 1000)
  await pool.close()
  await pool.close()
  await assert.rejects(pool.run({ text: 'SELECT 1' }), { code: 'store-unavailable' })
})
