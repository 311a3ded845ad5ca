import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { mistakesText } from './mistake.ts'
import { rateLimit } from './rate-limit.ts'
import { openReading } from './reading.ts'

describe('rates', () => {
  test('how many in which time', () => {
    assert.deepEqual(read('100/s'), { perSecond: 100, burst: 100 })
    assert.deepEqual(read('600/m'), { perSecond: 10, burst: 600 })
    assert.deepEqual(read('3600/h'), { perSecond: 1, burst: 3600 })
  })

  for (const value of [
    '',
    '0/s',
    '100',
    '/s',
    '100/d',
    '-1/s',
    '1.5/s',
    '100 / s',
    '01/s',
    '99999999/s',
    100,
  ]) {
    test(`not ${JSON.stringify(value)}`, () => assert.match(String(read(value)), /expected a rate such as/))
  }
})

function read(value: string | number): unknown {
  const reading = openReading({ file: 'x.yaml', env: {}, readFile: () => '' })
  const place = { line: 1, column: 1 }
  const rate = rateLimit().read(
    { tree: { kind: 'scalar', value, place, keyPlace: place }, path: ['limit'] },
    reading,
  )
  return reading.mistakes.length === 0 ? rate : mistakesText('x.yaml', reading.mistakes)
}
