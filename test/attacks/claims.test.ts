import { test } from 'node:test'
import assert from 'node:assert/strict'
import {
  createKeySet,
  createVerifier,
  dangerouslyAnyAudience,
  dangerouslyAnyType,
} from '@countersign/sdk/jwt'
import type { VerifierOptions } from '@countersign/sdk/jwt'
import { attack } from './attack.ts'
import {
  accepts,
  audience,
  claims,
  forge,
  issuer,
  now,
  nowMs,
  pair,
  refuses,
  refusesToMake,
  scene,
  signed,
  signedBy,
  verificationKeyOf,
  verifierOf,
} from './stage.ts'

// All of these are signed by the issuer itself: a good signature is no reason to believe what makes no sense.

test('honest claims pass, whether few or many', async () => {
  const { own, verifier } = scene()
  await accepts(verifier, signed(own))
  await accepts(
    verifier,
    signed(own, { sub: undefined, client_id: undefined, iat: undefined, jti: undefined }),
  )
  await accepts(
    verifier,
    signed(own, { aud: ['other', audience], nbf: now, roles: ['reader'], scope: 'a b' }),
  )
  await accepts(verifier, signed(own, { exp: now + 0.5, iat: now - 0.5 }))
})

attack(37, 'a claim of the wrong type is taken for an absent one', async () => {
  const { own, verifier, honest } = scene()
  await accepts(verifier, honest)
  const wrong: unknown[] = [
    `${now + 290}`,
    '9999999999',
    '',
    null,
    true,
    false,
    [],
    [now + 290],
    {},
    { valueOf: now + 290 },
  ]
  for (const name of ['exp', 'nbf', 'iat']) {
    for (const value of wrong) await refuses(verifier, signed(own, { [name]: value }), 'claim-malformed')
  }
  for (const name of ['sub', 'client_id', 'azp', 'jti']) {
    for (const value of [7, null, true, [], ['orders'], {}]) {
      await refuses(verifier, signed(own, { [name]: value }), 'claim-malformed')
    }
  }
  for (const name of ['scope', 'scp']) {
    for (const value of [7, null, true, {}, [7], ['a', null], [['a']]]) {
      await refuses(verifier, signed(own, { [name]: value }), 'claim-malformed')
    }
  }
  for (const cnf of [null, false, 0, '', [], {}, { jkt: 'x' }, { 'x5t#S256': 'x' }]) {
    await refuses(verifier, signed(own, { cnf }), 'proof-required')
  }
})

attack(38, 'dates that are infinite, huge, negative or in milliseconds', async () => {
  const { own, verifier, honest } = scene()
  await accepts(verifier, honest)
  await accepts(verifier, signed(own, { exp: 253_402_300_799 }))
  const text = (name: string, number: string): string =>
    JSON.stringify(claims({ [name]: '@' })).replace('"@"', number)
  for (const name of ['exp', 'nbf', 'iat']) {
    for (const infinite of ['1e999', '-1e999', '1E+309', '9'.repeat(400)]) {
      await refuses(verifier, signed(own, text(name, infinite)), 'token-malformed')
    }
    const huge = ['1e300', '1e19', '18446744073709551616', '253402300800', `${(now + 290) * 1000}`]
    for (const number of [...huge, '-1', '-0.001', '-1e300']) {
      await refuses(verifier, signed(own, text(name, number)), 'claim-malformed')
    }
    for (const none of ['NaN', 'Infinity', '0x7fffffff', '1_000', '+1', '.5', '01', '5.']) {
      await refuses(verifier, signed(own, text(name, none)), 'token-malformed')
    }
  }
})

attack(39, 'no exp', async () => {
  const { own, keySet, verifier, honest } = scene()
  await accepts(verifier, honest)
  await refuses(verifier, signed(own, { exp: undefined }), 'claim-missing')
  await refuses(verifier, signed(own, { exp: undefined, expires: now + 290 }), 'claim-missing')
  // Only these words let it through.
  await accepts(verifierOf(keySet, { dangerouslyAllowMissingExpiry: true }), signed(own, { exp: undefined }))
  for (const almost of [1, 'true', 'false', {}, null, false]) {
    const strict = verifierOf(keySet, { dangerouslyAllowMissingExpiry: almost })
    await refuses(strict, signed(own, { exp: undefined }), 'claim-missing')
  }
  const bounded = verifierOf(keySet, { dangerouslyAllowMissingExpiry: true, maxLifetimeSeconds: 300 })
  await refuses(bounded, signed(own, { exp: undefined }), 'claim-missing')
})

attack(40, 'the edges of exp, nbf and the tolerance', async () => {
  const { own, keySet } = scene()
  for (const clockToleranceSeconds of [0, 5, 300]) {
    const at = (ms: number, changes: Record<string, unknown>): string => {
      const verifier = verifierOf(keySet, { clockToleranceSeconds })
      const token = signed(own, { iat: undefined, ...changes })
      const outcomes = [0, 1].map(() => verifier.verifyNow(token, ms))
      const said = outcomes.map((one) => (one?.kind === 'denied' ? one.denial.reason : one?.kind))
      assert.equal(said[0], said[1], 'cached and not cached differ')
      return String(said[0])
    }
    const tolerance = clockToleranceSeconds * 1000
    for (const [exp, ms] of [
      [now, nowMs],
      [now + 0.25, nowMs + 250],
    ] as const) {
      assert.equal(at(ms + tolerance - 1, { exp }), 'verified')
      assert.equal(at(ms + tolerance, { exp }), 'token-expired')
      assert.equal(at(ms + tolerance + 1, { exp }), 'token-expired')
      for (const name of ['nbf', 'iat']) {
        assert.equal(at(ms - tolerance - 1, { exp: exp + 900, [name]: exp }), 'token-premature')
        assert.equal(at(ms - tolerance, { exp: exp + 900, [name]: exp }), 'verified')
      }
    }
    assert.equal(at(nowMs, { exp: 0 }), 'token-expired')
    assert.equal(at(tolerance, { exp: 0 }), 'token-expired')
    assert.equal(at(tolerance + 999, { exp: 1 }), 'verified')
    assert.equal(at(nowMs, { exp: now + 1, nbf: now + 400 }), 'token-premature')
    assert.equal(at(nowMs, { exp: now - 400, nbf: now + 400 }), 'token-expired')
  }
  for (const tolerance of [
    -1,
    -0.001,
    Number.NaN,
    Infinity,
    -Infinity,
    301,
    '5',
    '',
    [],
    [5],
    true,
    {},
    5n,
  ]) {
    refusesToMake(() => verifierOf(keySet, { clockToleranceSeconds: tolerance }), 'option-invalid')
  }
  for (const lifetime of [0, -1, Number.NaN, Infinity, '300', null]) {
    if (lifetime === null) continue
    refusesToMake(() => verifierOf(keySet, { maxLifetimeSeconds: lifetime }), 'option-invalid')
  }
  const shortLived = verifierOf(keySet, { maxLifetimeSeconds: 300 })
  await accepts(shortLived, signed(own, { iat: now - 10, exp: now + 290 }))
  await refuses(shortLived, signed(own, { iat: now - 10, exp: now + 291 }), 'token-lifetime')
  await refuses(shortLived, signed(own, { iat: undefined }), 'claim-missing')
})

attack(41, 'iat in the future, or not a number', async () => {
  const { own, verifier, honest } = scene()
  await accepts(verifier, honest)
  await accepts(verifier, signed(own, { iat: now + 5 }))
  for (const iat of [now + 5.001, now + 6, now + 86_400, now + 86_400 * 365]) {
    await refuses(verifier, signed(own, { iat, exp: iat + 300 }), 'token-premature')
  }
  for (const iat of ['now', `${now}`, null, [], {}, true]) {
    await refuses(verifier, signed(own, { iat }), 'claim-malformed')
  }
})

attack(42, 'a list of issuers', async () => {
  const { own, verifier, honest } = scene()
  await accepts(verifier, honest)
  for (const iss of [
    [issuer],
    ['https://evil.example', issuer],
    [issuer, 'https://evil.example'],
    [[issuer]],
    { toString: issuer },
    { 0: issuer, length: 1 },
    7,
    null,
    true,
    undefined,
    {},
  ]) {
    await refuses(verifier, signed(own, { iss }), 'issuer-mismatch')
  }
})

attack(43, 'part of the issuer’s name', async () => {
  const { own, keySet, verifier, honest } = scene()
  await accepts(verifier, honest)
  const wider = verifierOf(keySet, { issuer: '_abc_' })
  await accepts(wider, signed(own, { iss: '_abc_' }))
  for (const iss of ['abc', '_abc', 'abc_', '', '_', '_ABC_', ' _abc_', '_abc_ ', '__abc__']) {
    await refuses(wider, signed(own, { iss }), 'issuer-mismatch')
  }
  for (const iss of [
    `${issuer}/`,
    `${issuer}.evil.example`,
    issuer.slice(0, -1),
    issuer.toUpperCase(),
    `${issuer}:443`,
    `${issuer}#`,
    `${issuer}?`,
    issuer.replace('https', 'http'),
    issuer.replace('e', '\u0435'),
    `${issuer}\u200b`,
    issuer.normalize('NFKD').replace('.', '\uff0e'),
  ]) {
    await refuses(verifier, signed(own, { iss }), 'issuer-mismatch')
  }
})

attack(44, 'a verifier that was told neither issuer nor audience', async () => {
  const { own, keySet, verifier, honest } = scene()
  await accepts(verifier, honest)
  const make = (options: unknown) => () => createVerifier(options as VerifierOptions)
  for (const options of [
    {},
    { keySet },
    { issuer, keySet },
    { audience, keySet },
    { issuer, audience },
    { issuer: '', audience, keySet },
    { issuer: undefined, audience, keySet },
    { issuer: null, audience, keySet },
    { issuer: [issuer], audience, keySet },
    { issuer, audience: undefined, keySet },
    { issuer, audience: null, keySet },
    { issuer, audience: '', keySet },
    { issuer, audience: [], keySet },
    { issuer, audience: [''], keySet },
    { issuer, audience: [audience, undefined], keySet },
    { issuer, audience: false, keySet },
    { issuer, audience: 'dangerouslyAnyAudience', keySet: undefined },
    { issuer, audience: Symbol('dangerouslyAnyAudience'), keySet },
    { issuer, audience, keySet, types: [] },
    { issuer, audience, keySet, types: 'at+jwt' },
    { issuer, audience, keySet, algorithms: [] },
    { issuer, audience, keySet, algorithms: 'ES256' },
    { issuer, audience, keySet, requiredClaims: 'sub' },
    { issuer, audience, keySet, clock: nowMs },
    { issuers: [] },
    { issuers: {} },
    { issuers: undefined },
    { issuers: [undefined] },
    {
      issuers: [
        { issuer, audience, keySet },
        { issuer, audience, keySet },
      ],
    },
    { issuers: [{ issuer, keySet }] },
    undefined,
    null,
    'https://issuer.example',
  ]) {
    refusesToMake(make(options), 'option-invalid')
  }
  for (const misspelt of [
    { issuer, audience, keySet, audiences: [audience] },
    { issuer, audience, keySet, clockTolerance: 5 },
    { issuer, audience, keySet, ignoreExpiration: true },
    { issuer, issuers: [{ issuer, audience, keySet }] },
    { issuers: [{ issuer, audience, keySet, clockToleranceSeconds: 5 }] },
  ]) {
    refusesToMake(make(misspelt), 'option-unknown')
  }
  // The way out is spelled, and it is a symbol that no file or token can hold.
  const anybody = verifierOf(keySet, { audience: dangerouslyAnyAudience, types: dangerouslyAnyType })
  await accepts(anybody, signed(own, { aud: 'another' }, { typ: 'JWT' }))
})

attack(45, 'an audience that is empty, absent or of another type', async () => {
  const { own, keySet, verifier, honest } = scene()
  await accepts(verifier, honest)
  for (const aud of [
    undefined,
    null,
    '',
    [],
    [''],
    [1],
    ['a', 1],
    [audience, 1],
    [audience, null],
    [[audience]],
    { a: 1 },
    { [audience]: true },
    { 0: audience, length: 1 },
    1,
    true,
    'https://billing',
    `${audience}/`,
    audience.toUpperCase(),
    [`${audience},other`],
    `${audience} other`,
    ['other', 'another'],
  ]) {
    await refuses(verifier, signed(own, { aud }), 'audience-mismatch')
  }
  // Even where any audience will do, it has to be one.
  const anybody = verifierOf(keySet, { audience: dangerouslyAnyAudience })
  for (const aud of [null, [], [1], { a: 1 }, 1, true, ['a', 1]]) {
    await refuses(anybody, signed(own, { aud }), 'audience-mismatch')
  }
})

attack(46, 'regular expressions as matchers', async () => {
  const { own, keySet } = scene()
  for (const pattern of [/^https:\/\/issuer/, /(a+)+$/, /issuer/g, { test: () => true }, () => true]) {
    refusesToMake(() => verifierOf(keySet, { issuer: pattern }), 'option-invalid')
    refusesToMake(() => verifierOf(keySet, { audience: pattern }), 'option-invalid')
    refusesToMake(() => verifierOf(keySet, { audience: [pattern] }), 'option-invalid')
    refusesToMake(() => verifierOf(keySet, { types: [pattern] }), 'option-invalid')
    refusesToMake(() => verifierOf(keySet, { requiredClaims: [pattern] }), 'option-invalid')
    refusesToMake(() => verifierOf(keySet, { algorithms: [pattern] }), 'option-invalid')
  }
  // A text that looks like a pattern is a text.
  const exact = verifierOf(keySet, { issuer: '.*', audience: '.*' })
  await accepts(exact, signed(own, { iss: '.*', aud: '.*' }))
  await refuses(exact, signed(own, { aud: '.*' }), 'issuer-mismatch')
  await refuses(exact, signed(own, { iss: '.*' }), 'audience-mismatch')
})

attack(47, 'expired and badly signed at once', async () => {
  const { own, verifier, honest } = scene()
  await accepts(verifier, honest)
  const theirs = pair('ES256', 'attacker')
  const header = { alg: 'ES256', typ: 'at+jwt', kid: own.kid }
  for (const changes of [
    { exp: now - 3600 },
    { exp: undefined },
    { nbf: now + 3600 },
    { aud: 'other' },
    { sub: 7 },
    { cnf: {} },
    { exp: now - 3600, sub: 'a-secret-claim', aud: 'other' },
  ]) {
    const token = forge(header, claims(changes), signedBy(theirs, 'ES256'))
    await refuses(verifier, token, 'signature-invalid')
    const verification = await verifier.verify(token)
    assert.deepEqual(Object.keys(verification), ['kind', 'denial'])
    assert.doesNotMatch(JSON.stringify(verification), /a-secret-claim|orders|1800000/)
  }
  await refuses(verifier, signed(own, { exp: now - 3600 }), 'token-expired')
})

test('one verifier of several issuers asks each for its own', async () => {
  const [first, second] = [pair('ES256', 'first'), pair('ES256', 'second')]
  const other = 'https://other.example'
  const several = createVerifier({
    issuers: [
      { issuer, audience, keySet: createKeySet([verificationKeyOf(first)]) },
      { issuer: other, audience: 'web', keySet: createKeySet([verificationKeyOf(second)]), types: ['JWT'] },
    ],
    clock: () => nowMs,
  })
  await accepts(several, signed(first))
  await accepts(several, signed(second, { iss: other, aud: 'web' }, { typ: 'JWT' }))
  await refuses(several, signed(second, { iss: other, aud: audience }, { typ: 'JWT' }), 'audience-mismatch')
  await refuses(several, signed(second, { iss: other, aud: 'web' }), 'type-mismatch')
  await refuses(several, signed(first, { iss: other, aud: 'web' }, { typ: 'JWT' }), 'key-unknown')
})
