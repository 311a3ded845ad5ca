import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { pathToFileURL } from 'node:url'
import { bin, countersign, playSession } from '../../../../test/cli/session.ts'

const folder = mkdtempSync(join(tmpdir(), 'countersign-main-'))
after(() => rmSync(folder, { recursive: true }))

test('typed wrong', async () => {
  await playSession(join(import.meta.dirname, 'golden/usage.txt'), { cwd: folder })
})

test('help is a result, and ends well', async () => {
  for (const args of [['--help'], ['help'], ['help', 'serve'], ['serve', '--help'], ['keys', '--help']]) {
    const { stdout, stderr, code } = await countersign(args, { cwd: folder })
    assert.deepEqual([code, stderr, stdout.startsWith('Usage: countersign')], [0, '', true], args.join(' '))
  }
})

test('without a command the help is talk, and it ends as typed wrong', async () => {
  const { stdout, stderr, code } = await countersign([], { cwd: folder })
  assert.deepEqual([code, stdout, stderr.startsWith('Usage: countersign')], [2, '', true])
})

test('an old Node gets a sentence', () => {
  const script = `Object.defineProperty(process.versions, 'node', { value: '20.1.0' }); await import('${pathToFileURL(bin).href}')`
  const { status, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', script], {
    encoding: 'utf8',
  })
  assert.equal(status, 1)
  assert.match(stderr, /^countersign: needs Node\.js 24 or newer; this is 20\.1\.0\n {2}next: .*\n$/)
})

test('help loads no parser, no server and no cryptography', () => {
  const script = `
    import { registerHooks } from 'node:module'
    const loaded = []
    registerHooks({ load: (url, context, next) => { loaded.push(url); return next(url, context) } })
    process.argv = [process.argv[0], 'countersign', '--help']
    await import('${pathToFileURL(bin).href}')
    console.error(loaded.filter((url) => /node_modules/.test(url) && !/commander/.test(url)).join(' '))
    console.error(loaded.filter((url) => /server\\/src/.test(url)).length)`
  const { stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', script], { encoding: 'utf8' })
  const [packages, ownFiles] = stderr.trimEnd().split('\n')
  assert.equal(packages, '')
  assert.ok(Number(ownFiles) < 10, `${ownFiles} files`)
})

test('what fails is also a JSON document where one was asked for', async () => {
  const { stdout, code } = await countersign(['check', '--json'], { cwd: folder })
  assert.equal(code, 3)
  assert.equal((JSON.parse(stdout) as { error: { code: string } }).error.code, 'trust-missing')
})

test('what was typed wrong is a JSON document as well', async () => {
  for (const [args, message] of [
    [['chekc', '--json'], "unknown command 'chekc'"],
    [['--json', 'serve', '--only', 'all'], /argument 'all' is invalid/],
    [['export', '--json'], 'a command is missing'],
  ] as const) {
    const { stdout, code } = await countersign(args, { cwd: folder })
    const { error } = JSON.parse(stdout) as { error: { code: string; message: string; next: string } }
    assert.equal(code, 2)
    assert.equal(error.code, 'usage')
    if (typeof message === 'string') assert.equal(error.message, message)
    else assert.match(error.message, message)
    assert.match(error.next, /\S/)
  }
})
