import { test } from 'node:test'
import assert from 'node:assert/strict'
import { createPublicKey, generateKeyPairSync, sign } from 'node:crypto'
import {
  createKeySet,
  createRemoteKeySet,
  readJwk,
  readJwks,
  readPrivateJwk,
  readPrivatePem,
  readPublicPem,
  readSecretKey,
  readSecretSigningKey,
} from '@countersign/sdk/jwt'
import type { Algorithm, Jwk, KeySet } from '@countersign/sdk/jwt'
import { Secret } from '@countersign/sdk/core'
import { attack } from './attack.ts'
import { listen, serveJson } from './loopback.ts'
import {
  accepts,
  claims,
  forge,
  macWith,
  pair,
  publicJwkOf,
  publicPemOf,
  refuses,
  refusesToMake,
  scene,
  signed,
  signedBy,
  verificationKeyOf,
  verifierOf,
} from './stage.ts'
import type { Pair } from './stage.ts'
import { flawedRsaPrivateJwk } from './roca.ts'

test('an honest token passes by kid, and by being of the only key', async () => {
  const own = pair('ES256')
  await accepts(verifierOf(createKeySet([verificationKeyOf(own)])), signed(own))
  await accepts(verifierOf(createKeySet([verificationKeyOf(own)])), signed(own, {}, { kid: undefined }))
  const { kid: _, ...nameless } = publicJwkOf(own)
  await accepts(verifierOf(createKeySet([readJwk(nameless)])), signed(own))
})

attack(10, 'the key that the token brings along is trusted', async () => {
  const { own, verifier, honest } = scene()
  await accepts(verifier, honest)
  const theirs = pair('ES256', 'attacker')
  const jwk = publicJwkOf(theirs)
  for (const [kid, reason] of [
    [own.kid, 'signature-invalid'],
    [undefined, 'signature-invalid'],
    [theirs.kid, 'key-unknown'],
  ] as const) {
    for (const own of [jwk, { ...jwk, kid }, { ...jwk, alg: undefined }]) {
      const header = { alg: 'ES256', typ: 'at+jwt', kid, jwk: own }
      await refuses(verifier, forge(header, claims(), signedBy(theirs, 'ES256')), reason)
    }
  }
  const secret = Buffer.alloc(32, 1)
  const oct = { kty: 'oct', alg: 'HS256', kid: own.kid, k: secret.toString('base64url') }
  const header = { alg: 'HS256', typ: 'at+jwt', kid: own.kid, jwk: oct }
  await refuses(verifier, forge(header, claims(), macWith(secret)), 'algorithm-mismatch')
  // An honest token is no less honest for a foreign key in its header: it is not read at all.
  await accepts(verifier, signed(own, {}, { jwk }))
})

attack(11, 'the key is fetched from where the token says (jku, x5u, x5c)', async (t) => {
  const theirs = pair('ES256', 'attacker')
  const trap = await listen(
    t,
    serveJson(() => ({ keys: [publicJwkOf(theirs)] })),
  )
  const { own, verifier, honest } = scene()
  const home = await listen(
    t,
    serveJson(() => ({ keys: [publicJwkOf(own)] })),
  )
  const remote = verifierOf(createRemoteKeySet({ issuer: home.origin, jwksUri: `${home.origin}/jwks` }), {
    issuer: home.origin,
  })
  await accepts(verifier, honest)
  await accepts(remote, signed(own, { iss: home.origin }))

  const certificate = Buffer.from('a certificate').toString('base64')
  for (const kid of [own.kid, theirs.kid, `${trap.origin}/jwks#attacker`, undefined]) {
    for (const place of [
      { jku: `${trap.origin}/jwks` },
      { x5u: `${trap.origin}/cert.pem` },
      { x5c: [certificate] },
      {
        jku: `${trap.origin}/jwks`,
        x5u: `${trap.origin}/cert.pem`,
        x5c: [certificate],
        jwks_uri: trap.origin,
      },
    ]) {
      const header = { alg: 'ES256', typ: 'at+jwt', kid, ...place }
      const reason = kid === own.kid || kid === undefined ? 'signature-invalid' : 'key-unknown'
      await refuses(verifier, forge(header, claims(), signedBy(theirs, 'ES256')), reason)
      const elsewhere = claims({ iss: home.origin, jwks_uri: `${trap.origin}/jwks` })
      await refuses(remote, forge(header, elsewhere, signedBy(theirs, 'ES256')), reason)
    }
  }
  assert.equal(trap.connections, 0)
  assert.ok(home.connections > 0)
})

attack(12, 'injection through kid: paths, SQL, LDAP, prototypes, other types', async (t) => {
  const { own, verifier, honest } = scene()
  const home = await listen(
    t,
    serveJson(() => ({ keys: [publicJwkOf(own)] })),
  )
  const remote = verifierOf(
    createRemoteKeySet({ issuer: home.origin, jwksUri: `${home.origin}/jwks`, cooldownSeconds: 0 }),
    { issuer: home.origin },
  )
  await accepts(verifier, honest)
  await accepts(remote, signed(own, { iss: home.origin }))
  const theirs = pair('ES256', 'attacker')
  for (const kid of injections) {
    for (const [alg, signature] of [
      ['ES256', signedBy(theirs, 'ES256')],
      ['HS256', macWith('')],
      ['HS256', macWith('\0')],
    ] as const) {
      const header = { alg, typ: 'at+jwt', kid }
      await refuses(verifier, forge(header, claims(), signature), 'key-unknown')
      await refuses(remote, forge(header, claims({ iss: home.origin }), signature), 'key-unknown')
    }
  }
  // Nothing of it reaches the request: the same path each time, and no query.
  assert.deepEqual([...new Set(home.requests)], ['GET /jwks'])
  for (const kid of [['a'], 7, { $ne: null }, null, true, 'k'.repeat(10_240), [own.kid], { kid: own.kid }]) {
    const text = JSON.stringify({ alg: 'ES256', typ: 'at+jwt', kid })
    await refuses(verifier, signed(own, {}, text), 'token-malformed')
  }
  await refuses(verifier, signed(own, {}, { kid: `${own.kid}\0` }), 'token-malformed')
  await refuses(verifier, signed(own, {}, { kid: 'k'.repeat(257) }), 'token-malformed')
  await refuses(verifier, signed(own, {}, { kid: 'k'.repeat(256) }), 'key-unknown')
})

const injections = [
  '../../../../../../dev/null',
  'file:///dev/null',
  '/proc/sys/kernel/randomize_va_space',
  "' UNION SELECT 'AAAA",
  'x" OR "1"="1',
  '*)(uid=*))(|(uid=*',
  '$(id)',
  '|id',
  '__proto__',
  'constructor',
  'hasOwnProperty',
  'toString',
  'unknown',
  'fetch',
  'ambiguous',
  '?kid=',
  '#',
  ' es256',
  'ES256',
  '',
]

attack(13, 'a key look-up that gives an empty key', async () => {
  const { keySet, honest, verifier } = scene()
  await accepts(verifier, honest)
  const asked = forge({ alg: 'HS256', typ: 'at+jwt', kid: 'nobody' }, claims(), macWith(''))
  const lookAlike = { algorithm: 'ES256', keyId: 'es256', verifies: () => true, isSymmetric: false }
  const nothing = ['', Buffer.alloc(0), null, undefined, [null], 0, {}, 'toString', 'a secret', lookAlike]
  for (const found of [...nothing, { ...lookAlike, algorithm: 'HS256' }]) {
    const careless = { ...keySet, generation: 0, checkAfterMs: 0, find: () => found, load: async () => {} }
    for (const token of [honest, asked, signed(pair('ES256', 'attacker'))]) {
      await refuses(verifierOf(careless as unknown as KeySet), token, 'key-unknown')
    }
  }
})

attack(14, 'an HMAC secret that can be searched for', async () => {
  for (const [algorithm, hash, least] of [
    ['HS256', 'sha256', 32],
    ['HS384', 'sha384', 48],
    ['HS512', 'sha512', 64],
  ] as const) {
    const enough = new Secret(Buffer.alloc(least, 3))
    const token = forge({ alg: algorithm, typ: 'at+jwt' }, claims(), macWith(enough.reveal(), hash))
    await accepts(verifierOf(createKeySet([readSecretKey(enough, { algorithm })])), token)
    for (const bytes of [1, 8, least - 17, least - 1]) {
      const secret = new Secret(Buffer.alloc(bytes, 3))
      refusesToMake(() => readSecretKey(secret, { algorithm }), 'key-too-weak')
      refusesToMake(() => readSecretSigningKey(secret, { algorithm }), 'key-too-weak')
      const k = Buffer.alloc(bytes, 3).toString('base64url')
      refusesToMake(() => readJwk({ kty: 'oct', alg: algorithm, k }), 'key-too-weak')
    }
  }
})

attack(
  15,
  'weak public keys: short RSA, exponent 1, even exponent, ROCA, points of small order',
  async () => {
    const sound = pair('RS256')
    await accepts(verifierOf(createKeySet(readJwks({ keys: [publicJwkOf(sound)] }))), signed(sound))

    const short = {
      ...sound,
      kid: 'short',
      key: generateKeyPairSync('rsa', { modulusLength: 1024 }).privateKey,
    }
    refusesToMake(() => readPublicPem(publicPemOf(short), { algorithm: 'RS256' }), 'key-too-weak')
    refusesToMake(() => readPrivatePem(privatePemOf(short), { algorithm: 'RS256' }), 'key-too-weak')
    const roca = flawedRsaPrivateJwk()
    refusesToMake(() => readPrivateJwk({ ...roca.privateJwk, alg: 'RS256' }), 'key-too-weak')
    refusesToMake(() => readPublicPem(publicPemOf(roca), { algorithm: 'PS256' }), 'key-too-weak')

    const { n } = publicJwkOf(sound)
    const even = Buffer.from(n as string, 'base64url')
    even[even.length - 1]! &= 0xfe
    const huge = `9${'A'.repeat(1370)}B`
    const weak: Jwk[] = [
      publicJwkOf(short),
      publicJwkOf(roca),
      { ...publicJwkOf(sound), e: 'AQ' }, // 1: every message is its own signature
      { ...publicJwkOf(sound), e: 'AA' },
      { ...publicJwkOf(sound), e: 'Ag' },
      { ...publicJwkOf(sound), e: 'AQAA' },
      { ...publicJwkOf(sound), e: `${'_'.repeat(11)}w` },
      { ...publicJwkOf(sound), n: even.toString('base64url') },
      { ...publicJwkOf(sound), n: huge },
    ]
    for (const jwk of weak) {
      refusesToMake(() => readJwk(jwk), 'key-too-weak')
      const set = createKeySet(readJwks({ keys: [{ ...jwk, kid: sound.kid }] }))
      await refuses(verifierOf(set), signed(sound), 'key-unknown')
    }
    for (const weakPair of [short, { ...roca, alg: 'RS256', kid: 'roca' }]) {
      const set = createKeySet(readJwks({ keys: [publicJwkOf(weakPair), publicJwkOf(sound)] }))
      await refuses(verifierOf(set), signed(weakPair), 'key-unknown')
      await accepts(verifierOf(set), signed(sound))
    }

    // A public point of small order makes (R, 0) with R the neutral element a signature of every message.
    for (const [alg, bytes, points] of [
      ['Ed25519', 32, ['01'.padEnd(64, '0'), '00'.repeat(32), `ec${'ff'.repeat(30)}7f`]],
      ['Ed448', 57, ['01'.padEnd(114, '0'), '00'.repeat(57)]],
    ] as const) {
      const neutral = Buffer.alloc(bytes)
      neutral[0] = 1
      for (const point of points) {
        const jwk = {
          kty: 'OKP',
          crv: alg,
          alg,
          kid: 'small',
          x: Buffer.from(point, 'hex').toString('base64url'),
        }
        const set = createKeySet(readJwks({ keys: [jwk] }))
        for (const jti of ['1', '2', '3', '4', '5', '6', '7', '8', '9']) {
          const header = { alg, typ: 'at+jwt', kid: 'small' }
          const token = forge(header, claims({ jti }), () => Buffer.concat([neutral, Buffer.alloc(bytes)]))
          await refuses(verifierOf(set), token, set.keys.length === 0 ? 'key-unknown' : 'signature-invalid')
        }
      }
    }
  },
)

attack(16, 'a key on another curve, or on a curve with parameters of the attacker', async () => {
  const own = pair('ES256')
  await accepts(
    verifierOf(createKeySet([readPublicPem(publicPemOf(own), { algorithm: 'ES256' })])),
    signed(own),
  )
  const koblitz = generateKeyPairSync('ec', { namedCurve: 'secp256k1' }).privateKey
  const strangers: Pair[] = [pair('ES384'), pair('ES512'), { alg: 'ES256', kid: 'es256', key: koblitz }]
  for (const stranger of strangers) {
    const jwk = { ...publicJwkOf(stranger), alg: 'ES256', kid: own.kid }
    for (const wrong of [jwk, { ...jwk, crv: 'P-256' }]) {
      refusesToMake(() => readJwk(wrong), 'key-invalid')
      const set = createKeySet(readJwks({ keys: [wrong] }))
      const token = forge({ alg: 'ES256', typ: 'at+jwt', kid: own.kid }, claims(), (input) =>
        sign('sha256', Buffer.from(input), { key: stranger.key, dsaEncoding: 'ieee-p1363' }),
      )
      await refuses(verifierOf(set), token, 'key-unknown')
    }
    refusesToMake(() => readPublicPem(publicPemOf(stranger), { algorithm: 'ES256' }), 'key-invalid')
    refusesToMake(() => readPrivatePem(privatePemOf(stranger), { algorithm: 'ES256' }), 'key-invalid')
  }
  // A point that is not on the curve.
  const off = { ...publicJwkOf(own), y: publicJwkOf(own)['x'] }
  refusesToMake(() => readJwk(off), 'key-invalid')

  for (const [namedCurve, algorithm, length] of [
    ['P-256', 'ES256', 65],
    ['P-384', 'ES384', 97],
    ['P-521', 'ES512', 133],
  ] as const) {
    const explicit = generateKeyPairSync('ec', { namedCurve, paramEncoding: 'explicit' })
    const pem = explicit.publicKey.export({ type: 'spki', format: 'pem' }) as string
    refusesToMake(() => readPublicPem(pem, { algorithm }), 'key-invalid')
    refusesToMake(
      () =>
        readPublicPem(withOwnGenerator(explicit.publicKey.export({ type: 'spki', format: 'der' }), length), {
          algorithm,
        }),
      'key-invalid',
    )
    const secret = explicit.privateKey.export({ type: 'pkcs8', format: 'pem' }) as string
    refusesToMake(() => readPrivatePem(Secret.fromText(secret), { algorithm }), 'key-invalid')
  }
})

/**
 * An explicitly parametrised public key whose generator is the public point itself, so that 1 is its private key: the
 * swap by which anyone's certificate could be matched.
 */
function withOwnGenerator(spki: Buffer, length: number): string {
  // An uncompressed point (SEC 1, 2.3.3) ends the structure; its bytes are random, so nothing is looked for in them.
  const point = spki.subarray(-length)
  const swapped = Buffer.from(spki)
  // The generator is the only other uncompressed point of that length.
  const at = spki.indexOf(Buffer.from([...(length > 127 ? [0x04, 0x81] : [0x04]), length, 0x04]))
  const place = at + (length > 127 ? 3 : 2)
  assert.ok(at > 0 && place < spki.length - 2 * length, 'the generator was not found')
  point.copy(swapped, place)
  assert.notDeepEqual(swapped, spki)
  return `-----BEGIN PUBLIC KEY-----\n${swapped.toString('base64')}\n-----END PUBLIC KEY-----\n`
}

attack(17, 'use, key_ops, kty and repeated kid ignored; secrets in a published set', async () => {
  const own = pair('ES256')
  const jwk = publicJwkOf(own)
  const set = (...keys: unknown[]): KeySet => createKeySet(readJwks({ keys }))
  await accepts(verifierOf(set(jwk)), signed(own))
  await accepts(verifierOf(set({ ...jwk, key_ops: ['verify'] })), signed(own))
  for (const wrong of [
    { use: 'enc' },
    { use: 'SIG' },
    { use: ['sig'] },
    { use: 7 },
    { use: undefined, key_ops: ['encrypt'] },
    { key_ops: ['sign'] },
    { key_ops: ['verify', 'encrypt'] },
    { key_ops: ['verify', 'verify'] },
    { key_ops: [] },
    { key_ops: 'verify' },
    { key_ops: [['verify']] },
    { kty: 'RSA' },
    { kty: 'ec' },
    { kty: 'OKP' },
    { kty: ['EC'] },
    { alg: 'ES384' },
    { alg: 'ECDH-ES' },
    { alg: ['ES256'] },
    { crv: { toString: 1, valueOf: 1 } },
  ]) {
    refusesToMake(() => readJwk({ ...jwk, ...wrong }), 'key-invalid')
    await refuses(verifierOf(set({ ...jwk, ...wrong })), signed(own), 'key-unknown')
  }
  // A wrong type where a member is of no meaning must not take the good keys beside it along.
  const odd = { ...publicJwkOf(pair('RS256')), crv: { toString: 1, valueOf: 1 } }
  await accepts(verifierOf(set(odd, jwk)), signed(own))

  const secret = { kty: 'oct', alg: 'HS256', kid: 'hmac', k: Buffer.alloc(32, 5).toString('base64url') }
  const privateKey = own.key.export({ format: 'jwk' })
  for (const keys of [
    [secret],
    [jwk, secret],
    [{ ...jwk, d: privateKey.d }],
    [{ ...privateKey, use: 'enc' }],
    [{ ...secret, use: 'enc' }],
    [jwk, { ...publicJwkOf(pair('ES256', 'other')), kid: own.kid }],
    [jwk, jwk],
  ]) {
    refusesToMake(() => readJwks({ keys }), 'key-invalid')
  }
  refusesToMake(() => readJwk({ ...jwk, d: privateKey.d }), 'key-invalid')
  refusesToMake(() => readJwk(pair('RS256').key.export({ format: 'jwk' })), 'key-invalid')
  refusesToMake(() => createKeySet([readJwk(jwk), readJwk(secret)]), 'key-invalid')
  refusesToMake(() => createKeySet([readJwk(jwk), readJwk(jwk)]), 'key-invalid')
  // Which of two nameless keys is meant is for nobody to guess.
  const nameless = ({ kid: _, ...rest }: Jwk): Jwk => rest
  const two = set(nameless(jwk), nameless(publicJwkOf(pair('ES256', 'other'))))
  await refuses(verifierOf(two), signed(own), 'key-unknown')
})

function privatePemOf({ key }: Pair): Secret {
  return Secret.fromText(key.export({ type: 'pkcs8', format: 'pem' }) as string)
}

test('what these attacks sign with is what they say', () => {
  // The forged texts above would prove nothing if they were not signatures at all.
  const roca = flawedRsaPrivateJwk()
  assert.ok(createPublicKey(roca.key).asymmetricKeyDetails!.modulusLength! >= 2048)
  const algorithms: Algorithm[] = ['RS256']
  assert.deepEqual(algorithms, ['RS256'])
})
