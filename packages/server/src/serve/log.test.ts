import assert from 'node:assert/strict'
import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { createLog, logFields } from './log.ts'
import type { LogOptions } from './log.ts'

test('one JSON line an event', () => {
  const [line] = written({}, (log) =>
    log.info('keys.active', { keyId: 'k1', status: 200, roles: ['a'], client: undefined }),
  )
  const { time, ...rest } = JSON.parse(line ?? '') as Record<string, unknown>
  assert.match(String(time), /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/)
  assert.deepEqual(rest, { level: 'info', event: 'keys.active', keyId: 'k1', status: 200, roles: ['a'] })
})

test('a field that is not listed does not get in; its name does', () => {
  const [line] = written({}, (log) => log.warn('x', { authorization: 'Bearer abc', password: 'hunter2' }))
  assert.ok(!line?.includes('hunter2') && !line?.includes('abc'))
  assert.deepEqual((JSON.parse(line ?? '') as Record<string, unknown>)['unlisted'], [
    'authorization',
    'password',
  ])
})

test('a token in a listed field is hidden, and a long text is cut', () => {
  const token = 'eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJ4In0.c2lnbmF0dXJl'
  const [line] = written({}, (log) =>
    log.error('x', { detail: `bad ${token}`, roles: [token], message: 'm'.repeat(3000) }),
  )
  const { detail, roles, message } = JSON.parse(line ?? '') as Record<string, unknown>
  assert.deepEqual([detail, roles], ['[hidden]', ['[hidden]']])
  assert.equal(String(message).length, 2001)
})

test('what is below the level is not written', () => {
  const lines = written({ level: 'warn' }, (log) => {
    log.debug('a')
    log.info('b')
    log.warn('c')
    log.error('d')
  })
  assert.deepEqual(
    lines.map((line) => (JSON.parse(line) as { event: string }).event),
    ['c', 'd'],
  )
})

test('short lines for people', () => {
  const [line] = written({ pretty: true }, (log) => log.info('listening', { url: 'http://localhost:8080' }))
  assert.match(line ?? '', /^\d\d:\d\d:\d\d info {2}listening url=http:\/\/localhost:8080\n$/)
})

test('every field that a server logs by name is listed', () => {
  const folder = join(import.meta.dirname, '..')
  const sources = globSync('{issuer,gateway,store,serve}/**/*.ts', { cwd: folder }).filter(
    (path) => !path.endsWith('.test.ts'),
  )
  assert.ok(sources.length > 10)
  const unlisted: string[] = []
  for (const path of sources) {
    const text = readFileSync(join(folder, path), 'utf8')
    for (const [, members = ''] of text.matchAll(
      /\blog\.(?:debug|info|warn|error)\(\s*'[^']*',\s*\{([^{}]*)\}/g,
    )) {
      for (const member of members.split(',')) {
        const name = /^\s*([A-Za-z]+)/.exec(member)?.[1]
        if (name !== undefined && !logFields.has(name)) unlisted.push(`${path}: ${name}`)
      }
    }
  }
  assert.deepEqual(unlisted, [])
})

function written(options: Partial<LogOptions>, use: (log: ReturnType<typeof createLog>) => void): string[] {
  const lines: string[] = []
  use(createLog({ write: (line) => lines.push(line), ...options }))
  return lines
}
