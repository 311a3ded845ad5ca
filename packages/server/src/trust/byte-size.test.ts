import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { byteSize } from './byte-size.ts'
import { mistakesText } from './mistake.ts'
import { openReading } from './reading.ts'

describe('sizes', () => {
  test('a number and its unit', () => {
    assert.deepEqual(['1KiB', '64KiB', '10MiB', '2GiB'].map(read), [1024, 65_536, 10_485_760, 2_147_483_648])
  })

  for (const value of [
    '',
    '0KiB',
    '10',
    'MiB',
    '10MB',
    '10mib',
    '1.5MiB',
    '-1KiB',
    '01KiB',
    '9999999KiB',
    10,
  ]) {
    test(`not ${JSON.stringify(value)}`, () => assert.match(String(read(value)), /expected a size such as/))
  }
})

function read(value: string | number): unknown {
  const reading = openReading({ file: 'x.yaml', env: {}, readFile: () => '' })
  const place = { line: 1, column: 1 }
  const tree = { kind: 'scalar', value, place, keyPlace: place } as const
  const size = byteSize().read({ tree, path: ['bodyLimit'] }, reading)
  return reading.mistakes.length === 0 ? size : mistakesText('x.yaml', reading.mistakes)
}
