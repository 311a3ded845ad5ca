import assert from 'node:assert/strict'
import { test } from 'node:test'
import { countersign } from '../../test/cli/session.ts'
import { testExample } from '../example.ts'

testExample('node')

test('countersign.ts says what trust.yaml says', async () => {
  const { code, stderr } = await countersign(['types', '--config', 'trust.yaml', '--check'], {
    cwd: import.meta.dirname,
  })
  assert.equal(code, 0, stderr)
})
