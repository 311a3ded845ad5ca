import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { silentLog } from '../log.ts'
import { createMemoryStore } from '../store/memory.ts'
import { openBootstrapCode } from './bootstrap-code.ts'

const folder = mkdtempSync(join(tmpdir(), 'countersign-code-'))
after(() => rmSync(folder, { recursive: true, force: true }))
const trust = { clients: new Map() }
const open = (file: string, log = silentLog) =>
  openBootstrapCode({ file, trust, store: createMemoryStore(), log })

test('the code is in a file of its owner’s alone, good once, and gone with the process', async () => {
  const file = join(folder, 'a')
  writeFileSync(file, 'from before', { mode: 0o644 })
  const code = await open(file)
  assert.equal(statSync(file).mode & 0o777, 0o600)
  const text = readFileSync(file, 'utf8').trim()
  assert.match(text, /^[A-Za-z0-9]{44}$/)
  assert.equal(code.fits(`${text}x`), false)
  assert.equal(code.fits(text), true)
  code.useUp()
  assert.equal(code.fits(text), false)
  assert.ok(!existsSync(file))
  const next = await open(file)
  assert.ok(existsSync(file))
  next.close()
  assert.ok(!existsSync(file))
})

test('a link that somebody has put there is replaced, not followed', async () => {
  const [link, target] = [join(folder, 'link'), join(folder, 'target')]
  writeFileSync(target, 'untouched')
  symlinkSync(target, link)
  const code = await open(link)
  assert.equal(readFileSync(target, 'utf8'), 'untouched')
  code.close()
})

test('where no file can be written there is no code, and it is said', async () => {
  const warned: string[] = []
  const warn = (event: string): void => void warned.push(event)
  const code = await open(join(folder, 'no', 'such', 'folder'), { ...silentLog, warn })
  assert.deepEqual(warned, ['admin.bootstrap-failed'])
  assert.equal(code.fits(''), false)
})
