import assert from 'node:assert/strict'
import { globSync, readFileSync } from 'node:fs'
import { test } from 'node:test'
import { readTrust } from '../../packages/server/src/trust/read.ts'
import { openBash } from '../e2e/bash-session.ts'
import { matchesOutput, readShellBlocks } from '../e2e/readme-blocks.ts'
import { openAdminSession } from './admin.ts'
import { bin } from './session.ts'

const page = readFileSync(new URL('../../docs/admin.md', import.meta.url), 'utf8')

test('the commands of docs/admin.md print what it says, one after the other', async (t) => {
  const session = await openAdminSession({ bootstrapped: false })
  t.after(session.close)
  const bash = openBash({ PATH: process.env['PATH'], HOME: process.env['HOME'], NO_COLOR: '1' })
  t.after(() => bash.close())
  await bash.run(`cd '${session.folder}'; countersign() { '${process.execPath}' '${bin}' "$@"; }`)
  const blocks = readShellBlocks(page)
  assert.ok(blocks.length > 4)
  for (const { line, command, output } of blocks) {
    const played = await bash.run(command)
    assert.equal(played.code, 0, `line ${line}: ${played.output}`)
    if (output !== undefined)
      assert.ok(matchesOutput(played.output, output), `line ${line}: ${played.output}`)
  }
})

test('the trust files of docs/admin.md have no mistake', () => {
  const files = [...page.matchAll(/^```yaml\n([\s\S]*?)^```$/gm)].map((match) => match[1]!)
  assert.ok(files.length > 1)
  for (const text of files) {
    const env = { AUDITOR_SECRET: 'not-a-secret-'.repeat(3) }
    const read = readTrust(text, { file: 'admin.md', env, readFile: () => '' })
    assert.deepEqual(read.kind === 'mistakes' ? read.mistakes : read.warnings, [])
  }
})

test('docs/admin.md names every code of a refusal, and no other', () => {
  const room = new URL('../../packages/server/src/admin/', import.meta.url)
  const made = globSync('*.ts', { cwd: room })
    .filter((name) => !name.endsWith('.test.ts'))
    .map((name) => readFileSync(new URL(name, room), 'utf8'))
    .flatMap((text) => [...text.matchAll(/problem\(\s*(\d{3}),\s*'([a-z-]+)'/g)])
    .map(([, status, code]) => `${status} ${code}`)
  // These are Problems, which are told as they are.
  made.push('404 ring-key-unknown', '409 ring-key-refused')
  const named = [...page.matchAll(/^\| (\d{3}) +\| `([a-z-]+)`/gm)].map(
    ([, status, code]) => `${status} ${code}`,
  )
  assert.deepEqual(named.sort(), [...new Set(made)].sort())
})
