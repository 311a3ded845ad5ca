import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Context } from './context.ts'
import { printRing } from './key-ring-view.ts'

test('a line a key, with what comes next', () => {
  const lines: string[] = []
  const context = {
    json: false,
    terminal: { print: (text: string) => void lines.push(text) },
  } as unknown as Context
  const common = { algorithm: 'ES256', activeFrom: 'T1' }
  printRing(context, {
    keys: [
      { ...common, id: 'a', state: 'retired', retiredBecause: 'removed' },
      { ...common, id: 'b', state: 'active', until: 'T2' },
      { ...common, id: 'c\u001b', state: 'announced', until: 'T1' },
    ],
  })
  assert.deepEqual(lines, [
    'a  ES256  retired  removed',
    'b  ES256  active  until T2',
    'c\\u001b  ES256  announced  signs from T1',
  ])
})
