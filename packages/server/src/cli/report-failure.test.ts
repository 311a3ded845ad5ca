import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Problem } from '@countersign/sdk/core'
import { TrustMistakes } from './find-trust.ts'
import { reportFailure } from './report-failure.ts'

test('what is wrong and what next, never a stack', () => {
  const { code, said, printed } = reported(new Problem('port-taken', 'it is taken', { next: 'take another' }))
  assert.deepEqual([code, said, printed], [1, 'countersign: it is taken\n  next: take another', ''])
})

test('a defect of ours is called one', () => {
  const { code, said } = reported(new TypeError('x is not a function'))
  assert.equal(code, 1)
  assert.match(
    said,
    /^countersign: a defect in countersign: TypeError: x is not a function\n {2}next: please report it/,
  )
  assert.ok(!said.includes(' at '))
})

test('every mistake of a trust file', () => {
  const mistakes = [{ path: 'a', line: 1, column: 2, message: 'wrong' }]
  const error = new TrustMistakes({ path: '/x/c.yaml', name: 'c.yaml', chosenBy: 'default' }, mistakes, {
    cwd: '/x',
  })
  const { code, said } = reported(error)
  assert.deepEqual([code, said], [3, 'countersign: c.yaml has a mistake\nc.yaml:1:2: a: wrong'])
  assert.deepEqual(JSON.parse(reported(error, true).printed), {
    error: { code: 'trust-invalid', message: 'c.yaml has a mistake', file: 'c.yaml', mistakes },
  })
})

function reported(error: unknown, json = false) {
  const said: string[] = []
  const printed: string[] = []
  const terminal = {
    print: (text: string) => void printed.push(text),
    say: (text: string) => void said.push(text),
    paint: (_: string, text: string) => text,
    isTerminal: false,
    inputIsTerminal: false,
    readInput: () => Promise.resolve(''),
  }
  const code = reportFailure(error, terminal, json)
  return { code, said: said.join('\n'), printed: printed.join('\n') }
}
