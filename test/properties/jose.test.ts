import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import * as jose from 'jose'
import {
  createKeySet,
  createSigner,
  createVerifier,
  generateSigningKey,
  jwkThumbprint,
  privateJwk,
  publicJwk,
  readJwk,
  readPrivateJwk,
  readSecretKey,
  signJws,
  supportedAlgorithms,
  verificationKey,
  verifyJws,
} from '@countersign/sdk/jwt'
import type { Algorithm, Jwk } from '@countersign/sdk/jwt'
import { Secret } from '@countersign/sdk/core'
import { propertyTest } from './property.ts'

// What we sign, the library that most people verify with takes; and the other way round. Every algorithm both have.

const issuer = 'https://issuer.example'
const audience = 'billing'
const shared = supportedAlgorithms().filter((algorithm) => algorithm !== 'Ed448')

const ownName = fc.stringMatching(/^x[a-z0-9 .:/é-]{0,12}$/)

/** Claims of every JSON type: any text as a value but for NUL, and plain names, none of which has a meaning. */
const { value: ownValue } = fc.letrec((tie) => ({
  value: fc.oneof(
    { maxDepth: 3 },
    fc.string({ unit: 'grapheme' }).filter((text) => !text.includes('\0')),
    fc.double({ noDefaultInfinity: true, noNaN: true }),
    fc.constantFrom(null, true, false),
    fc.array(tie('value'), { maxLength: 4 }),
    fc.dictionary(ownName, tie('value'), { maxKeys: 4 }),
  ),
}))
const ownClaims = fc.dictionary(ownName, ownValue, { maxKeys: 5 })

for (const algorithm of shared) {
  const key = generateSigningKey(algorithm, { keyId: 'k' })
  const jwk = JSON.parse(privateJwk(key).revealText()) as jose.JWK
  const runs = ['HS256', 'ES256', 'Ed25519'].includes(algorithm) ? 25 : 8

  propertyTest(
    `${algorithm}: signed here, verified by jose`,
    runs,
    fc.asyncProperty(ownClaims, async (own) => {
      const claims = { ...own, iss: issuer, aud: audience, exp: inAMinute() }
      const token = createSigner({ key }).sign(claims)
      const theirs = key.algorithm.startsWith('HS') ? jwk : (publicJwk(key) as jose.JWK)
      const { payload, protectedHeader } = await jose.jwtVerify(
        token,
        await jose.importJWK(theirs, algorithm),
        {
          issuer,
          audience,
          typ: 'at+jwt',
          algorithms: [algorithm],
        },
      )
      assert.deepEqual(payload, JSON.parse(JSON.stringify(claims)))
      assert.deepEqual(protectedHeader, { alg: algorithm, typ: 'at+jwt', kid: 'k' })
    }),
  )

  propertyTest(
    `${algorithm}: signed by jose, verified here`,
    runs,
    fc.asyncProperty(ownClaims, async (own) => {
      const claims = { ...own, iss: issuer, aud: [audience, 'web'], exp: inAMinute() }
      const token = await new jose.SignJWT(claims)
        .setProtectedHeader({ alg: algorithm, typ: 'at+jwt', kid: 'k' })
        .sign(await jose.importJWK(jwk, algorithm))
      const keySet = createKeySet([verificationKey(key)])
      const verification = createVerifier({ issuer, audience, keySet }).verifyNow(token)
      assert.ok(verification?.kind === 'verified', JSON.stringify(verification))
      assert.deepEqual(plain(verification.token.claims), JSON.parse(JSON.stringify(claims)))
    }),
  )

  propertyTest(
    `${algorithm}: any bytes as a JWS, detached and unencoded, in both directions`,
    runs,
    fc.asyncProperty(fc.uint8Array({ maxLength: 100 }), async (payload) => {
      const theirs = await jose.importJWK(jwk, algorithm)
      const half = algorithm.startsWith('HS')
        ? theirs
        : await jose.importJWK(publicJwk(key) as jose.JWK, algorithm)
      const compact = await new jose.CompactSign(payload)
        .setProtectedHeader({ alg: algorithm, kid: 'k' })
        .sign(theirs)
      const ours = verifyJws(compact, verificationKey(key))
      assert.ok(ours.kind === 'verified')
      assert.deepEqual(Uint8Array.from(ours.jws.payload), payload)
      const verified = await jose.compactVerify(signJws(payload, { key }), half)
      assert.deepEqual(Uint8Array.from(verified.payload), payload)

      const header = { alg: algorithm, kid: 'k', b64: false, crit: ['b64'] }
      const flat = await new jose.FlattenedSign(payload).setProtectedHeader(header).sign(theirs)
      const detached = `${flat.protected}..${flat.signature}`
      assert.equal(verifyJws(detached, verificationKey(key), { payload }).kind, 'verified')
      const [head, , signature] = signJws(payload, { key, detached: true, unencoded: true }).split('.')
      await jose.flattenedVerify({ protected: head!, payload, signature: signature! }, half)
    }),
  )

  test(`${algorithm}: a key that jose makes is read, and has the name jose gives it`, async () => {
    if (algorithm.startsWith('HS')) {
      const bytes = (await jose.generateSecret(algorithm, { extractable: true })) as jose.CryptoKey
      const { k } = await jose.exportJWK(bytes)
      const secret = new Secret(Buffer.from(k!, 'base64url'))
      const compact = await new jose.CompactSign(Buffer.from('x'))
        .setProtectedHeader({ alg: algorithm })
        .sign(bytes)
      assert.equal(verifyJws(compact, readSecretKey(secret, { algorithm })).kind, 'verified')
      return
    }
    const pair = await jose.generateKeyPair(algorithm, { extractable: true })
    const [secretHalf, publicHalf] = await Promise.all([pair.privateKey, pair.publicKey].map(jose.exportJWK))
    const own = readPrivateJwk(secretHalf, { algorithm })
    assert.equal(own.keyId, await jose.calculateJwkThumbprint(publicHalf!))
    assert.equal(jwkThumbprint(publicHalf as Jwk), own.keyId)
    const half = readJwk({ ...publicHalf, kid: own.keyId }, { algorithms: [algorithm] })
    assert.equal(verifyJws(signJws(Buffer.from('x'), { key: own }), half).kind, 'verified')
  })
}

test('every algorithm but Ed448 is compared', () => {
  const compared: readonly Algorithm[] = [...shared, 'Ed448']
  assert.deepEqual(compared.toSorted(), [...supportedAlgorithms()].sort())
})

function inAMinute(): number {
  return Math.floor(Date.now() / 1000) + 60
}

/** A copy with ordinary prototypes, for comparing. */
function plain(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value))
}
