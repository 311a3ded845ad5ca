import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Denial } from '../core/denial.ts'
import { dpopPlace, extractToken, readTokenPlaces, usesDpopScheme } from './token-places.ts'
import type { TokenPlaceOption } from './token-places.ts'

const all: TokenPlaceOption[] = ['bearer', { header: 'Token' }, { cookie: 'access' }]
const long = 'a'.repeat(16 * 1024)

for (const [places, headers, expected] of [
  // Authorization
  [['bearer'], ['Authorization', 'Bearer abc.def.ghi'], 'abc.def.ghi'],
  [['bearer'], ['host', 'x', 'AUTHORIZATION', 'bEaReR abc'], 'abc'],
  [['bearer'], ['authorization', 'Bearer    abc'], 'abc'],
  [['bearer'], [], { reason: 'token-missing' }],
  [['bearer'], ['Authorization', ''], { reason: 'token-missing' }],
  [['bearer'], ['Authorization', 'Basic abc'], { reason: 'token-missing' }],
  [['bearer'], ['Authorization', 'Bearerabc'], { reason: 'token-missing' }],
  [['bearer'], ['Authorization', 'abc'], { reason: 'token-missing' }],
  [['bearer'], ['Authorization', 'x Bearer abc'], { reason: 'token-missing' }],
  [['bearer'], ['Proxy-Authorization', 'Bearer abc'], { reason: 'token-missing' }],
  [['bearer'], ['Authorization_', 'Bearer abc'], { reason: 'token-missing' }],
  [['bearer'], ['Authorization', 'Bearer'], { reason: 'credentials-malformed' }],
  [['bearer'], ['Authorization', 'Bearer   '], { reason: 'credentials-malformed' }],
  [['bearer'], ['Authorization', 'Bearer a b'], { reason: 'credentials-malformed' }],
  [['bearer'], ['Authorization', 'Bearer a, Bearer b'], { reason: 'credentials-malformed' }],
  [['bearer'], ['Authorization', 'Bearer a,b'], { reason: 'credentials-malformed' }],
  [['bearer'], ['Authorization', 'Bearer\tabc'], { reason: 'credentials-malformed' }],
  [['bearer'], ['Authorization', 'Bearer abc\tdef'], { reason: 'credentials-malformed' }],
  [['bearer'], ['Authorization', 'Bearer a', 'authorization', 'Bearer a'], { reason: 'token-repeated' }],
  [['bearer'], ['Authorization', 'Basic a', 'Authorization', 'Bearer b'], { reason: 'token-repeated' }],
  [['bearer'], ['Authorization', 'Bearer a', 'Authorization', ''], { reason: 'token-repeated' }],
  [['bearer'], ['Authorization', `Bearer ${long}`], long],
  [['bearer'], ['Authorization', `Bearer ${long}a`], { reason: 'token-oversize' }],
  // a header of its own
  [[{ header: 'Token' }], ['token', 'abc'], 'abc'],
  [[{ header: 'token' }], ['Token', ''], { reason: 'token-missing' }],
  [[{ header: 'Token' }], ['Authorization', 'Bearer abc'], { reason: 'token-missing' }],
  [[{ header: 'Token' }], ['Token', 'Bearer abc'], { reason: 'credentials-malformed' }],
  [[{ header: 'Token' }], ['Token', 'a', 'TOKEN', 'b'], { reason: 'token-repeated' }],
  [[{ header: 'Token' }], ['Token', `${long}a`], { reason: 'token-oversize' }],
  [[{ header: 'X^Y' }], ['X~Y', 'a'], { reason: 'token-missing' }],
  // a cookie
  [[{ cookie: 'access' }], ['Cookie', 'a=1; access=abc; b=2'], 'abc'],
  [[{ cookie: 'access' }], ['cookie', 'access=abc==', 'x', 'y'], 'abc=='],
  [[{ cookie: 'access' }], ['Cookie', 'a=1', 'Cookie', 'access=abc'], 'abc'],
  [[{ cookie: 'access' }], ['Cookie', 'access='], { reason: 'token-missing' }],
  [[{ cookie: 'access' }], ['Cookie', 'access'], { reason: 'token-missing' }],
  [[{ cookie: 'access' }], ['Cookie', 'Access=abc'], { reason: 'token-missing' }],
  [
    [{ cookie: 'access' }],
    ['Cookie', 'xaccess=abc; accessx=abc; a="access=abc"'],
    { reason: 'token-missing' },
  ],
  [[{ cookie: 'access' }], ['Cookie', 'access;=abc'], { reason: 'token-missing' }],
  [[{ cookie: 'access' }], ['Cookie', 'access=a; access=b'], { reason: 'token-repeated' }],
  [[{ cookie: 'access' }], ['Cookie', 'access=a', 'Cookie', 'access=b'], { reason: 'token-repeated' }],
  [[{ cookie: 'access' }], ['Cookie', 'access=a b'], { reason: 'credentials-malformed' }],
  // what other readers of cookies take for the same name
  [[{ cookie: 'access' }], ['Cookie', 'access =a; access=b'], { reason: 'token-repeated' }],
  [[{ cookie: 'access' }], ['Cookie', 'a=1;\taccess=a; access=b'], { reason: 'token-repeated' }],
  [[{ cookie: 'access' }], ['Cookie', '\u00a0access=a; access=b'], { reason: 'token-repeated' }],
  [[{ cookie: 'access' }], ['Cookie', 'access\t=abc'], 'abc'],
  // several places
  [all, ['Authorization', 'Basic x', 'Token', 'abc', 'Cookie', 'access='], 'abc'],
  [all, ['Token', '', 'Authorization', 'Bearer abc'], 'abc'],
  [all, ['Token', 'abc', 'Authorization', 'Bearer abc'], { reason: 'token-places' }],
  [all, ['Cookie', 'access=a', 'Token', 'abc'], { reason: 'token-places' }],
  [all, ['Token', 'abc', 'Authorization', 'Bearer'], { reason: 'credentials-malformed' }],
] as const) {
  const shown = JSON.stringify(headers).replaceAll(long, '<16 KiB>')
  test(`${JSON.stringify(places)} in ${shown}`, () => {
    const result = extractToken(readTokenPlaces(places), headers)
    assert.deepEqual(typeof result === 'string' ? result : { reason: result.reason }, expected)
  })
}

test('no denial repeats the token', () => {
  for (const value of ['Bearer secret-a, secret-b', `Bearer ${'secret'.repeat(4000)}`]) {
    assert.ok(
      !JSON.stringify(extractToken([{ kind: 'bearer' }], ['Authorization', value])).includes('secret'),
    )
  }
})

for (const [option, message] of [
  [[], 'tokenFrom: expected a list of places'],
  [['Bearer'], 'tokenFrom: expected a place'],
  [[{}], 'tokenFrom: a place has one name'],
  [[{ header: 'A', cookie: 'b' }], 'tokenFrom: a place has one name'],
  [[{ header: '' }], 'tokenFrom: "" cannot be the name of a header'],
  [[{ header: 'a b' }], 'tokenFrom: "a b" cannot be the name of a header'],
  [[{ cookie: 'a=b' }], 'tokenFrom: "a=b" cannot be the name of a cookie'],
  [[{ cookie: 'é' }], 'tokenFrom: "é" cannot be the name of a cookie'],
  [[{ header: 'AUTHORIZATION' }], 'tokenFrom: the header AUTHORIZATION is no place of its own'],
  [[{ header: 'Token' }, { header: 'token' }], 'tokenFrom: header token is named twice'],
  [['bearer', 'bearer'], 'tokenFrom: header authorization is named twice'],
] as const) {
  test(`${JSON.stringify(option)} is refused`, () => {
    assert.throws(() => readTokenPlaces(option as unknown as TokenPlaceOption[]), {
      code: 'option-invalid',
      message,
    })
  })
}

test('a misspelt kind of place is refused', () => {
  assert.throws(() => readTokenPlaces([{ heade: 'Token' }] as unknown as TokenPlaceOption[]), {
    code: 'option-unknown',
  })
})

test('the scheme DPoP is a place of its own, for those who check proofs', () => {
  const both = [...readTokenPlaces(['bearer', { header: 'Token' }]), dpopPlace]
  assert.equal(extractToken(both, ['Authorization', 'DPoP abc']), 'abc')
  assert.equal(extractToken(both, ['authorization', 'dpop  abc']), 'abc')
  assert.equal(extractToken(both, ['Authorization', 'Bearer abc']), 'abc')
  assert.equal(
    reasonOf(extractToken(readTokenPlaces(['bearer']), ['Authorization', 'DPoP abc'])),
    'token-missing',
  )
  assert.equal(reasonOf(extractToken(both, ['Authorization', 'DPoPabc'])), 'token-missing')
  assert.equal(reasonOf(extractToken(both, ['Authorization', 'DPoP'])), 'credentials-malformed')
  assert.equal(reasonOf(extractToken(both, ['Authorization', 'DPoP a', 'Token', 'b'])), 'token-places')
  const two = ['Authorization', 'DPoP a', 'Authorization', 'Bearer b']
  assert.equal(reasonOf(extractToken(both, two)), 'token-repeated')
  assert.equal(reasonOf(extractToken(both, [...two.slice(2), ...two.slice(0, 2)])), 'token-repeated')
  assert.throws(() => readTokenPlaces(['dpop' as 'bearer']), { code: 'option-invalid' })
})

test('which scheme it was', () => {
  assert.equal(usesDpopScheme(['Host', 'x', 'AUTHORIZATION', 'dPoP abc']), true)
  assert.equal(usesDpopScheme(['Authorization', 'Bearer abc', 'DPoP', 'proof']), false)
  assert.equal(usesDpopScheme(['Authorization', 'DPoPx abc']), false)
  assert.equal(usesDpopScheme([]), false)
})

function reasonOf(result: string | Denial): string | undefined {
  return typeof result === 'string' ? undefined : result.reason
}
