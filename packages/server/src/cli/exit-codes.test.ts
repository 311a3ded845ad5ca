import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { Problem } from '@countersign/sdk/core'
import { exitCodeOf, exitCodes } from './exit-codes.ts'

test('what is thrown ends with the code of its kind', () => {
  const cases: [problem: string, code: number][] = [
    ['usage', 2],
    ['trust-missing', 3],
    ['trust-invalid', 3],
    ['keys-unavailable', 4],
    ['token-unavailable', 4],
    ['token-refused', 5],
    ['port-taken', 1],
  ]
  for (const [code, expected] of cases) assert.equal(exitCodeOf(new Problem(code, 'x')), expected, code)
  assert.equal(exitCodeOf(new Error('x')), 1)
  assert.equal(exitCodeOf('x'), 1)
})

test('the documentation lists exactly these codes', () => {
  const text = readFileSync(join(import.meta.dirname, '../../../../docs/exit-codes.md'), 'utf8')
  const listed = [...text.matchAll(/^\| (\d) /gm)].map(([, code]) => Number(code))
  assert.deepEqual(listed, Object.values(exitCodes))
})
