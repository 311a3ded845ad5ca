import assert from 'node:assert/strict'
import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import type { Command } from 'commander'
import { createProgram } from './program.ts'

const unused = (): never => assert.fail('not used here')
const terminal = {
  print: unused,
  say: unused,
  paint: unused,
  readInput: unused,
  isTerminal: false,
  inputIsTerminal: false,
}
const program = createProgram(terminal, unused)

test('every command is explained in one line and has a module', () => {
  const modules = readdirSync(join(import.meta.dirname, 'commands')).filter(
    (name) => !name.endsWith('.test.ts'),
  )
  const names = leaves(program).map(({ path, command }) => {
    assert.match(command.description(), /^[a-z].{10,60}$/, path)
    for (const option of command.options)
      assert.match(option.description, /^\S.{5,90}$/, `${path} ${option.flags}`)
    return `${path.replaceAll(' ', '-')}.ts`
  })
  assert.deepEqual(names.sort(), modules.sort())
})

test('every command takes --json, --config and --env, because all do', () => {
  assert.deepEqual(
    program.options.map(({ long }) => long),
    ['--config', '--env', '--json', '--version'],
  )
})

test('no option takes a secret: the list of processes is public', () => {
  for (const { command } of leaves(program)) {
    const takesValue = command.options.filter((option) => option.required).map(({ flags }) => flags)
    assert.deepEqual(
      takesValue
        .filter((flags) => /secret|password/.test(flags) && !flags.startsWith('--secret-port'))
        .filter((flags) => !/-(env|file) </.test(flags)),
      [],
    )
  }
  assert.ok(existsSync(join(import.meta.dirname, 'commands/token.ts')))
})

function leaves(command: Command, path = ''): { path: string; command: Command }[] {
  const own = command.commands.flatMap((inner) => leaves(inner, `${path} ${inner.name()}`.trim()))
  // `demo` is a command and has one below it; these only group.
  const runs = !['', 'keys', 'clients', 'audit', 'export', 'store'].includes(path)
  return runs ? [{ path, command }, ...own] : own
}
