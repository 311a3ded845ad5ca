import { test } from 'node:test'
import assert from 'node:assert/strict'
import { matchesOutput, readShellBlocks, tokenText } from './readme-blocks.ts'

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

test('a token is known by its beginning and by its dots, and a random identifier is none', () => {
  const part = (members: object): string => Buffer.from(JSON.stringify(members)).toString('base64url')
  const header = part({ alg: 'ES256', kid: 'k' })
  const claims = part({ any: 1 })
  for (const text of [header, `${claims}.`, `x.${claims}`, `"${header}.${claims}.abc"`, part({ iss: 'i' })])
    assert.match(text, tokenText)
  assert.doesNotMatch('{"tokenId":"eyJ3-heyJudeeyJ","at":"1.2"}', tokenText)
})
