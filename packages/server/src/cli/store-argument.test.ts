import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { inspect } from 'node:util'
import { isProblem } from '@countersign/sdk/core'
import type { StoreSettings } from '../trust/trust.ts'
import { readStoreArgument } from './store-argument.ts'

const folder = mkdtempSync(join(tmpdir(), 'countersign-store-argument-'))
after(() => rmSync(folder, { recursive: true, force: true }))
const url = 'postgres://u:hush@db.acme.example/countersign'
writeFileSync(join(folder, 'url'), `${url}\n`)
writeFileSync(join(folder, 'nonsense'), 'hush\n')
const env = { DB: url, ELSEWHERE_FILE: 'url', EMPTY: '', NONSENSE: 'hush', LITE: 'sqlite:b.db' }
const read = (argument: string): StoreSettings => readStoreArgument({ env, cwd: folder }, argument)

test('a store is named as in the trust file, or by where its URL is', () => {
  assert.deepEqual(read('sqlite:a.db'), { kind: 'sqlite', path: join(folder, 'a.db') })
  assert.deepEqual(read('env:LITE'), { kind: 'sqlite', path: join(folder, 'b.db') })
  for (const argument of ['env:DB', 'env:ELSEWHERE', 'file:url']) {
    const settings = read(argument)
    assert.equal(settings.kind === 'postgres' && settings.url.revealText(), url, argument)
  }
  const plain = read('postgres://u@db.acme.example/countersign')
  assert.equal(plain.kind, 'postgres')
})

for (const [argument, message] of [
  [url, /^a password never stands in a command line/],
  ['postgres://db.acme.example/c?password=hush', /^a password never stands/],
  ['env:UNSET', /^env:UNSET: the environment variable is not set$/],
  ['env:EMPTY', /^env:EMPTY: the environment variable is not set$/],
  ['env:NONSENSE', /^env:NONSENSE: expected memory:, sqlite:path or/],
  ['file:nonsense', /^file:nonsense: expected memory:, sqlite:path or/],
  ['file:nowhere', /^file:nowhere: the file cannot be read$/],
  ['countersign.db', /^expected memory:, sqlite:path or .*, got "countersign\.db"$/],
] as const) {
  test(`refused: ${argument.replace(/hush/, '…')}`, () => {
    assert.throws(
      () => read(argument),
      (error) => {
        assert.ok(isProblem(error) && error.code === 'usage')
        assert.match(error.message, message)
        assert.doesNotMatch(inspect(error), /hush/)
        return true
      },
    )
  })
}
