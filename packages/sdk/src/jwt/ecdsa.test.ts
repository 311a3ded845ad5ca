import assert from 'node:assert/strict'
import { createPublicKey, generateKeyPairSync, sign, verify } from 'node:crypto'
import { test } from 'node:test'
import fc from 'fast-check'
import { derFromRaw, rawFromDer } from './ecdsa.ts'

const curves = [
  { name: 'P-256', width: 32, hash: 'sha256' },
  { name: 'P-384', width: 48, hash: 'sha384' },
  { name: 'P-521', width: 66, hash: 'sha512' },
] as const

for (const [raw, der] of [
  ['0102', '3006020101020102'],
  ['0000', '3006020100020100'],
  ['7f80', '300702017f02020080'],
  ['ffff', '3008020200ff020200ff'],
  ['00010002', '3006020101020102'],
  ['00ff0100', '3008020200ff02020100'],
] as const) {
  test(`${raw} is ${der}`, () => {
    assert.equal(Buffer.from(derFromRaw(Buffer.from(raw, 'hex'))).toString('hex'), der)
    assert.equal(rawFromDer(Buffer.from(der, 'hex'), raw.length / 4).toString('hex'), raw)
  })
}

for (const { name, width, hash } of curves) {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: name })

  test(`${name}: both forms of a signature verify, and become each other`, () => {
    for (let round = 0; round < 40; round++) {
      const text = Buffer.from(`text ${round}`)
      const raw = sign(hash, text, { key: privateKey, dsaEncoding: 'ieee-p1363' })
      assert.ok(verify(hash, text, publicKey, derFromRaw(raw)))
      const der = sign(hash, text, privateKey)
      assert.ok(verify(hash, text, { key: publicKey, dsaEncoding: 'ieee-p1363' }, rawFromDer(der, width)))
      assert.deepEqual(Buffer.from(derFromRaw(rawFromDer(der, width))), der)
      assert.deepEqual(rawFromDer(derFromRaw(raw), width), raw)
    }
  })

  test(`${name}: any r and s come back`, () => {
    fc.assert(
      fc.property(number(width), number(width), (r, s) => {
        const raw = Buffer.concat([r, s])
        const der = derFromRaw(raw)
        assert.deepEqual(rawFromDer(der, width), raw)
        // The lengths in it are those of DER (X.690 §8.1.3, §8.3.2): short where possible, no needless zero byte.
        assert.equal(der[1] === 0x81 ? der[2]! + 3 : der[1]! + 2, der.length)
        assert.ok(der[1] !== 0x81 || der[2]! > 127)
      }),
    )
  })

  test(`${name}: verifying by DER is verifying by r and s, for right and for wrong ones`, () => {
    const text = Buffer.from('text')
    const right = sign(hash, text, { key: privateKey, dsaEncoding: 'ieee-p1363' })
    const p1363 = {
      key: createPublicKey(publicKey.export({ type: 'spki', format: 'pem' })),
      dsaEncoding: 'ieee-p1363',
    } as const
    const half = fc.oneof(number(width), fc.constantFrom(right.subarray(0, width), right.subarray(width)))
    fc.assert(
      fc.property(half, half, (r, s) => {
        const raw = Buffer.concat([r, s])
        const expected = verify(hash, text, p1363, raw)
        assert.equal(verify(hash, text, publicKey, derFromRaw(raw)), expected)
        assert.equal(expected, raw.equals(right))
      }),
      { numRuns: 60, examples: [[right.subarray(0, width), right.subarray(width)]] },
    )
  })
}

/** A number of a signature as it stands in r‖s: random, or with leading zero or one bits. */
function number(width: number): fc.Arbitrary<Buffer> {
  const zeros = fc.integer({ min: 0, max: width })
  const fill = fc.constantFrom(0x00, 0x01, 0x7f, 0x80, 0xff)
  return fc
    .tuple(zeros, fc.option(fill), fc.uint8Array({ minLength: width, maxLength: width }))
    .map(([count, byte, random]) => {
      const bytes = Buffer.from(byte === null ? random : random.fill(byte))
      return bytes.fill(0, 0, count)
    })
}
