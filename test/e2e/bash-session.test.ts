import { after, test } from 'node:test'
import assert from 'node:assert/strict'
import { openBash } from './bash-session.ts'

test('commands share one shell; each gives its own output and exit code', async () => {
  const bash = openBash()
  after(() => bash.close())
  assert.deepEqual(await bash.run('WORD=hello'), { output: '', code: 0 })
  assert.deepEqual(await bash.run('echo "$WORD"'), { output: 'hello\n', code: 0 })
  assert.deepEqual(await bash.run('echo lost >&2; (exit 3)'), { output: 'lost\n', code: 3 })
  assert.deepEqual(await bash.run("printf 'no line break'"), { output: 'no line break', code: 0 })
})
