import { test } from 'node:test'
import assert from 'node:assert/strict'
import { inspectToken, maxTokenLength } from '@countersign/sdk/jwt'
import { attack } from './attack.ts'
import { accepts, claims, encode, forge, pair, refuses, scene, signed, signedBy } from './stage.ts'

// All of these are signed by the issuer itself, so that nothing but the header or the text can refuse them.

test('honest headers pass: more members, another case of typ, white space in the JSON', async () => {
  const { own, verifier, honest } = scene()
  await accepts(verifier, honest)
  await accepts(verifier, signed(own, {}, { cty: 'x', x5t: 'AAAA', custom: { deep: [1, 2, 3] } }))
  await accepts(verifier, signed(own, {}, { typ: 'AT+JWT' }))
  await accepts(verifier, signed(own, {}, { typ: 'application/at+jwt' }))
  await accepts(verifier, signed(own, {}, ` { "typ" : "at+jwt",\n"alg":"ES256", "kid":"${own.kid}" } `))
  await accepts(verifier, signed(own, {}, `{"t\\u0079p":"at+jwt","alg":"ES256","kid":"${own.kid}"}`))
})

attack(27, 'crit ignored', async () => {
  const { own, verifier, honest } = scene()
  await accepts(verifier, honest)
  for (const header of [
    { crit: ['x'], x: 1 },
    { crit: ['exp'], exp: 1 },
    { crit: ['http://example.com/UNDEFINED'], 'http://example.com/UNDEFINED': true },
    { crit: ['b64'], b64: true },
    { crit: ['x', 'y'], x: 1, y: 2 },
    { crit: ['constructor'] },
    { crit: ['__proto__'] },
  ]) {
    await refuses(verifier, signed(own, {}, header), 'critical-unknown')
  }
  await refuses(verifier, signed(own, {}, headerText(own, '"cr\\u0069t":["x"],"x":1')), 'critical-unknown')
})

attack(28, 'crit malformed', async () => {
  const { own, verifier, honest } = scene()
  await accepts(verifier, honest)
  const odd = [
    [],
    null,
    '',
    0,
    false,
    true,
    'x',
    {},
    ['alg'],
    ['x', 'x'],
    ['not-there'],
    [7],
    [null],
    [[]],
    [['x']],
  ]
  for (const crit of odd) await refuses(verifier, signed(own, {}, { crit }), 'critical-unknown')
  const long = signed(own, {}, { crit: Array.from({ length: 200 }, (_, index) => `x${index}`) })
  await refuses(verifier, long, 'critical-unknown')
})

attack(29, 'a payload that is not encoded (b64)', async () => {
  const { own, verifier, honest } = scene()
  await accepts(verifier, honest)
  const plain = JSON.stringify(claims())
  for (const header of [
    { b64: false, crit: ['b64'] },
    { b64: false },
    { b64: true },
    { b64: 'false' },
    { b64: null },
  ]) {
    const head = encode({ alg: 'ES256', typ: 'at+jwt', kid: own.kid, ...header })
    // With the payload as it is, encoded, left out, and none that could be decoded at all: it is not looked at.
    for (const payload of [plain.replaceAll('.', ''), encode(claims()), '', '%%%', '{']) {
      const input = `${head}.${payload}`
      const signature = Buffer.from(signedBy(own, 'ES256')(input)).toString('base64url')
      await refuses(verifier, `${input}.${signature}`, 'critical-unknown')
    }
  }
})

attack(30, 'two members of one name, so that two readers see two tokens', async () => {
  const { own, verifier, honest } = scene()
  await accepts(verifier, honest)
  for (const twice of [
    '"alg":"none","alg":"ES256"',
    '"alg":"ES256","alg":"none"',
    '"alg":"ES256","alg":"ES256"',
    '"alg":"ES256","al\\u0067":"none"',
    '"\\u0061lg":"none","alg":"ES256"',
    '"alg":"ES256","x":{"a":1,"a":2}',
    '"alg":"ES256","x":[{"a":1},{"b":1,"b":2}]',
    '"alg":"ES256","":1,"":2',
    '"alg":"ES256","x":{"a":1},"x":{"a":1}',
    '"alg":"ES256","1":1,"1":2',
  ]) {
    await refuses(
      verifier,
      signed(own, {}, `{"typ":"at+jwt","kid":"${own.kid}",${twice}}`),
      'token-malformed',
    )
  }
  for (const twice of [
    '"sub":"orders","sub":"admin"',
    '"su\\u0062":"admin"',
    '"iss":"https://evil.example"',
    '"aud":"other"',
    '"exp":9999999999',
    '"cnf":{"jkt":"a","jkt":"b"}',
    '"act":{"sub":"a","act":{"sub":"b","sub":"c"}}',
    '"note":{"a":{"b":":"}},"note":"::"',
  ]) {
    const text = `{${JSON.stringify(claims()).slice(1, -1)},${twice}}`
    await refuses(verifier, signed(own, text), 'token-malformed')
    await refuses(verifier, signed(own, `{${twice},${JSON.stringify(claims()).slice(1)}`), 'token-malformed')
  }
  // Colons and quotes inside strings are no members.
  await accepts(verifier, signed(own, { note: '"a":1,"a":2 \\" : {"x":{' }))
})

attack(31, 'claims that differ only in case, which other languages read as one', async () => {
  const { own, verifier, honest } = scene()
  await accepts(verifier, honest)
  await accepts(
    verifier,
    signed(own, { favouriteColour: 'red', 'https://acme.example/Tenant': 7, Straße: 1 }),
  )
  const readAsKnown = ['ISS', 'Iss', 'isS', 'SUB', 'Aud', 'EXP', 'Roles', 'SCOPE', 'Client_Id', 'ACT', 'CNF']
  // Unicode folds these two to s and k, and so do Go's and Java's comparisons without case.
  const folded = ['i\u017fs', '\u017fub', 'i\u017f\u017f', 'role\u017f', '\u017fcope', 'i\u00df']
  for (const name of [...readAsKnown, ...folded]) {
    await refuses(verifier, signed(own, { [name]: 'https://evil.example' }), 'claim-malformed')
  }
  // And any two of the caller's own names: whoever reads them next may not tell them apart.
  for (const [one, other] of [
    ['tenant', 'Tenant'],
    ['tenant', 'TENANT'],
    ['Tenant', 'tenanT'],
    ['task', 'tas\u212a'],
    ['\u00e9tat', '\u00c9tat'],
  ] as const) {
    await accepts(verifier, signed(own, { [one]: 'a' }))
    await refuses(verifier, signed(own, { [one]: 'a', [other]: 'b' }), 'claim-malformed')
  }
})

attack(32, 'text that is not UTF-8, a byte order mark, half surrogate pairs, NUL', async () => {
  const { own, verifier, honest } = scene()
  await accepts(verifier, honest)
  await accepts(verifier, signed(own, { note: 'é € 𝄞 \u007f \ufffd \ufeff' }))
  const text = JSON.stringify(claims({ note: '@' }))
  const withBytes = (bytes: number[]): Buffer => {
    const [before, after] = text.split('@') as [string, string]
    return Buffer.concat([Buffer.from(before), Buffer.from(bytes), Buffer.from(after)])
  }
  for (const bytes of [
    [0xff],
    [0xc3],
    [0x80],
    [0xc0, 0x80], // NUL in two bytes
    [0xc0, 0xa2], // a quote in two bytes
    [0xe0, 0x80, 0xa2],
    [0xed, 0xa0, 0x80], // half a surrogate pair
    [0xed, 0xa0, 0xbd, 0xed, 0xb8, 0x80], // both halves, as CESU-8 writes them
    [0xf4, 0x90, 0x80, 0x80], // above U+10FFFF
    [0xf8, 0x88, 0x80, 0x80, 0x80],
    [0x00],
    [0x0a],
  ]) {
    await refuses(verifier, signed(own, withBytes(bytes)), 'token-malformed')
  }
  const mark = Buffer.from([0xef, 0xbb, 0xbf])
  const head = JSON.stringify({ alg: 'ES256', typ: 'at+jwt', kid: own.kid })
  await refuses(
    verifier,
    signed(own, Buffer.concat([mark, Buffer.from(JSON.stringify(claims()))])),
    'token-malformed',
  )
  await refuses(verifier, signed(own, {}, Buffer.concat([mark, Buffer.from(head)])), 'token-malformed')
  await refuses(verifier, signed(own, Buffer.from(JSON.stringify(claims()), 'utf16le')), 'token-malformed')
  await refuses(verifier, signed(own, {}, Buffer.from(head, 'utf16le')), 'token-malformed')
  for (const escape of [
    '\\ud800',
    '\\udc00',
    '\\ud800\\ud800',
    '\\udc00\\ud800',
    'a\\ud83d',
    '\\u0000',
    'x\\u0000y',
  ]) {
    await refuses(
      verifier,
      signed(own, `{${JSON.stringify(claims()).slice(1, -1)},"note":"${escape}"}`),
      'token-malformed',
    )
    await refuses(
      verifier,
      signed(own, `{${JSON.stringify(claims()).slice(1, -1)},"${escape}":1}`),
      'token-malformed',
    )
    await refuses(
      verifier,
      signed(own, `{${JSON.stringify(claims()).slice(1, -1)},"x":["${escape}"]}`),
      'token-malformed',
    )
    await refuses(verifier, signed(own, {}, headerText(own, `"x":"${escape}"`)), 'token-malformed')
  }
})

attack(33, 'a token of another kind', async () => {
  const { own, verifier, honest } = scene()
  await accepts(verifier, honest)
  const kinds = [
    'JWT',
    'dpop+jwt',
    'logout+jwt',
    'secevent+jwt',
    'id_token',
    'at+jwt ',
    'xat+jwt',
    'at+jwt;v=1',
    '',
  ]
  for (const typ of [...kinds, 'application/application/at+jwt', 'text/at+jwt', 'at', undefined]) {
    await refuses(verifier, signed(own, {}, { typ }), 'type-mismatch')
  }
  for (const typ of [null, 7, ['at+jwt'], { typ: 'at+jwt' }, true]) {
    await refuses(verifier, signed(own, {}, { typ }), 'token-malformed')
  }
  for (const header of [{ enc: 'A256GCM' }, { zip: 'DEF' }, { zip: '' }, { enc: null }]) {
    await refuses(verifier, signed(own, {}, header), 'token-malformed')
  }
  // The other way round: a verifier of another kind does not take an access token.
  const logout = scene('ES256', { types: ['logout+jwt'] })
  await accepts(logout.verifier, signed(logout.own, {}, { typ: 'logout+jwt' }))
  await refuses(logout.verifier, logout.honest, 'type-mismatch')
})

attack(34, 'a huge token or header', async () => {
  const { own, verifier, honest } = scene()
  await accepts(verifier, honest)
  await accepts(verifier, signed(own, { note: 'x'.repeat(8000) }))
  await refuses(verifier, signed(own, { note: 'x'.repeat(1 << 20) }), 'token-oversize')
  await refuses(verifier, signed(own, {}, { note: 'x'.repeat(1 << 20) }), 'token-oversize')
  await refuses(verifier, `${honest}${'A'.repeat(64 << 20)}`, 'token-oversize')
  await refuses(verifier, signed(own, {}, { note: 'x'.repeat(2000) }), 'token-malformed')
  // Exactly at the limit and one behind it.
  const room = maxTokenLength - signed(own, { note: '' }).length
  const full = signed(own, { note: 'x'.repeat(Math.floor((room * 3) / 4)) })
  assert.ok(full.length <= maxTokenLength && full.length > maxTokenLength - 4, String(full.length))
  await accepts(verifier, full)
  await refuses(verifier, full + 'A'.repeat(maxTokenLength + 1 - full.length), 'token-oversize')
  assert.deepEqual(inspectToken('A'.repeat(1 << 20)).problems.length, 1)
})

attack(35, 'a hundred thousand nested arrays', async () => {
  const { own, verifier, honest } = scene()
  await accepts(verifier, honest)
  const nested = (depth: number): string => `${'['.repeat(depth)}${']'.repeat(depth)}`
  const objects = (depth: number): string => `${'{"a":'.repeat(depth)}1${'}'.repeat(depth)}`
  const withNote = (note: string): string => `{${JSON.stringify(claims()).slice(1, -1)},"note":${note}}`
  await accepts(verifier, signed(own, withNote(nested(31))))
  await accepts(verifier, signed(own, withNote(objects(31))))
  await accepts(verifier, signed(own, withNote(JSON.stringify('['.repeat(5000)))))
  for (const depth of [32, 33, 100, 1000]) {
    await refuses(verifier, signed(own, withNote(nested(depth))), 'token-malformed')
    await refuses(verifier, signed(own, withNote(objects(depth))), 'token-malformed')
    if (depth > 500) continue
    await refuses(verifier, signed(own, {}, headerText(own, `"x":${nested(depth)}`)), 'token-malformed')
  }
  await refuses(verifier, signed(own, '['.repeat(6000)), 'token-malformed')
  await refuses(verifier, signed(own, withNote(nested(100_000))), 'token-oversize')
  assert.ok(inspectToken(signed(own, '['.repeat(6000))).problems.length > 0)
})

attack(36, 'a claim named __proto__', async () => {
  const { own, verifier, honest } = scene()
  await accepts(verifier, honest)
  const before = Object.getOwnPropertyNames(Object.prototype)
  for (const member of [
    '"__proto__":{"admin":true}',
    '"__proto__":null',
    '"__proto__":1',
    '"\\u005f_proto__":{"admin":true}',
    '"act":{"__proto__":{"admin":true}}',
    '"list":[{"__proto__":{"admin":true}}]',
  ]) {
    await refuses(
      verifier,
      signed(own, `{${JSON.stringify(claims()).slice(1, -1)},${member}}`),
      'token-malformed',
    )
    await refuses(verifier, signed(own, {}, headerText(own, member)), 'token-malformed')
    inspectToken(signed(own, `{${member}}`))
  }
  assert.equal(({} as Record<string, unknown>)['admin'], undefined)
  assert.deepEqual(Object.getOwnPropertyNames(Object.prototype), before)

  // Names that every object inherits are ordinary claims; and one that is not there is not there.
  const token = signed(own, { constructor: { prototype: { admin: true } }, nested: { toString: 'a' } })
  const verification = verifier.verifyNow(token)
  assert.equal(verification?.kind, 'verified')
  const { claims: given, header } = verification.token
  for (const object of [given, header, given['nested'] as object]) {
    assert.equal(Object.getPrototypeOf(object), null)
    assert.equal('hasOwnProperty' in object, false)
  }
  const merged = Object.assign({}, given) as Record<string, unknown>
  assert.equal(merged['admin'], undefined)
})

function headerText({ kid }: ReturnType<typeof pair>, members: string): string {
  return `{"alg":"ES256","typ":"at+jwt","kid":"${kid}",${members}}`
}

test('what these attacks sign is accepted once the attack is taken out', async () => {
  const { own, verifier } = scene()
  await accepts(verifier, signed(own, {}, headerText(own, '"x":1')))
  await accepts(verifier, signed(own, JSON.stringify(claims())))
  await accepts(
    verifier,
    forge({ alg: 'ES256', typ: 'at+jwt', kid: own.kid }, claims(), signedBy(own, 'ES256')),
  )
})
