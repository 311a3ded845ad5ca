import { test } from 'node:test'
import assert from 'node:assert/strict'
import { constants, createPublicKey, publicEncrypt, randomBytes } from 'node:crypto'
import { deflateRawSync } from 'node:zlib'
import { CompactEncrypt, EncryptJWT, UnsecuredJWT, importJWK } from 'jose'
import { inspectToken } from '@countersign/sdk/jwt'
import { attack } from './attack.ts'
import {
  accepts,
  claims,
  encode,
  forge,
  pair,
  publicJwkOf,
  refuses,
  scene,
  signed,
  signedBy,
} from './stage.ts'
import type { Pair } from './stage.ts'

// Nothing is ever decrypted here, so all that can be asked is that it stays so, at no cost.

test('the honest token passes, the encrypted ones below are real', async () => {
  const { verifier, honest } = scene('RS256')
  await accepts(verifier, honest)
  assert.equal(
    (await encrypted(pair('RS256'), 'RSA-OAEP-256', JSON.stringify(claims()))).split('.').length,
    5,
  )
})

attack(55, 'a billion hashes (PBES2 p2c)', async () => {
  const { own, verifier, honest } = scene()
  await accepts(verifier, honest)
  const started = performance.now()
  for (const alg of ['PBES2-HS256+A128KW', 'PBES2-HS384+A192KW', 'PBES2-HS512+A256KW']) {
    const header = {
      alg,
      enc: 'A128GCM',
      p2c: 2 ** 31 - 1,
      p2s: encode(randomBytes(16)),
      typ: 'at+jwt',
      kid: own.kid,
    }
    const parts = [
      encode(header),
      encode(randomBytes(40)),
      encode(randomBytes(12)),
      encode('x'),
      encode(randomBytes(16)),
    ]
    await refuses(verifier, parts.join('.'), 'token-malformed')
    // In three parts and with a good signature it is no known algorithm; with a known one it is still not signed.
    await refuses(verifier, forge(header, claims(), signedBy(own, 'ES256')), 'algorithm-mismatch')
    await refuses(verifier, signed(own, {}, { ...header, alg: 'ES256' }), 'token-malformed')
    assert.match(inspectToken(parts.join('.')).problems[0]!, /encrypted/)
  }
  // Any one of them would take many minutes; a machine that pauses takes seconds.
  assert.ok(performance.now() - started < 30_000, 'something was hashed')
})

attack(56, 'a decompression bomb', async () => {
  const { own, verifier, honest } = scene()
  await accepts(verifier, honest)
  // Zeros deflate to a thousandth: ten kilobytes that would be ten megabytes.
  const bomb = deflateRawSync(Buffer.alloc(10 << 20))
  assert.ok(bomb.length < 11_000)
  const header = { alg: 'dir', enc: 'A128GCM', zip: 'DEF' }
  const five = [encode(header), '', encode(randomBytes(12)), encode(bomb), encode(randomBytes(16))].join('.')
  const before = process.memoryUsage().rss
  for (let round = 0; round < 50; round++) {
    await refuses(verifier, five, 'token-malformed')
    await refuses(verifier, signed(own, bomb, { zip: 'DEF' }), 'token-malformed')
    await refuses(verifier, signed(own, bomb), 'token-malformed')
  }
  assert.ok(process.memoryUsage().rss - before < 256 << 20, 'something was unpacked')
})

attack(57, 'an encrypted token passes for a signed one', async () => {
  const own = pair('RS256')
  const { verifier, honest } = scene('RS256')
  await accepts(verifier, honest)
  // Whoever has the public key can encrypt to it: that proves nothing about who did.
  const unsigned = new UnsecuredJWT(claims()).encode()
  const nested = await encrypted(own, 'RSA-OAEP-256', unsigned, { cty: 'JWT', typ: 'at+jwt', kid: own.kid })
  const bare = await new EncryptJWT(claims())
    .setProtectedHeader({ alg: 'RSA-OAEP-256', enc: 'A256GCM', typ: 'at+jwt', kid: own.kid })
    .encrypt(await importJWK(publicJwkOf(own) as { kty: string }, 'RSA-OAEP-256'))
  for (const token of [nested, bare, await encrypted(own, 'RSA-OAEP', honest, { cty: 'JWT' })]) {
    assert.equal(token.split('.').length, 5)
    await refuses(verifier, token, 'token-malformed')
    // Its first three parts, and an honest signature at its end.
    await refuses(verifier, token.split('.').slice(0, 3).join('.'), 'algorithm-mismatch')
    await refuses(
      verifier,
      `${token.split('.').slice(0, 2).join('.')}.${honest.split('.')[2]}`,
      'algorithm-mismatch',
    )
  }
})

attack(58, 'a text that is both compact and JSON', async () => {
  const { verifier, honest } = scene()
  await accepts(verifier, honest)
  const [head, payload, signature] = honest.split('.') as [string, string, string]
  const theirs = encode(claims({ sub: 'admin' }))
  for (const text of [
    // Of the CVE: one library reads the JSON, another splits at the dots that its member names hold.
    `{"  ${head}.${theirs}.":"","protected":"${head}","payload":"${payload}","signature":"${signature}"}`,
    `{"${head}.${theirs}.${signature}":1}`,
    `{"protected":"${head}","payload":"${theirs}","signature":"${signature}"}`,
    `{"a":"${honest}"}`,
    `["${honest}"]`,
    `{${honest}}`,
    `{"x":"${head}.${payload}.${signature}`,
  ]) {
    await refuses(verifier, text, 'token-malformed')
  }
})

attack(59, 'padding oracles, invalid curves and crafted encrypted tokens', async () => {
  const rsa = pair('RS256')
  const ec = pair('ES256')
  const key = createPublicKey(rsa.key)
  const pkcs1 = publicEncrypt({ key, padding: constants.RSA_PKCS1_PADDING }, randomBytes(32))
  const { x, y, crv } = publicJwkOf(ec)
  const answers = new Set<string>()
  for (const { verifier, honest } of [scene('RS256'), scene('ES256')]) {
    await accepts(verifier, honest)
    for (const [header, wrapped] of [
      [{ alg: 'RSA1_5', enc: 'A128CBC-HS256' }, pkcs1],
      [{ alg: 'RSA1_5', enc: 'A128CBC-HS256' }, randomBytes(256)],
      [{ alg: 'RSA1_5', enc: 'A128GCM' }, Buffer.alloc(256)],
      [{ alg: 'ECDH-ES', enc: 'A128GCM', epk: { kty: 'EC', crv, x, y } }, Buffer.alloc(0)],
      [{ alg: 'ECDH-ES', enc: 'A128GCM', epk: { kty: 'EC', crv, x, y: x } }, Buffer.alloc(0)],
      [{ alg: 'ECDH-ES+A128KW', enc: 'A128GCM', epk: { kty: 'EC', crv, x: 'AA', y: 'AA' } }, randomBytes(24)],
      [{ alg: 'A128KW', enc: 'A128GCM' }, Buffer.alloc(0)],
      [{ alg: 'A128GCMKW', enc: 'A128GCM', iv: '', tag: '' }, Buffer.alloc(1)],
      [{ alg: 'dir', enc: 'A128CBC-HS256' }, Buffer.alloc(0)],
      [{ alg: 'none', enc: 'none' }, Buffer.alloc(0)],
    ] as const) {
      for (const [iv, text, tag] of [
        [randomBytes(16), randomBytes(32), randomBytes(16)],
        [randomBytes(12), Buffer.alloc(0), Buffer.alloc(0)],
        [Buffer.alloc(0), randomBytes(15), randomBytes(17)],
      ] as const) {
        const token = [header, wrapped, iv, text, tag].map((part) => encode(part)).join('.')
        await refuses(verifier, token, 'token-malformed')
        answers.add(JSON.stringify(verifier.verifyNow(token)))
      }
    }
  }
  // One answer for all of them, so there is nothing to learn from asking.
  assert.equal(answers.size, 1)
})

async function encrypted(own: Pair, alg: string, text: string, header: object = {}): Promise<string> {
  return new CompactEncrypt(Buffer.from(text))
    .setProtectedHeader({ alg, enc: 'A128CBC-HS256', ...header })
    .encrypt(await importJWK(publicJwkOf(own) as { kty: string }, alg))
}
