import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { after } from 'node:test'
import fc from 'fast-check'
import { isProblem, Secret } from '@countersign/sdk/core'
import {
  createKeySet,
  createRemoteKeySet,
  createRevocations,
  createVerifier,
  dangerouslyAnyAudience,
  dangerouslyAnyType,
  generateSigningKey,
  publicJwk,
  readJwk,
  readSecretSigningKey,
  verificationKey,
} from '@countersign/sdk/jwt'
import type { Revocation, SigningKey, Verification, VerificationKey, Verifier } from '@countersign/sdk/jwt'
import { propertyTest } from './property.ts'

// A verifier that remembers tokens decides as one that verifies each of them anew, whatever happens in between: time,
// keys that come, go and come back, key sets that cannot be fetched, revocations, and every policy.

const start = 1_800_000_000
const issuers = ['https://a.example', 'https://b.example'] as const

/** Two keys of one name, one of another, one of another algorithm, one without a name. */
const signers: readonly SigningKey[] = [
  generateSigningKey('Ed25519', { keyId: 'k1' }),
  generateSigningKey('Ed25519', { keyId: 'k1' }),
  generateSigningKey('Ed25519', { keyId: 'k2' }),
  generateSigningKey('ES256', { keyId: 'k2' }),
  generateSigningKey('Ed25519', { keyId: 'unnamed' }),
]
const halves: readonly (() => VerificationKey)[] = [
  ...signers.slice(0, 4).map((key) => () => verificationKey(key)),
  () => readJwk({ ...publicJwk(signers[4]!), kid: undefined }),
]
const secretKey = readSecretSigningKey(new Secret(randomBytes(32)), { algorithm: 'HS256', keyId: 'k1' })

const tokens: readonly string[] = makeTokens()
/** Tokens that outlive the keys, one of a key that is never published, and one that does not. */
const longTokens: readonly string[] = [0, 2, 4, 3, 0].map((index, at) =>
  tokenOf(signers[index]!, issuers[0], { exp: start + (at === 4 ? 40 : 10_000) }, at),
)

type Policy = {
  readonly clockToleranceSeconds: number
  readonly maxLifetimeSeconds?: number
  readonly dangerouslyAllowMissingExpiry: boolean
}
const policies = fc.record(
  {
    clockToleranceSeconds: fc.constantFrom(0, 5),
    maxLifetimeSeconds: fc.constantFrom(30, 60),
    dangerouslyAllowMissingExpiry: fc.boolean(),
  },
  { requiredKeys: ['clockToleranceSeconds', 'dangerouslyAllowMissingExpiry'] },
) as fc.Arbitrary<Policy>
const ownRules = fc.record(
  {
    audience: fc.constantFrom('billing', ['billing', 'web'], ['web'], dangerouslyAnyAudience),
    types: fc.constantFrom(['at+jwt'], ['JWT'], dangerouslyAnyType),
    algorithms: fc.constantFrom(['Ed25519' as const], ['Ed25519' as const, 'ES256' as const]),
    requiredClaims: fc.constantFrom([], ['sub'], ['jti', 'sub']),
  },
  { requiredKeys: ['audience', 'types'] },
)

const token = fc.nat({ max: tokens.length - 1 })
const tick = fc.oneof(
  fc.integer({ min: -20_000, max: 40_000 }),
  fc.constantFrom(1, -1, 999, 1000, 5000, -5000),
)
const revocation: fc.Arbitrary<Revocation> = fc
  .tuple(fc.constantFrom(...issuers), fc.integer({ min: 0, max: 6 }), fc.integer({ min: -40, max: 40 }))
  .map(([issuer, kind, offset]): Revocation => {
    const common = { issuer, untilSeconds: start + 300 }
    const issuedBeforeSeconds = start + offset
    return [
      { ...common, tokenId: 't1' },
      { ...common, tokenId: 't2' },
      { ...common, subject: 'orders', issuedBeforeSeconds },
      { ...common, clientId: 'orders', issuedBeforeSeconds },
      { ...common, clientId: 'web', issuedBeforeSeconds },
      { ...common, keyId: 'k1' },
      { ...common, keyId: 'k2' },
    ][kind]!
  })

const step = fc.oneof(
  { weight: 6, arbitrary: fc.record({ kind: fc.constant('verify' as const), token }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('tick' as const), byMs: tick }) },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant('replace' as const),
      set: fc.nat({ max: 1 }),
      keys: fc.subarray([0, 1, 2, 3, 4]),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('revoke' as const), revocation }) },
)

propertyTest(
  'cached is uncached: keys at hand, revocations, several issuers and every policy',
  200,
  fc.property(
    policies,
    fc.tuple(ownRules, ownRules),
    fc.constantFrom(1, 2, 5, 1000),
    fc.boolean(),
    fc.array(step, { minLength: 10, maxLength: 80 }),
    (policy, rules, entries, symmetric, steps) => {
      const clock = { nowMs: start * 1000 }
      const pick = (keys: readonly number[]): VerificationKey[] =>
        symmetric ? keys.slice(0, 1).map(() => verificationKey(secretKey)) : distinct(keys)
      const sets = [createKeySet(pick([0, 2])), createKeySet(pick([1, 3]))]
      const revocations = createRevocations({ limit: 5 })
      const options = {
        ...policy,
        issuers: issuers.map((issuer, index) => {
          const { algorithms, ...own } = rules[index]!
          return {
            ...own,
            ...(symmetric || algorithms === undefined ? {} : { algorithms }),
            issuer,
            keySet: sets[index]!,
          }
        }),
        revocations,
        clock: () => clock.nowMs,
      }
      const cached = createVerifier({ ...options, cache: { entries } })
      const uncached = createVerifier({ ...options, cache: false })
      for (const each of steps) {
        if (each.kind === 'tick') clock.nowMs += each.byMs
        else if (each.kind === 'replace') sets[each.set]!.replace(pick(each.keys))
        else if (each.kind === 'revoke') revokeIfRoom(() => revocations.revoke(each.revocation, clock.nowMs))
        else same(cached, uncached, tokens[each.token]!)
      }
      for (const one of tokens) same(cached, uncached, one)
    },
  ),
)

const endpoint = { keys: [0] as readonly number[], status: 200, maxAge: 60, held: false }
const waiting: (() => void)[] = []
const server = createServer((_, response) => {
  const body = JSON.stringify({ keys: endpoint.keys.map((index) => jwkOf(index)) })
  response.writeHead(endpoint.status, { 'cache-control': `max-age=${endpoint.maxAge}` })
  if (endpoint.held) waiting.push(() => response.end(body))
  else response.end(body)
})
function release(): void {
  endpoint.held = false
  for (const send of waiting.splice(0)) send()
}
await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
after(() => {
  server.closeAllConnections()
  server.close()
})
const jwksUri = `http://127.0.0.1:${(server.address() as AddressInfo).port}/jwks`

const longToken = fc.nat({ max: longTokens.length - 1 })
const remoteStep = fc.oneof(
  { weight: 8, arbitrary: fc.record({ kind: fc.constant('verify' as const), token: longToken }) },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('peek' as const), token: longToken }) },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant('tick' as const),
      byMs: fc.constantFrom(1, 900, 5000, 12_000, 30_000, 48_000, -3000),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constant('publish' as const), keys: fc.subarray([0, 2, 4]) }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant('answer' as const), status: fc.constantFrom(200, 200, 503) }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('wait' as const) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('hold' as const) }) },
)

propertyTest(
  'cached is uncached: keys that are fetched, renewed, removed and out of reach',
  60,
  fc.asyncProperty(
    fc.constantFrom(30, 60, 100),
    fc.constantFrom(0, 20, 100),
    fc.constantFrom(0, 10),
    fc.array(remoteStep, { minLength: 10, maxLength: 40 }),
    async (maxAge, staleIfErrorSeconds, cooldownSeconds, steps) => {
      Object.assign(endpoint, { keys: [0], status: 200, maxAge })
      const clock = { nowMs: start * 1000 }
      const issuer = issuers[0]
      const shared = { staleIfErrorSeconds, cooldownSeconds, clock: () => clock.nowMs }
      const keySet = createRemoteKeySet({ issuer, jwksUri, ...shared })
      const options = { issuer, audience: 'billing', keySet, clock: () => clock.nowMs }
      const cached = createVerifier(options)
      const uncached = createVerifier({ ...options, cache: false })
      for (const each of steps) {
        if (each.kind === 'tick') clock.nowMs += each.byMs
        else if (each.kind === 'publish') endpoint.keys = each.keys
        else if (each.kind === 'answer') endpoint.status = each.status
        else if (each.kind === 'hold') endpoint.held = true
        else if (each.kind === 'wait') await new Promise((done) => setTimeout(done, 3))
        else if (each.kind === 'peek') same(cached, uncached, longTokens[each.token]!)
        else {
          const one = longTokens[each.token]!
          same(cached, uncached, one)
          // Both wait for one and the same fetch, if one is needed at all.
          release()
          const [left, right] = await Promise.all([outcome(cached, one), outcome(uncached, one)])
          assert.deepEqual(left, right)
          same(cached, uncached, one)
        }
      }
      release()
    },
  ),
)

function same(cached: Verifier, uncached: Verifier, text: string): void {
  // The remembering one is asked twice, so that it does remember.
  const first = plain(cached.verifyNow(text))
  assert.deepEqual(first, plain(uncached.verifyNow(text)))
  assert.deepEqual(plain(cached.verifyNow(text)), first)
}

async function outcome(verifier: Verifier, text: string): Promise<unknown> {
  try {
    return plain(await verifier.verify(text))
  } catch (problem) {
    if (isProblem(problem)) return problem.code
    throw problem
  }
}

function plain(verification: Verification | undefined): unknown {
  if (verification?.kind !== 'verified') return verification ?? 'undecided'
  const { claims, header, scopes, audience, keyId } = verification.token
  return JSON.parse(JSON.stringify({ claims, header, scopes, audience, keyId }))
}

/** The keys, but the later of two that share a name is left out: a set of both is refused. */
function distinct(indexes: readonly number[]): VerificationKey[] {
  const keys = indexes.map((index) => halves[index]!())
  return keys.filter((key, at) => keys.findIndex((other) => other.keyId === key.keyId) === at)
}

function revokeIfRoom(revoke: () => void): void {
  try {
    revoke()
  } catch (problem) {
    if (!isProblem(problem) || problem.code !== 'revocations-full') throw problem
  }
}

function jwkOf(index: number): unknown {
  const jwk = publicJwk(signers[index]!)
  return index === 4 ? { ...jwk, kid: undefined } : jwk
}

function makeTokens(): string[] {
  const claims = [
    { iat: start - 10, exp: start + 30, sub: 'orders', client_id: 'orders', jti: 't1' },
    { iat: start + 5, exp: start + 60, sub: 'web', azp: 'web', jti: 't2' },
    { nbf: start + 10, exp: start + 20, sub: 'orders' },
    { iat: start, exp: start + 300, jti: 't1' },
    { sub: 'endless' },
    { iat: start, exp: start + 20, sub: 'orders', aud: 'web' },
    { iat: start, exp: start + 20, sub: 'orders', cnf: { jkt: 'x' } },
  ]
  const made: string[] = []
  for (const [index, key] of [...signers, secretKey].entries()) {
    for (const issuer of issuers) {
      for (const [at, own] of claims.entries()) {
        // Not every combination: enough of each.
        if ((index + at) % 3 === 2) continue
        made.push(tokenOf(key, issuer, own, at))
      }
    }
  }
  return made
}

function tokenOf(key: SigningKey, issuer: string, own: object, at: number): string {
  const kid = at === 3 ? undefined : key.keyId
  const header = { alg: key.algorithm, typ: at === 5 ? 'JWT' : 'at+jwt', kid }
  const parts = [header, { iss: issuer, aud: 'billing', ...own }]
  const input = parts.map((part) => Buffer.from(JSON.stringify(part)).toString('base64url')).join('.')
  return `${input}.${key.signs(input)}`
}
