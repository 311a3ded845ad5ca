import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { bytesField, fieldsOf, numberField } from './protobuf.ts'

test('the encodings of the format’s own documentation', () => {
  assert.equal(numberField(1, 150).toString('hex'), '089601')
  assert.equal(bytesField(2, 'testing').toString('hex'), '120774657374696e67')
  assert.deepEqual(
    [...fieldsOf(Buffer.from('089601120774657374696e67', 'hex'))],
    [
      { number: 1, value: 150, bytes: undefined },
      { number: 2, value: undefined, bytes: Buffer.from('testing') },
    ],
  )
})

test('fields of fixed length are passed over', () => {
  const message = Buffer.concat([
    Buffer.from([0x09, 1, 2, 3, 4, 5, 6, 7, 8, 0x0d, 1, 2, 3, 4]),
    numberField(3, 7),
  ])
  assert.deepEqual([...fieldsOf(message)], [{ number: 3, value: 7, bytes: undefined }])
})

for (const [name, hex] of [
  ['a number that does not end', '08ffffffffffffffffffff01'],
  ['a number cut off', '0896'],
  ['a length beyond the end', '12ff01'],
  ['a field without a number', '0001'],
  ['groups, which are gone', '0b0c'],
  ['a fixed field cut off', '0901'],
] as const) {
  test(`refused: ${name}`, () => {
    assert.throws(() => [...fieldsOf(Buffer.from(hex, 'hex'))], RangeError)
  })
}

test('property: what is written is read, and noise is read or refused but never more', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 1000 }),
      fc.nat(),
      fc.uint8Array({ maxLength: 300 }),
      (number, value, noise) => {
        const bytes = Buffer.from(noise)
        const message = Buffer.concat([numberField(number, value), bytesField(number, bytes)])
        assert.deepEqual(
          [...fieldsOf(message)],
          [
            { number, value, bytes: undefined },
            { number, value: undefined, bytes },
          ],
        )
        try {
          for (const field of fieldsOf(bytes)) assert.ok(field.number > 0)
        } catch (error) {
          assert.ok(error instanceof RangeError)
        }
      },
    ),
  )
})
