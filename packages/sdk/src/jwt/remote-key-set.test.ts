// As long as it is because everything that can go wrong at a key endpoint is asked of the same small issuer.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { generateSigningKey, publicJwk } from './key-readers.ts'
import { SigningKey } from './key.ts'
import { createRemoteKeySet } from './remote-key-set.ts'
import type { RemoteKeySetEvent, RemoteKeySetOptions } from './remote-key-set.ts'
import { createVerifier } from './verifier.ts'
import type { Problem } from '../core/problem.ts'
import { startIssuer, tokenOf, until } from '../../../../test/jwt/issuer.ts'
import type { TestIssuer } from '../../../../test/jwt/issuer.ts'

const first = generateSigningKey('Ed25519', { keyId: 'first' })
const second = generateSigningKey('Ed25519', { keyId: 'second' })
const discovery = '/.well-known/openid-configuration'
const unavailable = { name: 'Problem', code: 'keys-unavailable' }
const begin = 1_800_000_000_000

test('making one fetches nothing; the first token fetches metadata and keys', async (t) => {
  const { issuer, verifier, verify } = await start(t)
  const token = tokenOf(issuer.url, first, begin)
  assert.equal(verifier.verifyNow(token), undefined)
  assert.deepEqual(issuer.paths, [])
  assert.equal(await verify(first), 'verified')
  assert.deepEqual(issuer.paths, [discovery, '/jwks'])
  assert.equal(verifier.verifyNow(token)?.kind, 'verified')
})

test('a known place of the keys is asked alone, whatever the issuer is called', async (t) => {
  const { url, paths } = await startIssuer(t, [first])
  const keySet = createRemoteKeySet({ issuer: 'jwtgo.io', jwksUri: `${url}/jwks` })
  const verifier = createVerifier({ issuer: 'jwtgo.io', audience: 'billing', keySet })
  assert.equal((await verifier.verify(tokenOf('jwtgo.io', first, Date.now()))).kind, 'verified')
  assert.deepEqual(paths, ['/jwks'])
})

for (const [cacheControl, ttlSeconds] of [
  ['', 600],
  ['max-age=100', 100],
  ['public, Max-Age=100, must-revalidate', 100],
  ['max-age=5', 30],
  ['max-age=0', 30],
  ['max-age=86400', 3600],
  ['max-age="100"', 600],
  ['max-age=1e9', 600],
  ['max-age', 600],
  ['s-maxage=100', 600],
  ['no-store', 30],
  ['max-age=100, no-cache', 30],
  ['no-cache, max-age=100', 30],
] as const) {
  test(`Cache-Control "${cacheControl}": ${ttlSeconds} s, renewed after 80 % of them`, async (t) => {
    const { issuer, keySet, verify } = await start(t)
    issuer.headers['cache-control'] = cacheControl
    await verify(first)
    const findAfter = (seconds: number): unknown => keySet.find('first', 'Ed25519', begin + seconds * 1000)
    assert.equal(findAfter(ttlSeconds), 'fetch')
    assert.equal(typeof findAfter(ttlSeconds * 0.8 - 0.001), 'object')
    assert.equal(keySet.checkAfterMs, begin + ttlSeconds * 800)
    assert.equal(issuer.asked.length, 1)
    assert.equal(typeof findAfter(ttlSeconds * 0.8), 'object')
    await until('asked again', () => issuer.asked.length === 2)
  })
}

test('no Cache-Control at all: the defaults of the options', async (t) => {
  const { keySet, verify } = await start(t, { defaultTtlSeconds: 1000, maxTtlSeconds: 900 })
  await verify(first)
  assert.equal(keySet.checkAfterMs, begin + 900_000 * 0.8)
})

test('keys in use are renewed in the background, and nobody waits', async (t) => {
  const { issuer, verifier, events, clock, verify } = await start(t)
  await verify(first)
  issuer.held = true
  clock.now += 480_000
  const token = tokenOf(issuer.url, first, clock.now)
  for (let index = 0; index < 10; index++) assert.equal(verifier.verifyNow(token)?.kind, 'verified')
  await until('asked', () => issuer.asked.length === 2)
  assert.equal(verifier.verifyNow(token)?.kind, 'verified')
  issuer.release()
  await until('renewed', () => events.length === 2)
  clock.now += 200_000 // beyond the life of the first answer
  assert.equal(verifier.verifyNow(token)?.kind, 'verified')
  assert.equal(issuer.asked.length, 2)
})

test('a slow renewal does not stretch the life of the keys', async (t) => {
  const { issuer, verifier, clock, verify } = await start(t)
  await verify(first)
  issuer.held = true
  clock.now = begin + 599_500
  const token = tokenOf(issuer.url, first, clock.now)
  await verifier.verify(token)
  clock.now = begin + 599_999
  assert.equal(verifier.verifyNow(token)?.kind, 'verified')
  clock.now = begin + 600_000
  assert.equal(verifier.verifyNow(token), undefined)
})

test('an unchanged set answers 304 and everything stays as it was', async (t) => {
  const { issuer, keySet, events, verify } = await start(t)
  issuer.etag = '"1"'
  await verify(first)
  const { generation } = keySet
  await keySet.refresh()
  await keySet.refresh()
  assert.deepEqual(issuer.asked, [undefined, '"1"', '"1"'])
  assert.equal(keySet.generation, generation)
  assert.equal(await verify(first), 'verified')
  assert.deepEqual(events, ['refreshed +1 -0', 'refreshed +0 -0', 'refreshed +0 -0'])
})

test('many tokens at once share one fetch', async (t) => {
  const { issuer, verify } = await start(t)
  const outcomes = await Promise.all(Array.from({ length: 50 }, () => verify(first)))
  assert.deepEqual(new Set(outcomes), new Set(['verified']))
  assert.equal(issuer.asked.length, 1)
})

test('a new key is fetched when its first token comes, also by who asks for an answer at once first', async (t) => {
  const { issuer, verifier, verify } = await start(t)
  await verify(first)
  issuer.keys = [first, second]
  const token = tokenOf(issuer.url, second, begin)
  assert.equal(verifier.verifyNow(token), undefined)
  assert.equal(verifier.verifyNow(token), undefined)
  assert.equal((await verifier.verify(token)).kind, 'verified')
  assert.equal(issuer.asked.length, 2)
})

test('a new key is fetched beside one without a name, too', async (t) => {
  const { issuer, verify } = await start(t)
  const { kid: _, ...nameless } = publicJwk(generateSigningKey('ES256'))
  issuer.body = JSON.stringify({ keys: [nameless, publicJwk(first)] })
  await verify(first)
  issuer.body = JSON.stringify({ keys: [nameless, publicJwk(second)] })
  assert.equal(await verify(second), 'verified')
})

test('1000 unknown keys are one fetch, and the next one waits for the cooldown', async (t) => {
  const { issuer, clock, verify } = await start(t)
  await verify(first)
  const strangers = Array.from({ length: 1000 }, (_, index) => renamed(`stranger-${index}`))
  for (const [passed, fetches] of [
    [0, 2],
    [29_999, 2],
    [1, 3],
  ] as const) {
    clock.now += passed
    const outcomes = await Promise.all(strangers.map(verify))
    assert.deepEqual(new Set(outcomes), new Set(['key-unknown']))
    assert.equal(issuer.asked.length, fetches)
    assert.equal(await verify(first), 'verified')
  }
})

test('a token that joins a fetch begun before its key was published is not refused for it', async (t) => {
  const { issuer, keySet, verify } = await start(t)
  await verify(first)
  issuer.held = true
  const refresh = keySet.refresh()
  await until('asked', () => issuer.asked.length === 2)
  const joined = verify(second)
  issuer.keys = [first, second]
  issuer.release()
  await refresh
  assert.equal(await joined, 'verified')
})

test('a key that is removed is refused from the next fetch on, for cached tokens too', async (t) => {
  const { issuer, verifier, events, clock, verify } = await start(t)
  const token = tokenOf(issuer.url, first, begin + 480_000)
  await verify(first)
  clock.now = begin + 480_000
  issuer.held = true
  issuer.keys = [second]
  assert.equal(verifier.verifyNow(token)?.kind, 'verified')
  await until('asked', () => issuer.asked.length === 2)
  issuer.release()
  await until('renewed', () => events.at(-1) === 'refreshed +1 -1')
  assert.equal(verifier.verifyNow(token), undefined) // nobody has the key now, so it is asked for
  const refused = await verifier.verify(token)
  assert.equal(refused.kind === 'denied' && refused.denial.reason, 'key-unknown')
  assert.equal(verifier.verifyNow(token)?.kind, 'denied')
})

test('while the endpoint fails the keys serve on, up to a hard end', async (t) => {
  const { issuer, verifier, events, clock, verify } = await start(t, { staleIfErrorSeconds: 1000 })
  await verify(first)
  issuer.status = 503
  // Idle until the keys are too old: whoever comes first then is served as well.
  clock.now = begin + 600_000
  assert.equal(await verify(first), 'verified')
  assert.deepEqual(events, ['refreshed +1 -0', 'failed stale'])
  clock.now = begin + 1_599_500
  const token = tokenOf(issuer.url, first, clock.now)
  assert.equal((await verifier.verify(token)).kind, 'verified')
  await until('failed again', () => events.length === 3)
  clock.now = begin + 1_599_999
  assert.equal(verifier.verifyNow(token)?.kind, 'verified')
  clock.now++
  assert.equal(verifier.verifyNow(token), undefined)
  await assert.rejects(verifier.verify(token), unavailable)
  issuer.status = 200
  clock.now += 60_000
  assert.equal((await verifier.verify(token)).kind, 'verified')
})

test('a failing endpoint and an unknown key: 503 for that token, and the old keys serve', async (t) => {
  const { issuer, clock, events, verify } = await start(t)
  await verify(first)
  issuer.status = 503
  for (let index = 0; index < 1000; index++) {
    await assert.rejects(verify(renamed(`stranger-${index}`)), {
      ...unavailable,
      message: `the keys of ${issuer.url} cannot be had: ${issuer.url}/jwks: answered 503`,
      retryAfterSeconds: 1,
    })
  }
  assert.equal(await verify(first), 'verified')
  assert.equal(issuer.asked.length, 2)
  // It is asked again later and later: after 1, 3, 7, 15, 31, 61 and 91 seconds.
  for (let second = 1; second <= 91; second++) {
    clock.now += 1000
    await assert.rejects(verify(keyNamed('stranger')), unavailable)
  }
  assert.equal(events.filter((event) => event === 'failed stale').length, 1 + 7)
  issuer.status = 200
  clock.now += 30_000
  assert.equal(await verify(keyNamed('stranger')), 'key-unknown')
})

test('after a failure it recovers without an unknown key asking', async (t) => {
  const { issuer, clock, events, verify } = await start(t)
  await verify(first)
  issuer.status = 503
  await assert.rejects(verify(second), unavailable)
  issuer.status = 200
  clock.now += 1000
  assert.equal(await verify(first), 'verified')
  await until('recovered', () => events.at(-1) === 'refreshed +0 -0')
})

test('a service starts while its issuer is down, and recovers by itself', async (t) => {
  const { issuer, verifier, events, clock, verify } = await start(t)
  issuer.status = 500
  await assert.rejects(verifier.warm(), unavailable)
  await assert.rejects(verify(first), { ...unavailable, retryAfterSeconds: 1 })
  assert.deepEqual(events, ['failed empty'])
  issuer.status = 200
  clock.now += 999
  await assert.rejects(verify(first), unavailable)
  clock.now += 1
  await verifier.warm()
  assert.equal(verifier.verifyNow(tokenOf(issuer.url, first, clock.now))?.kind, 'verified')
})

test('a clock that was a day ahead and is set back: removed keys die, new ones are found', async (t) => {
  const { issuer, verifier, clock, verify } = await start(t)
  clock.now += 86_400_000
  assert.equal(await verify(first), 'verified')
  clock.now -= 86_400_000
  issuer.keys = [second]
  verifier.verifyNow(tokenOf(issuer.url, first, clock.now))
  await until('asked again', () => issuer.asked.length === 2)
  assert.equal(await verify(second), 'verified')
  assert.equal(await verify(first), 'key-unknown')
})

test('nor does it keep a service waiting whose issuer was down meanwhile', async (t) => {
  const { issuer, clock, verify } = await start(t)
  clock.now += 86_400_000
  issuer.status = 500
  await assert.rejects(verify(first), unavailable)
  issuer.status = 200
  clock.now -= 86_400_000
  assert.equal(await verify(first), 'verified')
})

test('when the keys have moved the metadata is asked again, and old tags are forgotten', async (t) => {
  const { issuer, clock, verify, keySet } = await start(t)
  issuer.etag = '"1"'
  await verify(first)
  issuer.jwksPath = '/moved'
  await assert.rejects(keySet.refresh(), unavailable)
  clock.now += 1000
  await keySet.refresh()
  assert.deepEqual(issuer.paths, [discovery, '/jwks', '/jwks', discovery, '/moved'])
  assert.deepEqual(issuer.asked, [undefined, undefined])
})

test('each issuer has its own keys, whatever they are called', async (t) => {
  const theirs = keyNamed('first')
  const ours = await start(t)
  const other = await start(t)
  other.issuer.keys = [theirs]
  const issuers = [ours, other].map(({ issuer, keySet }) => ({
    issuer: issuer.url,
    audience: 'billing',
    keySet,
  }))
  const verifier = createVerifier({ issuers, clock: () => begin })
  const outcome = async (url: string, key: SigningKey): Promise<string> => {
    const verification = await verifier.verify(tokenOf(url, key, begin))
    return verification.kind === 'denied' ? verification.denial.reason : verification.kind
  }
  assert.equal(await outcome(ours.issuer.url, first), 'verified')
  assert.equal(await outcome(other.issuer.url, theirs), 'verified')
  assert.equal(await outcome(other.issuer.url, first), 'signature-invalid')
  assert.equal(await outcome(ours.issuer.url, theirs), 'signature-invalid')
  assert.equal(await outcome('https://unknown.example', keyNamed('new')), 'issuer-mismatch')
  assert.equal(ours.issuer.asked.length + other.issuer.asked.length, 2)
})

const spoiled: Record<string, (issuer: TestIssuer) => unknown> = {
  'metadata of another issuer': (issuer) => (issuer.metadata['issuer'] = 'https://other.example'),
  'metadata without keys': (issuer) => (issuer.metadata['jwks_uri'] = undefined),
  'keys at a link-local address': (issuer) => (issuer.metadata['jwks_uri'] = 'http://169.254.169.254/'),
  'keys at a private address': (issuer) => (issuer.metadata['jwks_uri'] = 'https://10.0.0.1/jwks'),
  'keys over plain http:': (issuer) => (issuer.metadata['jwks_uri'] = 'http://issuer.example/jwks'),
  'keys in a file': (issuer) => (issuer.metadata['jwks_uri'] = 'file:///etc/passwd'),
  'a redirect to the keys': (issuer) =>
    Object.assign(issuer, { status: 302, headers: { location: '/moved' } }),
  'a 304 to a question that was not asked': (issuer) => (issuer.status = 304),
  'an answer that is no JSON': (issuer) => (issuer.body = '<html>'),
  'an answer without keys': (issuer) => (issuer.body = '{"key":[]}'),
  'an answer that is too long': (issuer) => (issuer.body = `{"keys":[],"x":"${'x'.repeat(256 * 1024)}"}`),
  'an answer that does not come': (issuer) => (issuer.held = true),
  '101 keys': (issuer) => (issuer.body = JSON.stringify({ keys: Array(101).fill({ kty: 'x' }) })),
  'a secret among the keys': (issuer) => (issuer.body = '{"keys":[{"kty":"oct","k":"c2VjcmV0"}]}'),
  'two keys of one name': (issuer) => (issuer.keys = [first, keyNamed('first')]),
}
for (const [what, spoil] of Object.entries(spoiled)) {
  test(`${what}: the keys are unavailable, and nothing is decided`, async (t) => {
    const { issuer, verify } = await start(t, { timeoutMs: 100 })
    spoil(issuer)
    await assert.rejects(verify(first), unavailable)
    assert.ok(!issuer.paths.includes('/moved'))
  })
}

for (const issuer of [
  ...['https://10.0.0.1', 'https://192.168.1.1/x', 'https://[fd00::1]', 'https://169.254.169.254'],
  ...['https://[fe80::1]', 'https://0.0.0.0', 'http://issuer.example', 'ftp://issuer.example'],
]) {
  test(`${issuer} is not asked for keys`, async () => {
    await assert.rejects(createRemoteKeySet({ issuer }).refresh(), (problem: Problem) => {
      assert.equal(problem.code, 'keys-unavailable')
      assert.equal((problem.cause as Problem).code, 'fetch-refused')
      return true
    })
  })
}

test('an observer that throws changes nothing', async (t) => {
  const onEvent = (): never => {
    throw new Error('no disk space')
  }
  const { issuer, clock, verify } = await start(t, { onEvent })
  assert.equal(await verify(first), 'verified')
  issuer.status = 500
  clock.now += 600_000
  assert.equal(await verify(first), 'verified')
})

for (const [what, options] of [
  ['no issuer', { issuer: undefined }],
  ['an empty issuer', { issuer: '', jwksUri: 'https://issuer.example/jwks' }],
  ['an issuer that is no URL', { issuer: 'jwtgo.io' }],
  ['a place that is no URL', { jwksUri: '/jwks' }],
  ['a place that is no text', { jwksUri: 7 }],
  ['an unknown algorithm', { algorithms: ['none'] }],
  ['algorithms in one text', { algorithms: 'ES256' }],
  ['a clock that is none', { clock: 0 }],
  ['a text for a time', { cooldownSeconds: '30' }],
  ['a time below zero', { staleIfErrorSeconds: -1 }],
  ['a time that is NaN', { defaultTtlSeconds: Number.NaN }],
  ['a life of nothing', { maxTtlSeconds: 0 }],
  ['no time to wait', { timeoutMs: 0 }],
  ['half a millisecond', { timeoutMs: 1.5 }],
  ['more than a timer can', { timeoutMs: 2 ** 31 }],
] as const) {
  test(`${what} is refused`, () => {
    const all = { issuer: 'https://issuer.example', ...options } as unknown as RemoteKeySetOptions
    assert.throws(() => createRemoteKeySet(all), { code: 'option-invalid' })
  })
}

test('an unknown option is refused', () => {
  const options: object = { issuer: 'https://issuer.example', jwksUrl: 'https://issuer.example/jwks' }
  assert.throws(() => createRemoteKeySet(options as RemoteKeySetOptions), {
    code: 'option-unknown',
    next: 'did you mean "jwksUri"?',
  })
})

function keyNamed(keyId: string): SigningKey {
  return generateSigningKey('Ed25519', { keyId })
}

/** A key of another name without the cost of making one. */
const renamed = (keyId: string): SigningKey => new SigningKey('Ed25519', keyId, SigningKey.material(first))

/** An issuer with one key, a verifier of its tokens, and a clock that stands still. */
async function start(t: TestContext, options: Partial<RemoteKeySetOptions> = {}) {
  const issuer = await startIssuer(t, [first])
  const clock = { now: begin }
  const events: string[] = []
  const onEvent = (event: RemoteKeySetEvent): void => {
    if (event.kind === 'failed') events.push(event.stale ? 'failed stale' : 'failed empty')
    else events.push(`refreshed +${event.added} -${event.removed}`)
  }
  // The time is for a machine that is busy; no test waits for it.
  const usual = { issuer: issuer.url, clock: () => clock.now, onEvent, timeoutMs: 20_000 }
  const keySet = createRemoteKeySet({ ...usual, ...options })
  const verifier = createVerifier({ issuer: issuer.url, audience: 'billing', keySet, clock: () => clock.now })
  const verify = async (key: SigningKey): Promise<string> => {
    const verification = await verifier.verify(tokenOf(issuer.url, key, clock.now))
    return verification.kind === 'denied' ? verification.denial.reason : verification.kind
  }
  return { issuer, keySet, verifier, clock, events, verify }
}
