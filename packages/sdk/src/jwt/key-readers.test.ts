import assert from 'node:assert/strict'
import { generateKeyPairSync, randomBytes } from 'node:crypto'
import { test } from 'node:test'
import { supportedAlgorithms } from './algorithms.ts'
import type { Algorithm } from './algorithms.ts'
import { jwkThumbprint } from './jwk.ts'
import {
  generateSigningKey,
  privateJwk,
  publicJwk,
  readJwk,
  readPrivateJwk,
  readPrivatePem,
  readPublicPem,
  readSecretKey,
  readSecretSigningKey,
  verificationKey,
} from './key-readers.ts'
import { Secret } from '../core/secret.ts'

const asymmetric = supportedAlgorithms().filter((algorithm) => !algorithm.startsWith('HS'))
const secret = new Secret(randomBytes(64))

for (const algorithm of asymmetric) {
  test(`${algorithm}: a new key goes through every form and stays itself`, () => {
    const key = generateSigningKey(algorithm)
    const signature = key.signs('text')
    const published = publicJwk(key)
    assert.equal(key.keyId, jwkThumbprint(published))
    assert.deepEqual(published, { ...published, kid: key.keyId, alg: algorithm, use: 'sig' })
    for (const member of ['d', 'p', 'q', 'dp', 'dq', 'qi', 'priv', 'k']) assert.ok(!(member in published))

    const again = readPrivateJwk(JSON.parse(privateJwk(key).revealText()))
    assert.equal(again.keyId, key.keyId)
    assert.equal(again.algorithm, algorithm)
    assert.deepEqual(publicJwk(again), published)
    for (const half of [verificationKey(key), verificationKey(again), readJwk(published)]) {
      assert.equal(half.keyId, key.keyId)
      assert.equal(half.algorithm, algorithm)
      assert.ok(half.verifies('text', signature))
      assert.ok(half.verifies('text', again.signs('text')))
      assert.ok(!half.isSymmetric)
    }
  })
}

for (const algorithm of ['HS256', 'HS384', 'HS512'] as const) {
  test(`${algorithm}: a secret signs and verifies, and is not published`, () => {
    const key = readSecretSigningKey(secret, { algorithm })
    assert.equal(key.keyId, '')
    const half = readSecretKey(secret, { algorithm, keyId: 'mine' })
    assert.ok(half.verifies('text', key.signs('text')))
    assert.ok(half.isSymmetric)
    assert.equal(verificationKey(key).keyId, undefined)
    assert.throws(() => publicJwk(key), { code: 'key-invalid' })
    assert.ok(!('kid' in JSON.parse(privateJwk(key).revealText())))
    assert.throws(() => readPrivateJwk(JSON.parse(privateJwk(key).revealText())), { code: 'key-invalid' })
  })

  test(`${algorithm}: a secret has the length of its hash at least`, () => {
    const least = Number(algorithm.slice(2)) / 8
    for (const read of [readSecretKey, readSecretSigningKey]) {
      read(new Secret(randomBytes(least)), { algorithm })
      for (const short of [least - 1, 8, 1]) {
        const weak = new Secret(randomBytes(short))
        assert.throws(() => read(weak, { algorithm }), { code: 'key-too-weak' })
        read(weak, { algorithm, dangerouslyAllowShortSecret: true })
        assert.throws(() => read(weak, { algorithm, dangerouslyAllowShortSecret: false }), {
          code: 'key-too-weak',
        })
        const truthy = { algorithm, dangerouslyAllowShortSecret: 'true' as unknown as boolean }
        assert.throws(() => read(weak, truthy), { code: 'key-too-weak' })
      }
      const empty = new Secret(new Uint8Array())
      assert.throws(() => read(empty, { algorithm, dangerouslyAllowShortSecret: true }), {
        code: 'key-too-weak',
      })
    }
    assert.equal(
      Buffer.from(JSON.parse(privateJwk(generateSigningKey(algorithm)).revealText()).k, 'base64url').length,
      least,
    )
  })
}

test('a secret is a Secret, for an HMAC algorithm, and no key file', () => {
  for (const wrong of ['x'.repeat(32), Buffer.alloc(32), undefined, null, {}]) {
    assert.throws(() => readSecretKey(wrong as unknown as Secret, { algorithm: 'HS256' }), {
      code: 'key-invalid',
    })
  }
  for (const algorithm of ['RS256', 'none', 'hs256', undefined] as unknown as Algorithm[]) {
    assert.throws(() => readSecretKey(secret, { algorithm }), { code: 'key-invalid' })
  }
  const { publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
  const pem = publicKey.export({ type: 'spki', format: 'pem' }).toString()
  for (const file of [
    pem,
    `\ufeff${pem}`,
    `\n  ${pem}`,
    `# key\n${pem}`,
    JSON.stringify(publicKey.export({ format: 'jwk' })),
  ]) {
    assert.throws(() => readSecretKey(Secret.fromText(file), { algorithm: 'HS256' }), { code: 'key-invalid' })
  }
})

const pairs = {
  rsa: pemsOf('rsa', { modulusLength: 2048 }),
  weak: pemsOf('rsa', { modulusLength: 1024 }),
  pss: pemsOf('rsa-pss', { modulusLength: 2048 }),
  p256: pemsOf('ec', { namedCurve: 'P-256' }),
  p384: pemsOf('ec', { namedCurve: 'P-384' }),
  p521: pemsOf('ec', { namedCurve: 'P-521' }),
  k256: pemsOf('ec', { namedCurve: 'secp256k1' }),
  numbers: pemsOf('ec', { namedCurve: 'P-256', paramEncoding: 'explicit' }),
  ed25519: pemsOf('ed25519'),
  ed448: pemsOf('ed448'),
  x25519: pemsOf('x25519'),
} as const
const fitting: Partial<Record<keyof typeof pairs, readonly Algorithm[]>> = {
  rsa: ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512'],
  p256: ['ES256'],
  p384: ['ES384'],
  p521: ['ES512'],
  ed25519: ['EdDSA', 'Ed25519'],
  ed448: ['EdDSA', 'Ed448'],
}

for (const [name, pems] of Object.entries(pairs)) {
  test(`PEM: a key of ${name} is for ${fitting[name as 'rsa']?.join(', ') ?? 'nothing'}, and no other algorithm`, () => {
    for (const algorithm of supportedAlgorithms()) {
      const read = (): boolean => {
        const key = readPrivatePem(Secret.fromText(pems.private), { algorithm })
        return readPublicPem(pems.public, { algorithm }).verifies('text', key.signs('text'))
      }
      if (fitting[name as 'rsa']?.includes(algorithm)) assert.ok(read(), algorithm)
      else {
        const refused = { code: name === 'weak' && /^[RP]S/.test(algorithm) ? 'key-too-weak' : 'key-invalid' }
        assert.throws(read, refused, algorithm)
        assert.throws(() => readPublicPem(pems.public, { algorithm }), refused, algorithm)
      }
    }
  })
}

test(
  'PEM: ML-DSA',
  { skip: supportedAlgorithms().includes('ML-DSA-65') ? false : 'not in this runtime' },
  () => {
    const pems = pemsOf('ml-dsa-65')
    const key = readPrivatePem(Secret.fromText(pems.private), { algorithm: 'ML-DSA-65' })
    assert.ok(readPublicPem(pems.public, { algorithm: 'ML-DSA-65' }).verifies('text', key.signs('text')))
    assert.throws(() => readPublicPem(pems.public, { algorithm: 'ML-DSA-44' }), { code: 'key-invalid' })
  },
)

test('PEM: names are given, or the thumbprint; a public key without one has none', () => {
  const pem = Secret.fromText(pairs.p256.private)
  const key = readPrivatePem(pem, { algorithm: 'ES256' })
  assert.equal(key.keyId, jwkThumbprint(publicJwk(key)))
  assert.equal(readPrivatePem(pem, { algorithm: 'ES256', keyId: 'k' }).keyId, 'k')
  assert.equal(readPublicPem(pairs.p256.public, { algorithm: 'ES256' }).keyId, undefined)
  assert.equal(readPublicPem(pairs.p256.public, { algorithm: 'ES256', keyId: 'k' }).keyId, 'k')
})

for (const [what, pem] of [
  ['a private key', pairs.p256.private],
  [
    'PKCS#1',
    generateKeyPairSync('rsa', { modulusLength: 2048 }).publicKey.export({ type: 'pkcs1', format: 'pem' }),
  ],
  ['a certificate', pairs.p256.public.replaceAll('PUBLIC KEY', 'CERTIFICATE')],
  ['a space in front', ` ${pairs.p256.public}`],
  ['a byte order mark in front', `\ufeff${pairs.p256.public}`],
  ['a comment in front', `# ours\n${pairs.p256.public}`],
  ['only the first line', '-----BEGIN PUBLIC KEY-----\n'],
  ['a secret', 'x'.repeat(64)],
  ['nothing', ''],
  ['bytes', Buffer.from(pairs.p256.public)],
  ['undefined', undefined],
] as const) {
  test(`PEM: ${what} is no public key`, () => {
    assert.throws(() => readPublicPem(pem as string, { algorithm: 'ES256' }), { code: 'key-invalid' })
  })
}

test('PEM: a locked private key is refused, and nobody is asked for its word', () => {
  const locked = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({
    type: 'pkcs8',
    format: 'pem',
    cipher: 'aes-256-cbc',
    passphrase: 'hunter2',
  })
  for (const pem of [locked.toString(), pairs.p256.public, 'x', '']) {
    assert.throws(() => readPrivatePem(Secret.fromText(pem), { algorithm: 'ES256' }), { code: 'key-invalid' })
  }
})

test('a private key whose halves are of two keys is refused', () => {
  for (const algorithm of asymmetric) {
    const [one, two] = [1, 2].map(() => JSON.parse(privateJwk(generateSigningKey(algorithm)).revealText()))
    const half = ['x', 'y', 'n', 'pub'].filter((member) => member in one)
    const mixed = { ...one, ...Object.fromEntries(half.map((member) => [member, two[member]])) }
    assert.throws(() => readPrivateJwk(mixed), { code: 'key-invalid' }, algorithm)
  }
})

test('a private JWK is named by the option, by itself, or by its thumbprint', () => {
  const jwk = JSON.parse(privateJwk(generateSigningKey('ES256', { keyId: 'own' })).revealText())
  assert.equal(readPrivateJwk(jwk).keyId, 'own')
  assert.equal(readPrivateJwk(jwk, { keyId: 'given' }).keyId, 'given')
  assert.equal(readPrivateJwk({ ...jwk, kid: undefined }).keyId, jwkThumbprint(jwk))
  assert.throws(() => readPrivateJwk(jwk, { algorithm: 'ES384' }), { code: 'key-invalid' })
  assert.throws(() => readPrivateJwk({ ...jwk, alg: undefined }, { algorithm: 'none' as Algorithm }), {
    code: 'option-invalid',
  })
})

for (const keyId of ['', 'k'.repeat(257), 7, null, ['k']] as unknown as string[]) {
  test(`a key is not named ${JSON.stringify(keyId)?.slice(0, 20)}`, () => {
    const jwk = JSON.parse(privateJwk(generateSigningKey('ES256')).revealText())
    const pem = Secret.fromText(pairs.p256.private)
    for (const read of [
      () => generateSigningKey('ES256', { keyId }),
      () => generateSigningKey('HS256', { keyId }),
      () => readPublicPem(pairs.p256.public, { algorithm: 'ES256', keyId }),
      () => readPrivatePem(pem, { algorithm: 'ES256', keyId }),
      () => readSecretKey(secret, { algorithm: 'HS256', keyId }),
      () => readSecretSigningKey(secret, { algorithm: 'HS256', keyId }),
      ...(keyId === null ? [] : [() => readPrivateJwk(jwk, { keyId })]),
    ]) {
      assert.throws(read, { code: 'option-invalid' })
    }
  })
}

test('unknown options and algorithms are refused', () => {
  const bad = { algorithm: 'ES256', kid: 'k' } as unknown as { algorithm: Algorithm }
  const pem = Secret.fromText(pairs.p256.private)
  for (const read of [
    () => readJwk({}, { algorithm: 'ES256' } as never),
    () => readPublicPem(pairs.p256.public, bad),
    () => readPrivatePem(pem, bad),
    () => readPrivateJwk({}, bad),
    () => readSecretKey(secret, { ...bad, algorithm: 'HS256' }),
    () => generateSigningKey('ES256', { kid: 'k' } as never),
  ]) {
    assert.throws(read, { code: 'option-unknown' })
  }
  assert.throws(() => generateSigningKey('none' as Algorithm), { code: 'option-invalid' })
  assert.throws(() => readJwk({}, { algorithms: ['none' as Algorithm] }), { code: 'option-invalid' })
})

function pemsOf(type: string, options: object = {}): { public: string; private: string } {
  const pair = generateKeyPairSync(type as 'rsa', options as { modulusLength: number })
  return {
    public: pair.publicKey.export({ type: 'spki', format: 'pem' }).toString(),
    private: pair.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
  }
}
