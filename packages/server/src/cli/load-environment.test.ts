import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { isProblem } from '@countersign/sdk/core'
import { loadEnvironment } from './load-environment.ts'

test('what is set already stays', (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'countersign-env-'))
  t.after(() => rmSync(folder, { recursive: true }))
  writeFileSync(join(folder, 'a.env'), '# comment\nA=file\nB="with blanks"\n')
  assert.deepEqual(loadEnvironment('a.env', folder, { A: 'set' }), { A: 'set', B: 'with blanks' })
  assert.throws(
    () => loadEnvironment('b.env', folder, {}),
    (error) => isProblem(error) && error.code === 'usage',
  )
})
