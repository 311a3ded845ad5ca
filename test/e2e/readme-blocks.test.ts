import { test } from 'node:test'
import assert from 'node:assert/strict'
import { matchesOutput, readShellBlocks } from './readme-blocks.ts'

test('commands are paired with what follows as their output', () => {
  const markdown = [
    '# Title',
    '```sh',
    'one',
    '```',
    'which prints',
    '```text',
    'first',
    '```',
    '```sh',
    'two',
    '```',
    '## Next',
    '```text',
    'not of two',
    '```',
    '```ts',
    'code',
    '```',
  ].join('\n')
  assert.deepEqual(readShellBlocks(markdown), [
    { line: 2, command: 'one', output: 'first' },
    { line: 9, command: 'two', output: undefined },
  ])
})

test('an ellipsis stands for anything on its line, everything else for itself', () => {
  assert.ok(matchesOutput('{"a":1,"b":"x.y"}\n', '{"a":…,"b":"x.y"}'))
  assert.ok(!matchesOutput('{"a":1,"b":"x-y"}', '{"a":…,"b":"x.y"}'))
  assert.ok(!matchesOutput('one\ntwo', 'one…'))
  assert.ok(!matchesOutput('Super Secret Information and more', 'Super Secret Information'))
})
