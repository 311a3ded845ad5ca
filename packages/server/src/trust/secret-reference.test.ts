import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { Secret } from '@countersign/sdk/core'
import { mistakesText } from './mistake.ts'
import { openReading } from './reading.ts'
import { loadSecret, secretReference, strongEnough } from './secret-reference.ts'
import { readTree } from './tree.ts'

const env = { A: 'secret-a', BOTH: 'x', BOTH_FILE: 'y', MOUNTED_FILE: '/run/secrets/m', EMPTY: '' }
const files: Record<string, string> = {
  '/run/secrets/m': 'mounted\n',
  '/run/secrets/two': 'a\n\n',
  '/run/secrets/none': '\n',
}

describe('where a secret comes from', () => {
  test('a variable, as it is', () => assert.equal(load('{ env: A }').secret, 'secret-a'))
  test('the file that NAME_FILE names', () => assert.equal(load('{ env: MOUNTED }').secret, 'mounted'))
  test('a file, without its last line break', () =>
    assert.equal(load('{ file: /run/secrets/two }').secret, 'a\n'))
})

describe('what is wrong is said without repeating what stands there', () => {
  const wrong: [yaml: string, message: string][] = [
    [
      'hunter2',
      'f:1:1: a secret never stands in the trust file\n    next: name where it is instead: { env: NAME } or { file: path }; and replace the secret, it has been written down',
    ],
    [
      '12345678',
      'f:1:1: a secret never stands in the trust file\n    next: name where it is instead: { env: NAME } or { file: path }; and replace the secret, it has been written down',
    ],
    ['[hunter2]', 'f:1:1: expected { env: NAME } or { file: path }, got a list'],
    ['~', 'f:1:1: expected { env: NAME } or { file: path }, got nothing'],
    [
      '{ env: hunter2 }',
      'f:1:8: env: expected the name of an environment variable: capital letters, digits and _',
    ],
    [
      '{ env: 7 }',
      'f:1:8: env: expected a text, got the number 7\n    next: put it in quotes if it is meant as text',
    ],
    ['{ evn: A }', 'f:1:3: evn: unknown key "evn"\n    next: did you mean "env"?'],
    ['{ env: A, file: b }', 'f:1:1: expected exactly one of env and file'],
    ['{}', 'f:1:1: expected exactly one of env and file'],
    [
      '{ env: UNSET }',
      'f:1:1: the environment variable UNSET is not set\n    next: set UNSET, or UNSET_FILE to the path of a file that holds it',
    ],
    [
      '{ env: EMPTY }',
      'f:1:1: the environment variable EMPTY is not set\n    next: set EMPTY, or EMPTY_FILE to the path of a file that holds it',
    ],
    ['{ env: BOTH }', 'f:1:1: BOTH and BOTH_FILE are both set\n    next: unset one of them'],
    [
      '{ file: /nowhere }',
      'f:1:1: cannot read the file /nowhere (ENOENT)\n    next: check the path, which begins at the folder of the trust file',
    ],
    [
      '{ file: /run/secrets/none }',
      'f:1:1: the file /run/secrets/none is empty\n    next: put the secret into it',
    ],
    ['{ file: "" }', 'f:1:9: file: expected the path of a file'],
  ]
  for (const [yaml, message] of wrong) test(yaml, () => assert.equal(load(yaml).mistakes, message))
})

test('a weak secret is refused with the rule and how to make a better one', () => {
  const reading = openReading({ file: 'f', env: {}, readFile: () => '' })
  const parsed = readTree('x: 1')
  const spot = { tree: parsed.kind === 'tree' ? parsed.tree : assert.fail(), path: ['p'] }
  const rule = { bytes: 32, why: 'a key needs 32' }
  assert.ok(strongEnough(Secret.fromText('x'.repeat(32)), rule, spot, reading))
  assert.ok(!strongEnough(Secret.fromText('x'.repeat(31)), rule, spot, reading))
  assert.equal(
    mistakesText('f', reading.mistakes),
    'f:1:1: p: the secret has 31 bytes; a key needs 32\n    next: make one with `openssl rand -base64 32`',
  )
})

function load(yaml: string): { secret: string | undefined; mistakes: string } {
  const parsed = readTree(yaml)
  if (parsed.kind === 'mistakes') return assert.fail(mistakesText('f', parsed.mistakes))
  const readFile = (path: string): string => {
    const content = files[path]
    if (content === undefined) throw Object.assign(new Error(path), { code: 'ENOENT' })
    return content
  }
  const reading = openReading({ file: 'f', env, readFile })
  const reference = secretReference().read({ tree: parsed.tree, path: [] }, reading)
  const secret = reference === undefined ? undefined : loadSecret(reference, reading)
  return { secret: secret?.revealText(), mistakes: mistakesText('f', reading.mistakes) }
}
