import { test } from 'node:test'
import { createPublicKey } from 'node:crypto'
import {
  createKeySet,
  createSigner,
  createVerifier,
  readJwk,
  readJwks,
  readPrivateJwk,
  readPrivatePem,
  readPublicPem,
  readSecretKey,
  readSecretSigningKey,
} from '@countersign/sdk/jwt'
import type { Algorithm, KeySet, SigningKey, VerificationKey, Verifier } from '@countersign/sdk/jwt'
import { Secret } from '@countersign/sdk/core'
import { attack } from './attack.ts'
import {
  accepts,
  audience,
  claims,
  encode,
  forge,
  issuer,
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

test('honest tokens of every algorithm pass', async () => {
  for (const alg of ['ES256', 'ES384', 'ES512', 'RS256', 'PS256', 'EdDSA', 'Ed25519', 'Ed448']) {
    const { verifier, honest } = scene(alg)
    await accepts(verifier, honest)
  }
  const secret = Buffer.alloc(32, 7)
  const key = readSecretKey(new Secret(secret), { algorithm: 'HS256' })
  const token = forge({ alg: 'HS256', typ: 'at+jwt' }, claims(), macWith(secret))
  await accepts(verifierOf(createKeySet([key])), token)
})

attack(1, 'alg none', async () => {
  const { own, verifier, honest } = scene()
  await accepts(verifier, honest)
  const [, , signature] = honest.split('.')
  for (const header of [{}, { kid: own.kid }, { kid: own.kid, typ: 'at+jwt' }, { kid: 'nobody' }]) {
    const input = `${encode({ typ: 'at+jwt', ...header, alg: 'none' })}.${encode(claims())}`
    for (const end of ['', signature!, 'AAAA']) {
      await refuses(verifier, `${input}.${end}`, 'algorithm-mismatch')
    }
    await refuses(verifier, input, 'token-malformed')
  }
  refusesToMake(() => verifierOf(createKeySet([]), { algorithms: ['none'] }), 'option-invalid')
  refusesToMake(() => readJwk({ ...publicJwkOf(own), alg: 'none' }), 'key-invalid')
  refusesToMake(
    () => readPublicPem(publicPemOf(own), { algorithm: 'none' as string as Algorithm }),
    'key-invalid',
  )
})

attack(2, 'spellings of none that differ in case or white space', async () => {
  const { own, verifier, honest } = scene()
  await accepts(verifier, honest)
  const spellings = ['None', 'NONE', 'nOnE', 'none ', ' none', '\tnone', 'none\n', '', 'ｎｏｎｅ', 'null']
  // The honest algorithm in other spellings too: what compares loosely here would compare loosely there.
  for (const alg of [...spellings, 'es256', 'ES256 ', 'ES-256', 'constructor', '__proto__', 'toString']) {
    for (const signature of [() => new Uint8Array(), signedBy(own, 'ES256')]) {
      const token = forge({ alg, typ: 'at+jwt', kid: own.kid }, claims(), signature)
      await refuses(verifier, token, 'algorithm-mismatch')
    }
  }
  for (const alg of [['none'], ['ES256'], null, 0, false, {}, undefined]) {
    await refuses(verifier, signed(own, {}, { alg }), 'token-malformed')
  }
})

attack(3, 'an absent key switches the check off', async () => {
  const none: readonly unknown[] = ['', null, undefined, Buffer.alloc(0), 0, false, {}]
  for (const key of none) {
    for (const algorithm of ['HS256', 'HS384', 'HS512'] as const) {
      refusesToMake(() => readSecretKey(key as Secret, { algorithm }), 'key-invalid')
      refusesToMake(() => readSecretSigningKey(key as Secret, { algorithm }), 'key-invalid')
    }
    refusesToMake(() => readPublicPem(key as string, { algorithm: 'ES256' }), 'key-invalid')
    refusesToMake(() => readPrivatePem(key as Secret, { algorithm: 'ES256' }), 'key-invalid')
    refusesToMake(() => readJwk(key), 'key-invalid')
    refusesToMake(() => readPrivateJwk(key), 'key-invalid')
    refusesToMake(() => readJwks(key), 'key-invalid')
    refusesToMake(() => createSigner({ key: key as SigningKey }), 'option-invalid')
    refusesToMake(() => createKeySet([key as VerificationKey]), 'key-invalid')
    refusesToMake(() => createKeySet(key as VerificationKey[]), 'key-invalid')
    refusesToMake(() => createVerifier({ issuer, audience, keySet: key as KeySet }), 'option-invalid')
  }
  const empty = Secret.fromText('')
  refusesToMake(() => readSecretKey(empty, { algorithm: 'HS256' }), 'key-too-weak')
  refusesToMake(
    () => readSecretKey(empty, { algorithm: 'HS256', dangerouslyAllowShortSecret: true }),
    'key-too-weak',
  )
  refusesToMake(() => readJwk({ kty: 'oct', alg: 'HS256', k: '' }), 'key-invalid')
  refusesToMake(() => createKeySet([]).replace([undefined as unknown as VerificationKey]), 'key-invalid')

  // No keys at all is a set that trusts nobody, not one that trusts everybody.
  const nobody = verifierOf(createKeySet([]))
  for (const token of [
    signed(pair('ES256')),
    forge({ alg: 'HS256', typ: 'at+jwt' }, claims(), macWith('')),
  ]) {
    await refuses(nobody, token, 'key-unknown')
  }
})

attack(4, 'the public key used as an HMAC secret', async () => {
  for (const alg of ['RS256', 'PS256', 'ES256', 'EdDSA']) {
    const { own, verifier, honest } = scene(alg)
    await accepts(verifier, honest)
    const byPem = verifierOf(
      createKeySet([readPublicPem(publicPemOf(own), { algorithm: alg as Algorithm, keyId: own.kid })]),
    )
    await accepts(byPem, honest)
    const nameless = verifierOf(
      createKeySet([readPublicPem(publicPemOf(own), { algorithm: alg as Algorithm })]),
    )
    await accepts(nameless, honest)
    for (const secret of spellingsOfPublicKey(publicPemOf(own))) {
      for (const [mac, hash] of [
        ['HS256', 'sha256'],
        ['HS384', 'sha384'],
        ['HS512', 'sha512'],
      ] as const) {
        for (const kid of [own.kid, undefined]) {
          const token = forge({ alg: mac, typ: 'at+jwt', kid }, claims(), macWith(secret, hash))
          for (const one of [verifier, byPem, nameless]) await refuses(one, token, 'algorithm-mismatch')
        }
      }
    }
  }
})

/** The texts and bytes under which a public key is known, each of which somebody's library once took for the secret. */
function spellingsOfPublicKey(pem: string): readonly (string | Uint8Array)[] {
  const key = createPublicKey(pem)
  const der = key.export({ type: 'spki', format: 'der' })
  const raw = Buffer.from(key.export({ format: 'jwk' }).x ?? key.export({ format: 'jwk' }).n!, 'base64url')
  const pkcs1 =
    key.asymmetricKeyType === 'rsa' ? [key.export({ type: 'pkcs1', format: 'pem' }) as string] : []
  return [pem, pem.trimEnd(), `${pem}\n`, pem.replaceAll('\n', '\r\n'), der, raw, ...pkcs1, '']
}

attack(5, 'a PEM file that does not look like one is taken for a secret', async () => {
  const own = pair('RS256')
  const pem = publicPemOf(own)
  const pkcs1 = createPublicKey(pem).export({ type: 'pkcs1', format: 'pem' }) as string
  await accepts(verifierOf(createKeySet([readPublicPem(pem, { algorithm: 'RS256' })])), signed(own))
  const prefixes = [
    '',
    ' ',
    '\n',
    '\r\n',
    '\t',
    '\ufeff',
    '\u200b',
    '\0',
    '# my key\n',
    '"',
    'x'.repeat(5000),
  ]
  for (const prefix of prefixes) {
    for (const text of [pem, pkcs1, privatePem]) {
      const secret = Secret.fromText(prefix + text)
      const options = { algorithm: 'HS256', dangerouslyAllowShortSecret: true } as const
      refusesToMake(() => readSecretKey(secret, options), 'key-invalid')
      refusesToMake(() => readSecretSigningKey(secret, options), 'key-invalid')
      const k = Buffer.from(prefix + text).toString('base64url')
      refusesToMake(() => readJwk({ kty: 'oct', alg: 'HS256', k }), 'key-invalid')
      if (prefix === '' && text === pem) continue
      // And what reads PEM reads PEM only: text that has to be tidied up first is somebody else's text.
      refusesToMake(() => readPublicPem(prefix + text, { algorithm: 'RS256' }), 'key-invalid')
    }
  }
  refusesToMake(() => readPublicPem(pem, { algorithm: 'HS256' }), 'key-invalid')
  refusesToMake(
    () => readPublicPem('a secret of thirty-two bytes ....', { algorithm: 'HS256' }),
    'key-invalid',
  )
})

const privatePem = pair('ES256').key.export({ type: 'pkcs8', format: 'pem' }) as string

attack(6, 'the public JWK used as an HMAC secret', async () => {
  for (const alg of ['RS256', 'ES256', 'EdDSA']) {
    const { own, verifier, honest } = scene(alg)
    await accepts(verifier, honest)
    const jwk = publicJwkOf(own)
    const material = String(jwk['n'] ?? jwk['x'])
    const texts = [
      JSON.stringify(jwk),
      JSON.stringify(jwk, null, 2),
      JSON.stringify({ keys: [jwk] }),
      material,
    ]
    for (const secret of [...texts, Buffer.from(material, 'base64url')]) {
      const token = forge({ alg: 'HS256', typ: 'at+jwt', kid: own.kid }, claims(), macWith(secret))
      await refuses(verifier, token, 'algorithm-mismatch')
    }
    for (const text of texts.slice(0, 3)) {
      const k = Buffer.from(text).toString('base64url')
      refusesToMake(() => readSecretKey(Secret.fromText(text), { algorithm: 'HS256' }), 'key-invalid')
      refusesToMake(() => readJwk({ kty: 'oct', alg: 'HS256', k }), 'key-invalid')
    }
  }
})

attack(7, 'a JWK without alg lets the token choose', async () => {
  const rsa = pair('RS256')
  const { alg: _, ...jwk } = publicJwkOf(rsa)
  const everything = createKeySet(readJwks({ keys: [jwk] }))
  const onlyRs256 = createKeySet(readJwks({ keys: [jwk] }, { algorithms: ['RS256'] }))
  await accepts(verifierOf(onlyRs256), signed(rsa))
  refusesToMake(() => readJwk(jwk), 'key-invalid')
  refusesToMake(() => readJwk(jwk, { algorithms: ['RS256', 'PS256'] }), 'key-invalid')

  const asMac = forge({ alg: 'HS256', typ: 'at+jwt', kid: rsa.kid }, claims(), macWith(publicPemOf(rsa)))
  const asEmptyMac = forge({ alg: 'HS256', typ: 'at+jwt', kid: rsa.kid }, claims(), macWith(''))
  const asPss = forge({ alg: 'PS256', typ: 'at+jwt', kid: rsa.kid }, claims(), signedBy(rsa, 'PS256'))
  for (const token of [asMac, asEmptyMac, asPss]) {
    await refuses(verifierOf(everything), token, 'key-unknown')
    await refuses(verifierOf(onlyRs256), token, 'algorithm-mismatch')
  }
  // The honest one as well: without a word about its algorithm the key is none.
  await refuses(verifierOf(everything), signed(rsa), 'key-unknown')
})

attack(8, 'the allow-list checks the header, the signature is checked by the key’s algorithm', async () => {
  const rsa = pair('RS256')
  const ec = pair('ES256')
  const keySet = createKeySet([verificationKeyOf(rsa), verificationKeyOf(ec)])
  const onlyEc = verifierOf(keySet, { algorithms: ['ES256'] })
  await accepts(onlyEc, signed(ec))
  await accepts(verifierOf(keySet), signed(rsa))
  // The header is allowed, the key that kid names is not.
  const header = { alg: 'ES256', typ: 'at+jwt', kid: rsa.kid }
  await refuses(onlyEc, forge(header, claims(), signedBy(rsa, 'RS256')), 'algorithm-mismatch')
  await refuses(onlyEc, forge(header, claims(), signedBy(ec, 'ES256')), 'algorithm-mismatch')
  // Key and header agree, the list does not.
  await refuses(onlyEc, signed(rsa), 'algorithm-mismatch')
  // One family, another padding or hash.
  for (const alg of ['PS256', 'RS384', 'RS512']) {
    const token = forge({ alg, typ: 'at+jwt', kid: rsa.kid }, claims(), signedBy(rsa, alg))
    await refuses(verifierOf(keySet), token, 'algorithm-mismatch')
  }
})

attack(9, 'the algorithm is read from an unprotected header', async () => {
  const { own, verifier, honest } = scene()
  await accepts(verifier, honest)
  const [head, payload, signature] = honest.split('.') as [string, string, string]
  const bare = encode({ typ: 'at+jwt' })
  const again = signed(own, {}, { alg: undefined })
  const flattened = { payload, protected: head, signature }
  for (const json of [
    flattened,
    { payload, header: { alg: 'none' }, signature: '' },
    { payload, protected: bare, header: { alg: 'ES256', kid: own.kid }, signature },
    { payload, signatures: [{ protected: head, signature }] },
    { payload, signatures: [{ protected: bare, header: { alg: 'ES256', kid: own.kid }, signature }] },
    [honest],
  ]) {
    await refuses(verifier, JSON.stringify(json), 'token-malformed')
    await refuses(verifier, json as unknown as string, 'token-malformed')
  }
  await refuses(verifier, again, 'token-malformed')
})

attack(18, 'EdDSA that means another curve', async () => {
  const small = pair('Ed25519', 'key')
  const large = pair('Ed448', 'key')
  const as = (key: typeof small, alg: string): Verifier =>
    verifierOf(createKeySet([verificationKeyOf({ ...key, alg })]))
  for (const [key, other] of [
    [small, large],
    [large, small],
  ] as const) {
    const general = as(key, 'EdDSA')
    await accepts(general, signed({ ...key, alg: 'EdDSA' }))
    await refuses(general, signed({ ...other, alg: 'EdDSA' }), 'signature-invalid')
    await refuses(general, signed(key), 'algorithm-mismatch')
    await refuses(general, signed(other), 'algorithm-mismatch')
    const exact = as(key, key.alg)
    await accepts(exact, signed(key))
    await refuses(exact, signed({ ...other, alg: key.alg }), 'signature-invalid')
    await refuses(exact, signed({ ...key, alg: 'EdDSA' }), 'algorithm-mismatch')
    refusesToMake(() => readJwk({ ...publicJwkOf(key), alg: other.alg }), 'key-invalid')
    refusesToMake(() => readPublicPem(publicPemOf(key), { algorithm: other.alg as Algorithm }), 'key-invalid')
  }
})
