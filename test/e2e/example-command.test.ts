import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { root } from './demo-process.ts'
import { matchesOutput, readShellBlocks } from './readme-blocks.ts'

// One command plays an example from beginning to end. What it plays is also run by the example's own test.

const { scripts } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
  scripts: { example: string }
}

for (const name of ['express', 'chain', 'kubernetes']) {
  test(`npm run example ${name} prints what the README says, and leaves nothing behind`, () => {
    const { status, stdout } = play(name)
    assert.equal(status, 0)
    const answered = readShellBlocks(readFileSync(join(root, 'examples', name, 'README.md'), 'utf8')).filter(
      ({ output }) => output !== undefined,
    )
    assert.ok(answered.length > 0)
    for (const { command, output } of answered) {
      const [, behind] = stdout.split(`$ ${command}\n`)
      assert.ok(behind !== undefined, `${command}\n${stdout}`)
      const printed = behind.split('\n$ ')[0]!.split('\n')
      // A server of the example may have a line of its own in front.
      const last = printed.filter((line) => line !== '').slice(-output!.split('\n').length)
      assert.ok(matchesOutput(last.join('\n'), output!), stdout)
    }
  })
}

test('a name that is none is answered with those there are', () => {
  const { status, stderr } = play('exprss')
  assert.equal(status, 2)
  assert.match(stderr, /express, fastify/)
})

function play(name: string) {
  const [, ...command] = scripts.example.split(' ')
  return spawnSync(process.execPath, [...command, name], { cwd: root, encoding: 'utf8', timeout: 200_000 })
}
