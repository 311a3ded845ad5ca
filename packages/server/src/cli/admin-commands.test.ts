import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createProgram } from './program.ts'
import type { Terminal } from './terminal.ts'

test('what the admin API does can be typed', () => {
  const program = createProgram({} as Terminal, () => assert.fail('not used here'))
  const below = (name: string): string[] =>
    program.commands.find((command) => command.name() === name)?.commands.map((command) => command.name()) ??
    []
  assert.deepEqual(below('clients'), ['list', 'show', 'add', 'rotate-secret', 'disable', 'enable', 'remove'])
  assert.deepEqual(below('keys'), ['list', 'rotate', 'remove', 'import'])
  assert.deepEqual(below('audit'), ['list', 'verify', 'export'])
})
