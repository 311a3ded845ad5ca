import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createAccessLog } from './access-log.ts'
import { silentLog } from '../log.ts'
import type { LogFields } from '../log.ts'

const entry = { part: 'issuer', method: 'GET', path: '/livez', address: '192.0.2.1', status: 200 } as const

test('off is nothing, on is every request with a time that people can read', () => {
  assert.equal(createAccessLog(silentLog, 0), undefined)
  const lines: LogFields[] = []
  const accessLog = createAccessLog({ ...silentLog, info: (_, fields = {}) => void lines.push(fields) }, 1)
  assert.ok(accessLog?.wants(200))
  accessLog?.write({ ...entry, durationMs: 1.23456 })
  assert.deepEqual(lines, [{ ...entry, durationMs: 1.23 }])
})

test('a share is that share, and what went wrong here is in it always', () => {
  const draws = [0.05, 0.2, 0.5, 0.99]
  const accessLog = createAccessLog(silentLog, 0.1, () => draws.shift() ?? 1)
  assert.deepEqual(
    [200, 200, 401, 404].map((status) => accessLog?.wants(status)),
    [true, false, false, false],
  )
  assert.equal(accessLog?.wants(503), true)
})
