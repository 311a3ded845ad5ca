import assert from 'node:assert/strict'
import { createHmac, randomBytes } from 'node:crypto'
import { test } from 'node:test'
import fc from 'fast-check'
import { Hmac } from './hmac.ts'

const hashes = ['sha256', 'sha384', 'sha512'] as const

// RFC 4231 §4.2, §4.3, §4.7: a short key, a key shorter than the output, a key longer than a block.
for (const [key, message, macs] of [
  [
    Buffer.alloc(20, 0x0b),
    'Hi There',
    {
      sha256: 'b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7',
      sha384:
        'afd03944d84895626b0825f4ab46907f15f9dadbe4101ec682aa034c7cebc59cfaea9ea9076ede7f4af152e8b2fa9cb6',
      sha512:
        '87aa7cdea5ef619d4ff0b4241a1d6cb02379f4e2ce4ec2787ad0b30545e17cdedaa833b7d6b8a702038b274eaea3f4e4be9d914eeb61f1702e696c203a126854',
    },
  ],
  [
    Buffer.from('Jefe'),
    'what do ya want for nothing?',
    {
      sha256: '5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843',
      sha384:
        'af45d2e376484031617f78d2b58a6b1b9c7ef464f5a01b47e42ec3736322445e8e2240ca5e69e2c78b3239ecfab21649',
      sha512:
        '164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea2505549758bf75c05a994a6d034f65f8f0e6fdcaeab1a34d4a6b4b636e070a38bce737',
    },
  ],
  [
    Buffer.alloc(131, 0xaa),
    'Test Using Larger Than Block-Size Key - Hash Key First',
    {
      sha256: '60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54',
      sha384:
        '4ece084485813e9088d2c63a041bc5b44f9ef1012a2b588f3cd11f05033ac4c60c2ef6ab4030fe8296248df163f44952',
      sha512:
        '80b24263c7c1a3ebb71493c1dd7be8b49b46d1f41b4aeec1121b013783f8f3526b56d037e05f2598bd0fd2215d6a1e5295e64f73f63f0aec8b915a985d786598',
    },
  ],
] as const) {
  for (const hash of hashes) {
    test(`RFC 4231 with ${hash} and a key of ${key.length} bytes`, () => {
      assert.equal(Buffer.from(new Hmac(hash, key).mac(message), 'base64url').toString('hex'), macs[hash])
    })
  }
}

test('the same as node:crypto for every key and message', () => {
  fc.assert(
    fc.property(
      fc.constantFrom(...hashes),
      fc.uint8Array({ minLength: 1, maxLength: 300 }),
      fc.uint8Array({ maxLength: 500 }),
      (hash, key, message) => {
        const expected = createHmac(hash, key).update(message).digest('base64url')
        assert.equal(new Hmac(hash, key).mac(message), expected)
        assert.ok(new Hmac(hash, key).verifies(message, expected))
      },
    ),
  )
})

test('the same as node:crypto at the length of every buffer', () => {
  for (const hash of hashes) {
    const block = hash === 'sha256' ? 64 : 128
    for (const keyBytes of [block - 1, block, block + 1]) {
      const key = randomBytes(keyBytes)
      const hmac = new Hmac(hash, key)
      for (const length of [
        0,
        1,
        16 * 1024 - 1,
        16 * 1024,
        16 * 1024 + 128 - block,
        16 * 1024 + 129,
        100_000,
      ]) {
        const message = Buffer.alloc(length, 'm')
        const expected = createHmac(hash, key).update(message).digest('base64url')
        assert.equal(hmac.mac(message), expected)
        assert.equal(hmac.mac(message.toString('latin1')), expected)
      }
    }
  }
})

test('only the one text of the MAC is taken', () => {
  for (const hash of hashes) {
    const hmac = new Hmac(hash, randomBytes(64))
    const mac = hmac.mac('message')
    assert.ok(hmac.verifies('message', mac))
    assert.ok(!hmac.verifies('massage', mac))
    for (const other of ['', mac.slice(0, -1), `${mac}A`, `${mac}=`, ` ${mac.slice(1)}`, mac.toLowerCase()]) {
      assert.ok(!hmac.verifies('message', other), other)
    }
    for (let index = 0; index < mac.length; index++) {
      for (const character of ['A', '\u00e9', '\u0141', '\u{1f600}'.slice(0, 1), '\0']) {
        const other = mac.slice(0, index) + character + mac.slice(index + 1)
        if (other === mac) continue
        // The right one in between: nothing of it may be left over.
        assert.ok(hmac.verifies('message', mac))
        assert.ok(!hmac.verifies('message', other), `${hash}: ${JSON.stringify(character)} at ${index}`)
      }
    }
  }
})
