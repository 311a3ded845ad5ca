import assert from 'node:assert/strict'
import { test } from 'node:test'
import { generateSigningKey, privateJwk, publicJwk, verificationKey } from '@countersign/sdk/jwt'
import type { VerificationKey } from '@countersign/sdk/jwt'
import { publicKey } from './jwk-shape.ts'
import { openReading } from './reading.ts'
import { readTree } from './tree.ts'

const key = generateSigningKey('ES256')

test('a public key, as JSON or as YAML', () => {
  const jwk = publicJwk(key)
  const yaml = Object.entries(jwk)
    .map(([name, value]) => `${name}: ${JSON.stringify(value)}\n`)
    .join('')
  for (const text of [JSON.stringify(jwk), yaml]) {
    assert.ok(read(text).key?.equals(verificationKey(key)), text)
  }
})

test('without alg, where only one can be meant', () => {
  const { alg, use, ...bare } = publicJwk(key) as Record<string, unknown>
  assert.deepEqual([alg, use], ['ES256', 'sig'])
  assert.equal(read(JSON.stringify(bare)).key?.algorithm, 'ES256')
  const { alg: rs256, ...rsa } = publicJwk(generateSigningKey('RS256')) as Record<string, unknown>
  assert.equal(rs256, 'RS256')
  assert.match(read(JSON.stringify(rsa)).mistakes, /exactly one algorithm|no allowed algorithm/)
})

test('what is no public key is refused, and never repeated', () => {
  const secret = { kty: 'oct', alg: 'HS256', k: Buffer.alloc(32, 7).toString('base64url') }
  const wrong: [text: string, mistake: RegExp][] = [
    ['hello', /expected a public key as a JWK, got a text/],
    ['{ kty: EC }', /the key: /],
    [
      privateJwk(key).revealText(),
      /must not hold the private member.*make another key: this one has been written down/,
    ],
    [JSON.stringify(secret), /a shared secret is no public key|not allowed here/],
    [JSON.stringify({ ...publicJwk(key), use: 'enc' }), /"use" must be "sig"/],
  ]
  for (const [text, mistake] of wrong) {
    const { key: none, mistakes } = read(text)
    assert.equal(none, undefined)
    assert.match(mistakes, mistake)
    for (const hidden of [secret.k, String(JSON.parse(privateJwk(key).revealText()).d)]) {
      assert.ok(!mistakes.includes(hidden))
    }
  }
})

function read(text: string): { key: VerificationKey | undefined; mistakes: string } {
  const result = readTree(text)
  assert.ok(result.kind === 'tree')
  const reading = openReading({ file: 'f', env: {}, readFile: () => '' })
  const found = publicKey().read({ tree: result.tree, path: ['keys', 0] }, reading)
  return {
    key: found,
    mistakes: reading.mistakes.map(({ message, next }) => `${message} ${next}`).join('\n'),
  }
}
