import assert from 'node:assert/strict'
import {
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { Problem } from '@countersign/sdk/core'
import { readTrust } from '../trust/read.ts'
import type { Trust } from '../trust/trust.ts'
import { createLog } from './log.ts'
import { watchTrust } from './watch-trust.ts'
import type { WatchOptions } from './watch-trust.ts'

const good = (realm: string): string => `gateway: { listen: 127.0.0.1:1, realm: ${realm} }\n`

test('a changed file is put to work', async (t) => {
  const stand = open(t)
  writeFileSync(stand.file, good('b'))
  await stand.until('trust.replaced')
  assert.deepEqual(stand.taken, ['b'])
})

test('a mistaken file is reported and changes nothing; the next good one counts', async (t) => {
  const stand = open(t)
  writeFileSync(stand.file, 'gateway: { lsten: 1 }\n')
  await stand.until('trust.mistaken')
  assert.match(stand.log(), /"mistakes":2,"path":"gateway.listen","line":1/)
  assert.deepEqual(stand.taken, [])
  writeFileSync(stand.file, good('c'))
  await stand.until('trust.replaced')
  assert.deepEqual(stand.taken, ['c'])
})

test('a file that cannot be put to work is reported', async (t) => {
  const stand = open(t, {
    take: () => {
      throw new Problem('trust-unusable', 'it does not work')
    },
  })
  writeFileSync(stand.file, good('b'))
  await stand.until('trust.refused')
  assert.match(stand.log(), /"code":"trust-unusable","message":"it does not work"/)
})

test('what waits for a restart is named', async (t) => {
  const stand = open(t, { take: () => ['gateway.listen'] })
  writeFileSync(stand.file, good('b'))
  await stand.until('trust.restart-needed')
  assert.match(stand.log(), /"changed":\["gateway\.listen"\]/)
})

test('an editor that replaces the file', async (t) => {
  const stand = open(t)
  writeFileSync(`${stand.file}.new`, good('b'))
  renameSync(`${stand.file}.new`, stand.file)
  await stand.until('trust.replaced')
  assert.deepEqual(stand.taken, ['b'])
})

test('a Kubernetes ConfigMap: the file is a link through ..data, and only that link is replaced', async (t) => {
  const folder = newFolder(t)
  for (const [name, realm] of [
    ['..1', 'a'],
    ['..2', 'b'],
  ] as const) {
    mkdirSync(join(folder, name))
    writeFileSync(join(folder, name, 'countersign.yaml'), good(realm))
  }
  symlinkSync('..1', join(folder, '..data'))
  symlinkSync('..data/countersign.yaml', join(folder, 'countersign.yaml'))
  const stand = open(t, {}, join(folder, 'countersign.yaml'))
  symlinkSync('..2', join(folder, '..data_tmp'))
  renameSync(join(folder, '..data_tmp'), join(folder, '..data'))
  await stand.until('trust.replaced')
  assert.deepEqual(stand.taken, ['b'])
})

test('touching the file changes nothing; SIGHUP reads it in any case', async (t) => {
  const stand = open(t)
  utimesSync(stand.file, new Date(), new Date())
  writeFileSync(join(stand.file, '../other.txt'), 'x')
  await new Promise((resolve) => setTimeout(resolve, 150))
  assert.equal(stand.log(), '')
  process.emit('SIGHUP')
  await stand.until('trust.replaced')
  assert.deepEqual(stand.taken, ['a'])
})

test('on a file system that tells nothing, it is found by looking', async (t) => {
  const folder = newFolder(t)
  mkdirSync(join(folder, 'real'))
  mkdirSync(join(folder, 'seen'))
  writeFileSync(join(folder, 'real/countersign.yaml'), good('a'))
  // Nothing happens in the folder that is watched when what the link leads to changes.
  symlinkSync('../real/countersign.yaml', join(folder, 'seen/countersign.yaml'))
  const stand = open(t, { pollMs: 20 }, join(folder, 'seen/countersign.yaml'))
  writeFileSync(join(folder, 'real/countersign.yaml'), good('b'))
  await stand.until('trust.replaced')
  assert.deepEqual(stand.taken, ['b'])
})

test('on signal only', async (t) => {
  const stand = open(t, { onlyOnSignal: true, pollMs: 10 })
  writeFileSync(stand.file, good('b'))
  await new Promise((resolve) => setTimeout(resolve, 150))
  assert.deepEqual(stand.taken, [])
  process.emit('SIGHUP')
  await stand.until('trust.replaced')
  assert.deepEqual(stand.taken, ['b'])
})

test('after close nothing happens', async (t) => {
  const stand = open(t)
  stand.close()
  writeFileSync(stand.file, good('b'))
  assert.equal(process.listenerCount('SIGHUP'), 0)
  await new Promise((resolve) => setTimeout(resolve, 150))
  assert.deepEqual(stand.taken, [])
})

function open(t: TestContext, options: Partial<WatchOptions> = {}, given?: string) {
  const file = given ?? join(newFolder(t), 'countersign.yaml')
  if (given === undefined) writeFileSync(file, good('a'))
  const lines: string[] = []
  const taken: (string | undefined)[] = []
  const watching = watchTrust({
    file,
    log: createLog({ write: (line) => lines.push(line) }),
    read: () => {
      const text = readFileSync(file, 'utf8')
      return Promise.resolve(readTrust(text, { file, env: {}, readFile: () => '' }))
    },
    take: (trust: Trust) => {
      taken.push(trust.gateway?.realm)
      return []
    },
    ...options,
  })
  t.after(() => watching.close())
  return {
    file,
    taken,
    log: () => lines.join(''),
    close: () => watching.close(),
    async until(event: string) {
      const end = Date.now() + 60_000
      while (!lines.some((line) => line.includes(`"event":"${event}"`))) {
        if (Date.now() > end) assert.fail(`no ${event}: ${lines.join('')}`)
        await new Promise((resolve) => setTimeout(resolve, 5))
      }
    },
  }
}

function newFolder(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'countersign-watch-'))
  t.after(() => rmSync(folder, { recursive: true }))
  return folder
}
