import assert from 'node:assert/strict'
import { createHash, generateKeyPairSync, sign } from 'node:crypto'
import { test } from 'node:test'
import fc from 'fast-check'
import { Problem } from '../core/problem.ts'
import { createDpopChecker } from './dpop-check.ts'
import type { DpopCheck, DpopChecker, DpopCheckerOptions, DpopRequest } from './dpop-check.ts'
import { createDpopNonces } from './dpop-nonce.ts'
import { createDpopKey, createDpopProof } from './dpop-proof.ts'
import type { Jwk } from './jwk.ts'
import { signJws } from './jws.ts'
import { generateSigningKey, privateJwk, publicJwk } from './key-readers.ts'

const nowMs = 1_800_000_000_000
const now = nowMs / 1000
const url = 'https://billing.example/invoices/7'
const accessToken = 'the-access-token'
const ath = createHash('sha256').update(accessToken).digest('base64url')

const signing = generateSigningKey('ES256')
const { kid: _kid, alg: _alg, use: _use, ...jwk } = publicJwk(signing)
let serial = 0

test('a good proof proves its key', () => {
  const key = createDpopKey()
  const proof = createDpopProof({ key, method: 'GET', url: `${url}?page=2`, accessToken, nowMs })
  const result = check(createDpopChecker(), proof, { thumbprint: key.thumbprint })
  assert.ok(result.kind === 'proven')
  assert.equal(result.proof.thumbprint, key.thumbprint)
  assert.equal(result.proof.nextNonce, undefined)
})

test('at a token endpoint: no access token, no key that is expected', () => {
  const key = createDpopKey({ algorithm: 'Ed25519' })
  const endpoint = 'https://issuer.example/token'
  const result = createDpopChecker().check({
    rawHeaders: ['dpop', createDpopProof({ key, method: 'POST', url: endpoint, nowMs })],
    method: 'POST',
    url: endpoint,
    nowMs,
  })
  assert.ok(!(result instanceof Promise) && result.kind === 'proven')
  assert.equal(result.proof.thumbprint, key.thumbprint)
})

for (const [what, changes] of [
  ['extra claims', { claims: { extra: { a: [1] }, sub: 'me' } }],
  ['an extra header member', { header: { note: 'x' } }],
  ['a jwk with kid, alg and use', { header: { jwk: { ...jwk, kid: 'k', alg: 'ES256', use: 'sig' } } }],
  ['typ with its prefix and in upper case', { type: 'application/DPOP+JWT' }],
  ['htu with query and fragment', { claims: { htu: `${url}?a=b#c` } }],
  [
    'htu in upper case and with the default port',
    { claims: { htu: 'HTTPS://BILLING.example:443/invoices/7' } },
  ],
  ['iat 300 s ago', { claims: { iat: now - 300 } }],
  ['iat 10 s ahead', { claims: { iat: now + 10 } }],
  ['exp ahead and nbf behind', { claims: { exp: now + 60, nbf: now - 60 } }],
  ['nbf 10 s ahead', { claims: { nbf: now + 10 } }],
  ['a nonce that nobody asked for', { claims: { nonce: 'from elsewhere' } }],
] as const) {
  test(`accepted: ${what}`, () => {
    assert.equal(check(createDpopChecker(), make(changes)).kind, 'proven')
  })
}

for (const [what, changes] of [
  ['no typ', { type: undefined }],
  ['typ of an access token', { type: 'at+jwt' }],
  ['typ JWT', { type: 'JWT' }],
  ['no jwk', { header: { jwk: undefined } }],
  ['a jwk that is no object', { header: { jwk: 'x' } }],
  ['a private jwk', { header: { jwk: privateHalf() } }],
  ['another public key', { header: { jwk: otherJwk() } }],
  ['a jwk for encryption', { header: { jwk: { ...jwk, use: 'enc' } } }],
  ['a jwk whose alg is another', { header: { jwk: { ...jwk, alg: 'ES384' } } }],
  ['a shared secret as jwk', { header: { jwk: { kty: 'oct', k: 'A'.repeat(43) } } }],
  ['a key that is fetched', { header: { jwk: undefined, jku: 'https://evil.example/jwks' } }],
  ['a critical extension', { header: { crit: ['x'], x: 1 } }],
  ['no jti', { claims: { jti: undefined } }],
  ['an empty jti', { claims: { jti: '' } }],
  ['jti of another type', { claims: { jti: 7 } }],
  ['no htm', { claims: { htm: undefined } }],
  ['another method', { claims: { htm: 'POST' } }],
  ['the method in lower case', { claims: { htm: 'get' } }],
  ['no htu', { claims: { htu: undefined } }],
  ['htu of another path', { claims: { htu: 'https://billing.example/invoices/8' } }],
  ['htu of another host', { claims: { htu: 'https://evil.example/invoices/7' } }],
  ['htu over plain http', { claims: { htu: 'http://billing.example/invoices/7' } }],
  ['htu as a list', { claims: { htu: [url] } }],
  ['no iat', { claims: { iat: undefined } }],
  ['iat as a text', { claims: { iat: String(now) } }],
  ['iat 301 s ago', { claims: { iat: now - 301 } }],
  ['iat an hour ago', { claims: { iat: now - 3600 } }],
  ['iat 16 s ahead', { claims: { iat: now + 16 } }],
  ['iat an hour ahead', { claims: { iat: now + 3600 } }],
  ['exp that has passed', { claims: { exp: now - 60 } }],
  ['exp that is no date', { claims: { exp: 'tomorrow' } }],
  ['nbf a minute ahead', { claims: { nbf: now + 60 } }],
  ['no ath', { claims: { ath: undefined } }],
  ['ath of another token', { claims: { ath: createHash('sha256').update('other').digest('base64url') } }],
  ['ath in hex', { claims: { ath: createHash('sha256').update(accessToken).digest('hex') } }],
  ['a nonce that is no text', { claims: { nonce: 7 } }],
] as const) {
  test(`refused: ${what}`, () => {
    assert.equal(reasonOf(check(createDpopChecker(), make(changes))), 'proof-invalid')
  })
}

test('no header, an empty one, and two of them', () => {
  const checker = createDpopChecker()
  const run = (rawHeaders: string[]) =>
    reasonOf(checker.check({ rawHeaders, method: 'GET', url, accessToken, nowMs }) as DpopCheck)
  assert.equal(run(['Host', 'billing.example']), 'proof-missing')
  assert.equal(run(['DPoP', '']), 'proof-missing')
  assert.equal(run(['DPoP', make(), 'dpop', make()]), 'proof-invalid')
  assert.equal(run(['DPoP', '', 'dpop', make()]), 'proof-invalid')
  assert.equal(run(['DPoP', `${make()}, ${make()}`]), 'proof-invalid', 'joined by somebody on the way')
  assert.equal(run(['DPoP', ` ${make()}`]), 'proof-invalid')
})

test('what is no proof at all', () => {
  const checker = createDpopChecker()
  const [header, claims, signature] = make().split('.') as [string, string, string]
  for (const text of [
    'x',
    '..',
    'a.b.c',
    `${header}.${claims}`,
    `${header}.${claims}.`,
    `${header}.${claims}.${signature}.x`,
    `${header}..${signature}`,
    `${header}.${claims}.${signature}=`,
    'a'.repeat(9000),
    `${'A'.repeat(4000)}.${claims}.${signature}`,
  ]) {
    assert.equal(reasonOf(check(checker, text)), 'proof-invalid', text.slice(0, 60))
  }
})

test('none, HMAC and algorithms that are not allowed', () => {
  const segment = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url')
  const claims = segment(goodClaims())
  for (const header of [
    { alg: 'none', typ: 'dpop+jwt', jwk },
    { alg: 'HS256', typ: 'dpop+jwt', jwk },
    { alg: 'HS256', typ: 'dpop+jwt', jwk: { kty: 'oct', k: 'A'.repeat(43) } },
    { typ: 'dpop+jwt', jwk },
  ]) {
    assert.equal(reasonOf(check(createDpopChecker(), `${segment(header)}.${claims}.AAAA`)), 'proof-invalid')
  }
  for (const algorithm of ['RS256', 'ES384'] as const) {
    const key = createDpopKey({ algorithm })
    const proof = createDpopProof({ key, method: 'GET', url, accessToken, nowMs })
    assert.equal(reasonOf(check(createDpopChecker(), proof)), 'proof-invalid', algorithm)
    assert.equal(check(createDpopChecker({ algorithms: [algorithm] }), proof).kind, 'proven')
  }
})

test('a weak key proves nothing', () => {
  const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 1024 })
  const segment = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url')
  const input = `${segment({ alg: 'PS256', typ: 'dpop+jwt', jwk: publicKey.export({ format: 'jwk' }) })}.${segment(goodClaims())}`
  const signature = sign('sha256', Buffer.from(input), { key: privateKey, padding: 6, saltLength: 32 })
  const result = check(createDpopChecker(), `${input}.${signature.toString('base64url')}`)
  assert.ok(result.kind === 'denied')
  assert.match(result.denial.detail, /2048 bits/)
})

test('the key that the token is bound to, and no other', () => {
  const checker = createDpopChecker()
  const thumbprint = createDpopKey().thumbprint
  assert.equal(reasonOf(check(checker, make(), { thumbprint })), 'confirmation-mismatch')
})

test('a proof counts once, and one that was refused is not used up', () => {
  const checker = createDpopChecker()
  const proof = make()
  assert.equal(reasonOf(check(checker, proof, { method: 'POST' })), 'proof-invalid')
  assert.equal(reasonOf(check(checker, proof, { accessToken: 'other' })), 'proof-invalid')
  assert.equal(check(checker, proof).kind, 'proven')
  assert.equal(reasonOf(check(checker, proof)), 'proof-replayed')
  assert.equal(reasonOf(check(checker, proof, { nowMs: nowMs + 300_000 })), 'proof-replayed')
  assert.equal(reasonOf(check(checker, proof, { nowMs: nowMs + 301_000 })), 'proof-invalid', 'now it is old')
})

test('two senders may choose one id', () => {
  const checker = createDpopChecker()
  const other = generateSigningKey('ES256')
  const theirs = publicJwk(other)
  const claims = { jti: 'same' }
  assert.equal(check(checker, make({ claims })).kind, 'proven')
  assert.equal(check(checker, make({ claims, header: { jwk: theirs } }, other)).kind, 'proven')
  assert.equal(reasonOf(check(checker, make({ claims: { ...claims, iat: now - 1 } }))), 'proof-replayed')
})

test('several URLs: any one', () => {
  const checker = createDpopChecker()
  const urls = ['https://inside.example/invoices/7', url]
  assert.equal(check(checker, make(), { url: urls }).kind, 'proven')
  assert.equal(reasonOf(check(checker, make(), { url: urls.slice(0, 1) })), 'proof-invalid')
  assert.equal(reasonOf(check(checker, make(), { url: [] })), 'proof-invalid')
})

test('a nonce that is demanded: missing, wrong, good, ageing, old', () => {
  const nonces = createDpopNonces()
  const checker = createDpopChecker({ nonces })
  assert.equal(reasonOf(check(checker, make())), 'nonce-required')
  assert.equal(reasonOf(check(checker, make({ claims: { nonce: 'x'.repeat(24) } }))), 'nonce-required')
  assert.equal(reasonOf(check(checker, make({ claims: { nonce: '' } }))), 'nonce-required')
  const nonce = checker.currentNonce(nowMs)!
  assert.equal(nonce, nonces.current(nowMs))
  const fresh = check(checker, make({ claims: { nonce } }))
  assert.ok(fresh.kind === 'proven')
  assert.equal(fresh.proof.nextNonce, undefined)
  const laterMs = nowMs + 60_000
  const ageing = check(checker, make({ claims: { nonce } }), { nowMs: laterMs })
  assert.ok(ageing.kind === 'proven')
  assert.equal(ageing.proof.nextNonce, nonces.current(laterMs))
  const result = check(checker, make({ claims: { nonce } }), { nowMs: nowMs + 120_000 })
  assert.equal(reasonOf(result), 'nonce-required')
})

test('with a nonce the sender’s clock does not matter, and a replay is still one', () => {
  const checker = createDpopChecker({ nonces: createDpopNonces() })
  const proof = make({ claims: { nonce: checker.currentNonce(nowMs), iat: now - 7200 } })
  assert.equal(check(checker, proof).kind, 'proven')
  assert.equal(reasonOf(check(checker, proof, { nowMs: nowMs + 119_000 })), 'proof-replayed')
})

test('without nonces there is none to hand out', () => {
  assert.equal(createDpopChecker().currentNonce(nowMs), undefined)
})

test('a store that answers later, and one that cannot', async () => {
  const marks = new Map<string, number>()
  const later = createDpopChecker({
    replays: {
      putOnce: async (scope, id, expiresAtMs) => {
        const isFirst = !marks.has(`${scope} ${id}`)
        marks.set(`${scope} ${id}`, expiresAtMs)
        return isFirst
      },
    },
  })
  const proof = make()
  const request = requestOf(proof)
  const pending = later.check(request)
  assert.ok(pending instanceof Promise)
  assert.equal((await pending).kind, 'proven')
  assert.equal(reasonOf(await later.check(request)), 'proof-replayed')
  assert.deepEqual([...marks.values()], [nowMs + 300_000], 'remembered for as long as it would count')
  const down = createDpopChecker({
    replays: { putOnce: () => Promise.reject(new Problem('store-unavailable', 'x')) },
  })
  await assert.rejects(async () => down.check(requestOf(make())), { code: 'store-unavailable' })
  const silent = createDpopChecker({ replays: { putOnce: async () => undefined as unknown as boolean } })
  assert.equal(reasonOf(await silent.check(requestOf(make()))), 'proof-replayed', 'no mark, no proof')
})

test('a full memory is a problem, not a refusal', () => {
  const checker = createDpopChecker({
    replays: {
      putOnce: () => {
        throw new Problem('proofs-full', 'x')
      },
    },
  })
  assert.throws(() => checker.check(requestOf(make())), { code: 'proofs-full' })
})

test('a header that is known is checked like one that is not', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: 5 }), { minLength: 1, maxLength: 12 }), (picks) => {
      const warm = createDpopChecker()
      check(warm, make())
      for (const pick of picks) {
        const proof = variants[pick]!()
        const [one, other] = [check(warm, proof), check(createDpopChecker(), proof)]
        assert.equal(one.kind, other.kind)
        if (one.kind === 'denied') assert.deepEqual(one, other)
      }
    }),
    { numRuns: 30 },
  )
})

test('the detail of a refusal quotes nothing of the proof', () => {
  for (const variant of variants) {
    const proof = variant()
    const result = check(createDpopChecker(), proof)
    if (result.kind === 'denied') {
      for (const part of proof.split('.')) assert.ok(!result.denial.detail.includes(part.slice(0, 12)))
    }
  }
})

for (const [options, code] of [
  [{ algorithms: [] }, 'option-invalid'],
  [{ algorithms: ['HS256'] }, 'option-invalid'],
  [{ algorithms: ['none'] }, 'option-invalid'],
  [{ maxAgeSeconds: 0 }, 'option-invalid'],
  [{ maxAgeSeconds: Number.POSITIVE_INFINITY }, 'option-invalid'],
  [{ maxAheadSeconds: 61 }, 'option-invalid'],
  [{ maxAheadSeconds: '5' }, 'option-invalid'],
  [{ replay: false }, 'option-unknown'],
] as const) {
  test(`options refused: ${JSON.stringify(options)}`, () => {
    assert.throws(() => createDpopChecker(options as unknown as DpopCheckerOptions), { code })
  })
}

test('a clock that gives no number stops it', () => {
  assert.throws(() => check(createDpopChecker(), make(), { nowMs: Number.NaN }), { code: 'option-invalid' })
})

const variants = [
  () => make(),
  () => make({ claims: { htm: 'POST' } }),
  () => make({ type: 'at+jwt' }),
  () => `${make()}x`,
  () => make({ header: { jwk: otherJwk() } }),
  () => `${make().split('.').slice(0, 2).join('.')}.${make().split('.')[2]}`,
]

type Changes = {
  readonly type?: string | undefined
  readonly header?: Readonly<Record<string, unknown>>
  readonly claims?: Readonly<Record<string, unknown>>
}

/** A proof that is good but for what is changed, with a real signature by `signing`. */
function make(changes: Changes = {}, key = signing): string {
  const claims = { ...goodClaims(), ...changes.claims }
  const type = 'type' in changes ? changes.type : 'dpop+jwt'
  const { crit, ...header } = { jwk, ...changes.header } as Record<string, unknown>
  if (crit !== undefined) return makeCritical(header, crit)
  return signJws(Buffer.from(JSON.stringify(claims)), {
    key,
    header,
    ...(type === undefined ? {} : { type }),
  })
}

/** Our own signer writes no such header. */
function makeCritical(header: Readonly<Record<string, unknown>>, crit: unknown): string {
  const segment = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url')
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const own = { alg: 'ES256', typ: 'dpop+jwt', ...header, crit, jwk: publicKey.export({ format: 'jwk' }) }
  const input = `${segment(own)}.${segment(goodClaims())}`
  const signature = sign('sha256', Buffer.from(input), { key: privateKey, dsaEncoding: 'ieee-p1363' })
  return `${input}.${signature.toString('base64url')}`
}

function goodClaims(): Record<string, unknown> {
  return { jti: `proof-${++serial}`, htm: 'GET', htu: url, iat: now, ath }
}

function privateHalf(): Jwk {
  return JSON.parse(privateJwk(signing).revealText()) as Jwk
}

function otherJwk(): Jwk {
  return publicJwk(generateSigningKey('ES256'))
}

function requestOf(proof: string): DpopRequest {
  return { rawHeaders: ['Host', 'x', 'DPoP', proof], method: 'GET', url, accessToken, nowMs }
}

function check(checker: DpopChecker, proof: string, changes: Partial<DpopRequest> = {}): DpopCheck {
  const result = checker.check({ ...requestOf(proof), ...changes })
  assert.ok(!(result instanceof Promise), 'the memory of this process answers at once')
  return result
}

function reasonOf(result: DpopCheck): string {
  return result.kind === 'denied' ? result.denial.reason : result.kind
}
