import { test } from 'node:test'
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import {
  createKeySet,
  createRemoteKeySet,
  createRevocations,
  jwkThumbprint,
  readJwk,
  readJwks,
} from '@countersign/sdk/jwt'
import type { Jwk, Revocation } from '@countersign/sdk/jwt'
import { attack } from './attack.ts'
import { listen, serveJson } from './loopback.ts'
import {
  accepts,
  claims,
  forge,
  issuer,
  now,
  pair,
  publicJwkOf,
  refuses,
  refusesToMake,
  scene,
  signed,
  signedBy,
  verifierOf,
} from './stage.ts'

// What we found when we attacked ourselves: each of these passed once.

test('the honest token passes', async () => {
  const { verifier, honest } = scene()
  await accepts(verifier, honest)
})

attack(71, 'a clock that gives no number makes every token eternal', async () => {
  const { own, verifier, honest, keySet } = scene()
  await accepts(verifier, honest)
  const expired = signed(own, { exp: now - 3600 })
  for (const time of [Number.NaN, Infinity, -Infinity, undefined, null, '', `${now}`, {}, 5n]) {
    if (time !== undefined) {
      for (const token of [honest, expired]) {
        refusesToMake(() => verifier.verifyNow(token, time as number), 'option-invalid')
      }
    }
    const broken = verifierOf(keySet, { clock: () => time })
    refusesToMake(() => broken.verifyNow(expired), 'option-invalid')
    await assert.rejects(broken.verify(expired), { code: 'option-invalid' })
  }
  await refuses(verifier, expired, 'token-expired')
})

attack(72, 'a tolerance given as text is appended to exp instead of added', async () => {
  const { own, keySet, verifier, honest } = scene()
  await accepts(verifier, honest)
  for (const clockToleranceSeconds of ['5', '0', '300', [5], new Number(5), true]) {
    refusesToMake(() => verifierOf(keySet, { clockToleranceSeconds }), 'option-invalid')
  }
  await refuses(
    verifierOf(keySet, { clockToleranceSeconds: 300 }),
    signed(own, { exp: now - 3600 }),
    'token-expired',
  )
})

attack(73, 'a revocation with a slip in it refuses nothing', async () => {
  const { keySet, honest } = scene()
  const revocations = createRevocations()
  const verifier = verifierOf(keySet, { revocations })
  const untilSeconds = now + 300
  const revoke = (revocation: unknown) => () => revocations.revoke(revocation as Revocation)
  for (const slip of [
    { issuer, untilSeconds },
    { issuer, untilSeconds, subject: 'orders' },
    { issuer, untilSeconds, subject: 'orders', issuedBeforeSeconds: Number.NaN },
    { issuer, untilSeconds, subject: 'orders', issuedBeforeSeconds: `${now}` },
    { issuer, untilSeconds, tokenId: undefined },
    { issuer, untilSeconds, tokenId: 7 },
    { issuer, untilSeconds, tokenId: 'a', subject: 'b', issuedBeforeSeconds: now },
    { untilSeconds, tokenId: 'token-1' },
    { issuer, tokenId: 'token-1' },
    { issuer, tokenId: 'token-1', untilSeconds: untilSeconds * 1000 },
    undefined,
  ]) {
    refusesToMake(revoke(slip), 'option-invalid')
  }
  for (const slip of [
    { issuer, untilSeconds, tokenId: 'token-1', reason: 'x' },
    { issuer, until: untilSeconds, untilSeconds, tokenId: 'token-1' },
    { issuer, untilSeconds, tokenId: 'token-1', issuedBeforeSeconds: now },
  ]) {
    refusesToMake(revoke(slip), 'option-unknown')
  }
  await accepts(verifier, honest)
  revocations.revoke({ issuer, untilSeconds, tokenId: 'token-1' })
  await refuses(verifier, honest, 'token-revoked')
})

attack(74, 'a polluted Object.prototype gives claims to tokens', () => {
  // In a process of its own: this cannot be taken back.
  const script = `
    const { accepts, claims, scene, signed } = await import(${JSON.stringify(new URL('stage.ts', import.meta.url))})
    const { own, verifier, honest } = scene()
    await accepts(verifier, honest)
    const nobody = signed(own, { sub: undefined, jti: undefined })
    // One name twice makes up for the member that every object then has.
    const text = JSON.stringify(claims({ sub: undefined }))
    const twice = signed(own, text.slice(0, -1) + ',"jti":"again"}')
    Object.prototype.sub = 'admin'
    for (const token of [honest, nobody, twice, signed(own, { jti: 'new' })]) {
      const verification = verifier.verifyNow(token)
      const subject = verification.kind === 'verified' ? verification.token.subject : verification.denial.reason
      console.log(subject)
    }`
  const options = ['--conditions=source', '--input-type=module', '--eval', script]
  const node = spawnSync(process.execPath, options, {
    encoding: 'utf8',
    cwd: fileURLToPath(new URL('../..', import.meta.url)),
    // The runner sets it on a terminal, and Node says so aloud where NO_COLOR is set too.
    env: { ...process.env, FORCE_COLOR: undefined },
  })
  assert.equal(node.stderr, '')
  // The first was verified before it happened, and its claims are its own.
  assert.deepEqual(node.stdout.trim().split('\n'), [
    'orders',
    'token-malformed',
    'token-malformed',
    'token-malformed',
  ])
})

attack(75, 'members of a JWK that cannot become text', async () => {
  const own = pair('RS256')
  const jwk = publicJwkOf(own)
  const textless = [
    { toString: 1, valueOf: 1 },
    Object.create(null) as object,
    [{ toString: null }],
    () => 'x',
  ]
  for (const value of textless) {
    for (const name of ['kty', 'alg', 'kid', 'use', 'n', 'e']) {
      refusesToMake(() => readJwk({ ...jwk, [name]: value }), 'key-invalid')
      const keys = [{ ...jwk, kid: 'odd', [name]: value }, publicJwkOf(pair('ES256'))]
      await accepts(verifierOf(createKeySet(readJwks({ keys }))), signed(pair('ES256')))
      refusesToMake(() => jwkThumbprint({ ...jwk, kty: value } as Jwk), 'key-invalid')
    }
    // A member that has no meaning for the key is not looked at, so whatever it is does no harm.
    assert.equal(readJwk({ ...jwk, crv: value }).algorithm, 'RS256')
  }
  for (const kty of ['constructor', '__proto__', 'toString', 'hasOwnProperty', '']) {
    refusesToMake(() => jwkThumbprint({ ...jwk, kty }), 'key-invalid')
    refusesToMake(() => readJwk({ ...jwk, kty }), 'key-invalid')
  }
})

attack(76, 'alg none makes us fetch keys', async (t) => {
  const own = pair('ES256')
  const home = await listen(
    t,
    serveJson(() => ({ keys: [publicJwkOf(own)] })),
  )
  const keySet = createRemoteKeySet({
    issuer: home.origin,
    jwksUri: `${home.origin}/jwks`,
    cooldownSeconds: 0,
  })
  const verifier = verifierOf(keySet, { issuer: home.origin })
  for (const alg of ['none', 'None', 'HS257', 'RSA1_5', 'dir', '']) {
    await refuses(
      verifier,
      signed(own, { iss: home.origin }, { alg, kid: `made-up-${alg}` }),
      'algorithm-mismatch',
    )
  }
  for (const typ of ['JWT', undefined]) {
    await refuses(verifier, signed(own, { iss: home.origin }, { typ, kid: 'made-up' }), 'type-mismatch')
  }
  assert.equal(home.connections, 0)
  await accepts(verifier, signed(own, { iss: home.origin }))
  assert.equal(home.requests.length, 1)
})

attack(77, 'a stolen token that is bound to a key is shown as a bearer token', async () => {
  const { own, verifier, honest } = scene()
  await accepts(verifier, honest)
  for (const cnf of [
    { jkt: 'NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs' },
    { 'x5t#S256': 'bwcK0esc3ACC3DB2Y5_lESsXE8o9ltc05O89jdN-dg2' },
    { jwk: publicJwkOf(own) },
    { kid: own.kid },
    {},
    null,
    'x',
    [],
  ]) {
    const token = signed(own, { cnf })
    await refuses(verifier, token, 'proof-required')
    await refuses(verifier, token, 'proof-required')
  }
})

attack(78, 'a name of this machine that leads elsewhere opens plain http: to the network', async () => {
  const { checkAddress } = await import('../../packages/sdk/src/core/safe-get.ts')
  const limits = {
    timeoutMs: 100,
    maxBytes: 1000,
    allowPrivateAddresses: true,
    allowLoopback: true,
    dangerouslyAllowHttp: false,
  }
  for (const address of [
    '93.184.215.14',
    '10.0.0.1',
    '192.168.1.1',
    '2001:db8::1',
    'fd00::1',
    '169.254.169.254',
  ]) {
    refusesToMake(() => checkAddress(address, true, limits), 'fetch-refused')
  }
  for (const address of ['127.0.0.1', '127.8.9.10', '::1', '::ffff:127.0.0.1'])
    checkAddress(address, true, limits)
  // And the other way round: a public name that leads to this machine.
  for (const address of ['127.0.0.1', '::1', '::ffff:127.0.0.1']) {
    refusesToMake(() => checkAddress(address, false, limits), 'fetch-refused')
  }
})

attack(
  79,
  'a worthless token makes claims of honest ones vanish: V8 reads an escaped name as one it met before',
  async () => {
    const { own, verifier, honest } = scene()
    await accepts(verifier, honest)
    const theirs = pair('ES256', 'attacker')
    const header = { alg: 'ES256', typ: 'at+jwt', kid: own.kid }
    // As some issuers write them: slashes and letters beyond ASCII escaped.
    for (const [text, name] of [
      ['"https:\\/\\/acme.example\\/suspended":true', 'https://acme.example/suspended'],
      ['"https:\\/\\/acme.example\\/role":true', 'https://acme.example/role'],
      ['"\\u00e9tat":true', '\u00e9tat'],
      ['"su\\u0062ject":true', 'subject'],
    ] as const) {
      for (const [index, first] of ['"n":1', '"m":{}', '"o":[]'].entries()) {
        // The source text of the name, cut to the length of the name: that is what V8 compares.
        const poison = JSON.stringify(text.slice(1).slice(0, name.length))
        const before = `"x${index}${name.length}":1,${first}`
        const worthless = forge(header, `{${before},${poison}:1}`, signedBy(theirs, 'ES256'))
        assert.equal(verifier.verifyNow(worthless)?.kind, 'denied')
        // And for what else the process reads.
        JSON.parse(`{${before},${poison}:1}`)
        const token = signed(own, `{${before},${text},${JSON.stringify(claims()).slice(1)}`)
        await accepts(verifier, token)
        const verification = verifier.verifyNow(token)
        assert.ok(verification?.kind === 'verified')
        assert.equal(verification.token.claims[name], true)
      }
    }
    for (const odd of ['a\\"', '\\\\', 'a\\n', '\\u001f']) {
      await refuses(
        verifier,
        signed(own, `{"${odd}":1,${JSON.stringify(claims()).slice(1)}`),
        'token-malformed',
      )
    }
  },
)

attack(
  86,
  'a worthless token of quotes that never end, which costs a quarter of a second to read',
  async () => {
    const { own, verifier, honest } = scene()
    await accepts(verifier, honest)
    const theirs = pair('ES256', 'attacker')
    const header = { alg: 'ES256', typ: 'at+jwt', kid: own.kid }
    const costOf = (payload: string): number => {
      const token = forge(header, payload, signedBy(theirs, 'ES256'))
      const times = Array.from({ length: 5 }, () => {
        const startMs = performance.now()
        assert.equal(verifier.verifyNow(token)?.kind, 'denied')
        return performance.now() - startMs
      })
      return Math.min(...times)
    }
    const usualMs = costOf(JSON.stringify(claims({ text: 'x'.repeat(11_000) })))
    // An escaped name first, so that the names are looked at before the text is known to be JSON.
    for (const tail of [
      '"' + '\\"'.repeat(5_500),
      '"' + '\\"'.repeat(5_500) + '\\',
      '"' + ' '.repeat(11_000),
    ]) {
      assert.ok(costOf(`{"\\u0061":1,${tail}`) < 100 * Math.max(usualMs, 0.1))
    }
  },
)
