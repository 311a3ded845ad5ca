import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import {
  createKeySet,
  inspectToken,
  jwkThumbprint,
  readJwk,
  readJwks,
  readPrivateJwk,
  readPublicPem,
  supportedAlgorithms,
  verifyJws,
} from '@countersign/sdk/jwt'
import type { Jwk, Verification, VerificationKey } from '@countersign/sdk/jwt'
import { decodeBase64url } from '../../packages/sdk/src/core/base64url.ts'
import { parseStrictJson, parseStrictJsonBytes } from '../../packages/sdk/src/core/json.ts'
import * as corpus from './corpus.ts'
import type { Bench } from './corpus.ts'
import { mutateJson, mutateText, mutateValue, toBytes } from './mutate.ts'
import type { Random } from './random.ts'
import { naiveBase64url, naiveJsonObject } from './reference-json.ts'
import { referenceVerdict } from './reference-verifier.ts'

/**
 * Something to be attacked with made-up inputs. `attack` makes one, tries it, and says what became of it; it throws
 * when something that must always hold did not.
 */
export type Target = {
  readonly name: string
  /** How often it is chosen, compared with the others. */
  readonly weight: number
  readonly attack: (random: Random, tried: Tried) => string | Promise<string>
}

/** What is being tried, so that a finding can show it. */
export type Tried = { input: unknown }

export const targets: readonly Target[] = [
  { name: 'tokens', weight: 30, attack: attackToken(corpus.macBench, corpus.macTokens) },
  { name: 'signatures', weight: 3, attack: attackToken(corpus.signatureBench, corpus.signedTokens) },
  { name: 'headers', weight: 12, attack: attackHeader },
  { name: 'claims', weight: 16, attack: attackClaims },
  { name: 'json', weight: 18, attack: attackJson },
  { name: 'base64url', weight: 18, attack: attackBase64url },
  { name: 'keys', weight: 1, attack: attackKey },
  { name: 'key sets', weight: 1, attack: attackKeySet },
  { name: 'pem', weight: 1, attack: attackPem },
]

/** A changed token never verifies unless the change was none. */
function attackToken(bench: Bench, tokens: readonly string[]): Target['attack'] {
  const all = [...corpus.honest]
  return async (random, tried) => {
    const token = mutateText(random, random.pick(tokens), all)
    tried.input = token
    const verdict = await verdictOf(bench, token, random)
    if (verdict === 'verified') assert.ok(corpus.honest.has(token), 'a changed token verifies')
    if (random.once(4) && verifyJws(token, bench.keys).kind === 'verified') {
      assert.ok(corpus.honest.has(token), 'a changed JWS verifies')
    }
    return verdict
  }
}

/** A header of any kind under a good signature: accepted when the rules say so, and not otherwise. */
function attackHeader(random: Random, tried: Tried): Promise<string> {
  const text = mutateJson(random, random.pick(corpus.headerTexts), corpus.claimsTexts)
  const token = corpus.signText(
    corpus.encode(toBytes(random, text)),
    corpus.encode(random.pick(corpus.claimsTexts)),
  )
  tried.input = token
  return verdictOf(corpus.macBench, token, random)
}

/** Claims of any kind under a good signature. */
async function attackClaims(random: Random, tried: Tried): Promise<string> {
  const bytes = toBytes(random, mutateJson(random, random.pick(corpus.claimsTexts), corpus.headerTexts))
  const token = corpus.signText(corpus.encode(random.pick(corpus.headerTexts)), corpus.encode(bytes))
  tried.input = token
  const verdict = await verdictOf(corpus.macBench, token, random)
  if (verdict === 'verified') {
    const verification = corpus.macBench.plain.verifyNow(token)
    assert.ok(verification?.kind === 'verified')
    sameValue(verification.token.claims, valueOf(bytes))
  }
  return verdict
}

/**
 * Verifying with a cache and without one says the same as the rules in plain words. One input in four is also shown to
 * what is slower or seldom different: a cache that is always full, the asynchronous form, the form for people.
 */
async function verdictOf(bench: Bench, token: string, random: Random): Promise<string> {
  const expected = referenceVerdict(token, bench.rules)
  const { cached, small, plain } = bench
  same(reasonOf(plain.verifyNow(token)), expected, 'without a cache and by the rules')
  same(reasonOf(cached.verifyNow(token)), expected, 'with a cache and by the rules')
  if (!random.once(4)) return expected
  same(reasonOf(small.verifyNow(token)), expected, 'with a small cache and by the rules')
  same(reasonOf(await cached.verify(token)), expected, 'verify and verifyNow')
  const { problems, signatureBytes } = inspectToken(token)
  assert.ok(problems.every((problem) => typeof problem === 'string'))
  if (expected === 'verified') assert.ok(signatureBytes! > 0)
  const jws = verifyJws(token, bench.keys)
  if (expected === 'verified') assert.equal(jws.kind, 'verified')
  return expected
}

function same(said: string, expected: string, what: string): void {
  if (said !== expected) assert.fail(`${what} differ: ${said}, ${expected}`)
}

function reasonOf(verification: Verification | undefined): string {
  if (verification === undefined) return 'undefined'
  return verification.kind === 'denied' ? verification.denial.reason : 'verified'
}

/** The fast parser takes what the slow one takes, and gives the same. */
function attackJson(random: Random, tried: Tried): string {
  const base = random.pick(random.once(2) ? corpus.claimsTexts : corpus.headerTexts)
  const text = mutateJson(random, base, corpus.claimsTexts)
  const bytes = toBytes(random, text)
  tried.input = bytes.toString('latin1')
  const slow = naiveJsonObject(bytes)
  // More bytes than are asked for lie behind, as in a buffer that is used again.
  const fast = parseStrictJsonBytes(Buffer.concat([bytes, Buffer.from('}\u00e9')]), bytes.length)
  assert.equal(
    typeof fast === 'string',
    'refused' in slow,
    `fast: ${JSON.stringify(fast)}, slow: ${JSON.stringify(slow)}`,
  )
  if ('value' in slow) sameValue(fast, slow.value)
  tried.input = text
  const fromText = parseStrictJson(text)
  if (text.isWellFormed() && bytes.equals(Buffer.from(text))) sameValue(fromText, fast)
  if (!text.isWellFormed()) assert.equal(typeof fromText, 'string')
  return 'refused' in slow ? slow.refused : 'accepted'
}

/** Decoding takes canonical text and nothing else, whatever characters there are. */
function attackBase64url(random: Random, tried: Tried): string {
  const text = random.once(3) ? randomText(random) : mutateText(random, segmentOf(random), [...corpus.honest])
  tried.input = text
  const slow = naiveBase64url(text)
  const fast = decodeBase64url(text)
  if (slow === undefined) assert.equal(fast, undefined, 'decoded what is not canonical')
  else assert.deepEqual(fast === undefined ? fast : Uint8Array.from(fast), slow)
  return slow === undefined ? 'refused' : 'accepted'
}

function segmentOf(random: Random): string {
  return random.pick(random.pick([...corpus.honest]).split('.')).slice(0, random.below(100))
}

function randomText(random: Random): string {
  let text = ''
  for (let left = random.below(24); left > 0; left--)
    text += String.fromCharCode(random.next() >>> random.pick([16, 24, 25]))
  return text
}

/** Only a Problem with a documented code stops a key, and a key that is made keeps to what it was read from. */
function attackKey(random: Random, tried: Tried): string {
  const jwk = mutateValue(random, random.pick(corpus.jwks), memberNames)
  const algorithms = random.once(2) ? undefined : [random.pick(all), random.pick(all)]
  tried.input = { jwk, algorithms }
  const key = orProblem(() => readJwk(jwk, algorithms === undefined ? {} : { algorithms }))
  const signing = orProblem(() => readPrivateJwk(jwk))
  orProblem(() => jwkThumbprint(jwk as Jwk))
  if (typeof key === 'string') return typeof signing === 'string' ? key : 'private'
  checkKey(key, jwk as Jwk)
  if (algorithms !== undefined) assert.ok(algorithms.includes(key.algorithm))
  assert.equal(typeof signing, 'string', 'one text is a public and a private key')
  return 'accepted'
}

function checkKey(key: VerificationKey, jwk: Jwk): void {
  assert.equal(key.keyId, jwk['kid'])
  if (jwk['alg'] !== undefined) assert.equal(key.algorithm, jwk['alg'])
  assert.ok((jwk['use'] ?? 'sig') === 'sig')
  assert.equal(key.isSymmetric, jwk['kty'] === 'oct')
  if (!key.isSymmetric) assert.ok(secretMembers.every((name) => jwk[name] === undefined))
  assert.equal(key.verifies('a.b', 'A'.repeat(86)), false)
}

/** A set gives public keys of different names, and no more than were in it. */
function attackKeySet(random: Random, tried: Tried): string {
  let document: unknown = {
    keys: [random.pick(corpus.jwks), random.pick(corpus.jwks), random.pick(corpus.jwks)],
  }
  for (let left = random.below(4); left > 0; left--)
    document = mutateValue(random, document, [...memberNames, 'keys'])
  tried.input = document
  const keys = orProblem(() => readJwks(document))
  if (typeof keys === 'string') return keys
  assert.ok(keys.every((key) => !key.isSymmetric))
  assert.ok(keys.length <= (document as { keys: unknown[] }).keys.length)
  const set = createKeySet(keys)
  assert.equal(typeof set.find('nobody', 'none', 0), 'string')
  return `${keys.length} keys`
}

function attackPem(random: Random, tried: Tried): string {
  const pem = mutateText(random, random.pick(corpus.pems), corpus.pems)
  const algorithm = random.pick(all)
  tried.input = { pem, algorithm }
  const key = orProblem(() => readPublicPem(pem, { algorithm }))
  if (typeof key === 'string') return key
  assert.equal(key.algorithm, algorithm)
  assert.equal(key.isSymmetric, false)
  return 'accepted'
}

/** What `make` gives, or the documented code of the Problem it throws; everything else is a finding. */
function orProblem<T>(make: () => T): T | string {
  try {
    return make()
  } catch (thrown) {
    const { name, code } = thrown as Error & { code?: string }
    if (name !== 'Problem' || !codes.has(code!)) throw thrown
    return code!
  }
}

/** Equal JSON values, whatever their prototypes: -0 is not 0. */
function sameValue(left: unknown, right: unknown): void {
  if (typeof left !== 'object' || left === null || typeof right !== 'object' || right === null) {
    assert.ok(Object.is(left, right), `${JSON.stringify(left)} is not ${JSON.stringify(right)}`)
    return
  }
  assert.equal(Array.isArray(left), Array.isArray(right))
  assert.deepEqual(Object.keys(left).sort(), Object.keys(right).sort())
  for (const name of Object.keys(left)) sameValue((left as Jwk)[name], (right as Jwk)[name])
}

function valueOf(bytes: Uint8Array): unknown {
  const reading = naiveJsonObject(bytes)
  return 'value' in reading ? reading.value : undefined
}

const all = supportedAlgorithms()
const secretMembers = ['d', 'p', 'q', 'dp', 'dq', 'qi', 'oth', 'k', 'priv']
const memberNames = [
  'kty',
  'crv',
  'alg',
  'kid',
  'use',
  'key_ops',
  'x',
  'y',
  'n',
  'e',
  'pub',
  'x5c',
  ...secretMembers,
]
const codes = new Set(
  [
    ...readFileSync(new URL('../../docs/errors.md', import.meta.url), 'utf8').matchAll(/^\| `([a-z-]+)`/gm),
  ].map((match) => match[1]!),
)
