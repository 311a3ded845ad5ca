import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  checkType,
  maxHeaderLength,
  maxKeyIdLength,
  maxTokenLength,
  mediaType,
  readHeader,
  readJsonSegment,
  secondDot,
} from './compact.ts'

const segment = (text: string | Uint8Array): string => Buffer.from(text).toString('base64url')

for (const [text, expected] of [
  ['a.b.c', 3],
  ['a..c', 2],
  ['a.b.', 3],
  ['a..', 2],
  ['.b.c', -1],
  ['..', -1],
  ['a.b', -1],
  ['abc', -1],
  ['', -1],
  ['a.b.c.d', -1],
  ['a.b.c.', -1],
  ['a.b.c.d.e', -1],
] as const) {
  test(`the second dot of ${JSON.stringify(text)} is at ${expected}`, () => {
    assert.equal(secondDot(text, text.indexOf('.')), expected)
  })
}

test('a header is read', () => {
  const members = { alg: 'ES256', kid: 'k', typ: 'application/AT+JWT', x: { y: 1 } }
  const header = readHeader(segment(JSON.stringify(members)))
  assert.ok(!('reason' in header))
  assert.equal(header.algorithm, 'ES256')
  assert.equal(header.keyId, 'k')
  assert.equal(header.type, 'at+jwt')
  assert.deepEqual(JSON.parse(JSON.stringify(header.members)), members)
})

test('what a header does not say is undefined', () => {
  const header = readHeader(segment('{"alg":"HS256"}'))
  assert.ok(!('reason' in header))
  assert.equal(header.keyId, undefined)
  assert.equal(header.type, undefined)
})

for (const [what, text, expected] of [
  ['no JSON', '{"alg":', 'token-malformed'],
  ['a list', '["ES256"]', 'token-malformed'],
  ['null', 'null', 'token-malformed'],
  ['nothing', '', 'token-malformed'],
  ['a repeated alg', '{"alg":"none","alg":"ES256"}', 'token-malformed'],
  ['a repeated alg in disguise', '{"alg":"none","al\\u0067":"ES256"}', 'token-malformed'],
  ['__proto__', '{"alg":"ES256","__proto__":{"crit":["x"]}}', 'token-malformed'],
  ['no alg', '{"kid":"k"}', 'token-malformed'],
  ['alg null', '{"alg":null}', 'token-malformed'],
  ['alg in a list', '{"alg":["ES256"]}', 'token-malformed'],
  ['alg none', '{"alg":"none"}', 'algorithm-mismatch'],
  ['alg nOnE', '{"alg":"nOnE"}', 'algorithm-mismatch'],
  ['an empty alg', '{"alg":""}', 'algorithm-mismatch'],
  ['alg of what objects inherit', '{"alg":"constructor"}', 'algorithm-mismatch'],
  ['kid as number', '{"alg":"ES256","kid":1}', 'token-malformed'],
  ['kid null', '{"alg":"ES256","kid":null}', 'token-malformed'],
  ['kid in an object', '{"alg":"ES256","kid":{"$ne":null}}', 'token-malformed'],
  ['typ as number', '{"alg":"ES256","typ":1}', 'token-malformed'],
  ['typ null', '{"alg":"ES256","typ":null}', 'token-malformed'],
  ['enc', '{"alg":"ES256","enc":"A128GCM"}', 'token-malformed'],
  ['zip', '{"alg":"ES256","zip":"DEF"}', 'token-malformed'],
  ['crit', '{"alg":"ES256","crit":["exp"],"exp":1}', 'critical-unknown'],
  ['an empty crit', '{"alg":"ES256","crit":[]}', 'critical-unknown'],
  ['crit null', '{"alg":"ES256","crit":null}', 'critical-unknown'],
  ['crit false', '{"alg":"ES256","crit":false}', 'critical-unknown'],
  ['crit 0', '{"alg":"ES256","crit":0}', 'critical-unknown'],
  ['crit as text', '{"alg":"ES256","crit":"b64"}', 'critical-unknown'],
  ['b64 false', '{"alg":"ES256","b64":false}', 'critical-unknown'],
  ['b64 true', '{"alg":"ES256","b64":true}', 'critical-unknown'],
  ['a critical b64', '{"alg":"ES256","b64":false,"crit":["b64"]}', 'critical-unknown'],
] as const) {
  test(`a header with ${what}: ${expected}`, () => {
    const read = readHeader(segment(text))
    assert.equal('reason' in read && read.reason, expected)
  })
}

for (const [what, text] of [
  ['padding', `${segment('{"alg":"ES256" }')}=`],
  ['a space', ` ${segment('{"alg":"ES256"}')}`],
  ['the other alphabet', `${segment('{"alg":"ES256","kid":"???"}').replace('_', '/')}`],
  ['bytes that are no UTF-8', segment(Uint8Array.of(0x7b, 0xff, 0x7d))],
  ['a byte order mark', segment('\ufeff{"alg":"ES256"}')],
  ['two headers', segment('{"alg":"ES256"}{"alg":"ES256"}')],
] as const) {
  test(`a header with ${what} is malformed`, () => {
    const read = readHeader(text)
    assert.equal('reason' in read && read.reason, 'token-malformed')
  })
}

test('a header and a kid may be so long and no longer', () => {
  const header = (length: number): string => segment(`{"alg":"ES256","x":"${'x'.repeat(length)}"}`)
  const most = Math.floor((maxHeaderLength * 3) / 4) - '{"alg":"ES256","x":""}'.length
  assert.equal(header(most).length, maxHeaderLength)
  assert.ok(!('reason' in readHeader(header(most))))
  assert.ok('reason' in readHeader(header(most + 1)))
  const kid = (length: number): string => segment(`{"alg":"ES256","kid":"${'k'.repeat(length)}"}`)
  assert.ok(!('reason' in readHeader(kid(maxKeyIdLength))))
  assert.ok('reason' in readHeader(kid(maxKeyIdLength + 1)))
})

test('a detail names the extensions it does not know, briefly', () => {
  const read = readHeader(segment(JSON.stringify({ alg: 'ES256', crit: ['x'.repeat(100), 'y'], y: 1 })))
  assert.deepEqual(read, {
    reason: 'critical-unknown',
    detail: `header: unknown critical extension "${'x'.repeat(40)}", "y"`,
  })
})

test('a segment is an object, or a fault in words', () => {
  assert.deepEqual({ ...(readJsonSegment(segment('{"a":1}')) as object) }, { a: 1 })
  assert.equal(readJsonSegment('e30='), 'not canonical base64url')
  assert.equal(readJsonSegment(segment('[]')), 'not a JSON object')
  assert.equal(readJsonSegment(segment(Uint8Array.of(0x7b, 0xff, 0x7d))), 'not UTF-8')
})

test('the longest segment that fits into a token is read, and leaves nothing for the next one', () => {
  const long = segment(`{"a":"${'x'.repeat(12_000)}"}`)
  assert.ok(long.length < maxTokenLength)
  assert.equal((readJsonSegment(long) as { a: string }).a.length, 12_000)
  assert.deepEqual({ ...(readJsonSegment(segment('{}')) as object) }, {})
})

for (const [type, expected] of [
  ['at+jwt', 'at+jwt'],
  ['AT+JWT', 'at+jwt'],
  ['application/at+jwt', 'at+jwt'],
  ['Application/AT+jwt', 'at+jwt'],
  ['JWT', 'jwt'],
  ['application/a/b', 'application/a/b'],
  ['image/png', 'image/png'],
  ['application/', ''],
  ['', ''],
] as const) {
  test(`the media type ${JSON.stringify(type)} compares as ${JSON.stringify(expected)}`, () => {
    assert.equal(mediaType(type), expected)
  })
}

test('typ is an accepted one, or is not looked at', () => {
  const header = { algorithm: 'ES256', keyId: undefined, type: 'at+jwt', members: {} } as const
  assert.equal(checkType(header, new Set(['at+jwt'])), undefined)
  assert.equal(checkType(header, undefined), undefined)
  assert.equal(checkType(header, new Set(['jwt']))?.reason, 'type-mismatch')
  assert.equal(checkType(header, new Set())?.reason, 'type-mismatch')
  assert.equal(checkType({ ...header, type: undefined }, new Set(['at+jwt']))?.reason, 'type-mismatch')
  assert.equal(checkType({ ...header, type: undefined }, undefined), undefined)
})
