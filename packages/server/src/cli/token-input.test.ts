import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isProblem } from '@countersign/sdk/core'
import { readToken } from './token-input.ts'

test('itself, from standard input, from the environment', async () => {
  assert.equal(await readToken('a.b.c', context()), 'a.b.c')
  assert.equal(await readToken('Bearer a.b.c', context()), 'a.b.c')
  assert.equal(await readToken('-', context('\n Bearer  a.b.c \n')), 'a.b.c')
  assert.equal(await readToken(undefined, context('a.b.c\n')), 'a.b.c')
  assert.equal(await readToken('env', context()), 'from.env.x')
})

test('nothing there, or several things', async () => {
  const isUsage = (error: unknown): boolean => isProblem(error) && error.code === 'usage'
  await assert.rejects(readToken(undefined, context('')), isUsage)
  await assert.rejects(readToken('-', context('a b')), isUsage)
  await assert.rejects(readToken('env', { ...context(), env: {} }), isUsage)
})

test('nobody is kept waiting for what they do not know they should type', async () => {
  const { terminal, env } = context()
  const endless = {
    ...terminal,
    inputIsTerminal: true,
    readInput: () => new Promise<string>(() => undefined),
  }
  await assert.rejects(readToken(undefined, { ...context(), terminal: endless, env }), (error) =>
    isProblem(error),
  )
})

function context(input = '') {
  const terminal = {
    print: () => undefined,
    say: () => undefined,
    paint: (_: string, text: string) => text,
    isTerminal: false,
    inputIsTerminal: false,
    readInput: () => Promise.resolve(input),
  }
  return { terminal, env: { COUNTERSIGN_TOKEN: 'from.env.x' }, cwd: '.', json: false, config: undefined }
}
