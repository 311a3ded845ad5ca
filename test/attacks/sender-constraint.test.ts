import { test } from 'node:test'
import assert from 'node:assert/strict'
import { createHash, generateKeyPairSync } from 'node:crypto'
import { createDpopChecker, createDpopNonces, createKeySet, jwkThumbprint } from '@countersign/sdk/jwt'
import type { Jwk } from '@countersign/sdk/jwt'
import { createGuard } from '@countersign/sdk/guard'
import type { Guard, GuardOptions } from '@countersign/sdk/guard'
import type { DenialReason } from '@countersign/sdk/core'
import { attack } from './attack.ts'
import {
  audience,
  forge,
  issuer,
  macWith,
  now,
  nowMs,
  pair,
  signed,
  signedBy,
  verificationKeyOf,
} from './stage.ts'
import type { Pair, Signature } from './stage.ts'

// Tokens that are bound to their client's key (RFC 9449), in the hands of a thief. Proofs are written by hand.

const own = pair('ES256')
const client = pair('ES256', 'client')
const thief = pair('ES256', 'thief')
const bound = signed(own, { cnf: { jkt: jwkThumbprint(bareJwk(client)) } })
const bearer = signed(own)
const target = '/invoices/7'

test('the client itself gets through: bound by proof, unbound as bearer', async () => {
  const guard = guardOf()
  await passes(guard, bound, [proof()])
  await passes(guard, bound, [proof({ jti: '2', htu: `https://billing.example${target}` })])
  assert.equal(await verdict(guard, ['Authorization', `Bearer ${bearer}`]), 'allow')
})

attack(80, 'a stolen bound token with a proof of the thief’s own key, or none', async () => {
  const guard = guardOf()
  await passes(guard, bound, [proof()])
  await fails(guard, bound, [proof({}, {}, thief)], 'confirmation-mismatch')
  // The client's key in the header, the thief's under the signature.
  await fails(guard, bound, [proof({ jti: '3' }, { jwk: bareJwk(client) }, thief)], 'proof-invalid')
  await fails(guard, bound, [], 'proof-missing')
  await fails(guard, bound, [''], 'proof-missing')
  assert.equal(await verdict(guard, ['Authorization', `Bearer ${bound}`]), 'proof-required')
  assert.equal(
    await verdict(guard, ['Authorization', `Bearer ${bound}`, 'DPoP', proof({ jti: '4' })]),
    'proof-required',
  )
  // A token bound to nothing, or in a way that nobody here can check, gains nothing by a proof.
  await fails(guard, bearer, [proof({ jti: '5', ath: hashOf(bearer) })], 'confirmation-missing')
  for (const cnf of [{}, { jwk: bareJwk(client) }, { kid: 'client' }, { jku: 'https://evil.example' }]) {
    const odd = signed(own, { cnf })
    await fails(guard, odd, [proof({ jti: '6', ath: hashOf(odd) })], 'proof-required')
  }
  for (const cnf of [null, [], 'x', { jkt: 7 }, { jkt: null }, { jkt: ['x'] }]) {
    const odd = signed(own, { cnf })
    await fails(guard, odd, [proof({ jti: '7', ath: hashOf(odd) })], 'claim-malformed')
  }
  const empty = signed(own, { cnf: { jkt: '' } })
  await fails(guard, empty, [proof({ jti: '8', ath: hashOf(empty) })], 'confirmation-mismatch')
})

attack(81, 'a proof that was seen is sent again', async () => {
  const guard = guardOf()
  const seen = proof()
  await passes(guard, bound, [seen])
  await fails(guard, bound, [seen], 'proof-replayed')
  // In another spelling of its signature, and signed once more: the same proof by its jti.
  await fails(guard, bound, [proof()], 'proof-replayed')
  await passes(guard, bound, [proof({ jti: 'other' })])
  // Many at once: one of them.
  const crowd = await Promise.all(
    Array.from({ length: 50 }, () => verdict(guard, headersOf(bound, [proof({ jti: 'race' })]))),
  )
  assert.equal(crowd.filter((one) => one === 'allow').length, 1)
})

attack(82, 'a proof that was made for another method, URL or token', async () => {
  const guard = guardOf()
  await passes(guard, bound, [proof()])
  for (const [index, wrong] of [
    { htm: 'POST' },
    { htm: 'get' },
    { htm: undefined },
    { htm: ['GET'] },
    { htu: 'https://orders.example/invoices/7' },
    { htu: 'http://billing.example/invoices/7' },
    { htu: 'https://billing.example:8443/invoices/7' },
    { htu: 'https://billing.example.evil.example/invoices/7' },
    { htu: 'https://billing.example@evil.example/invoices/7' },
    { htu: 'https://evil@billing.example/invoices/7' },
    { htu: 'https://billing.example/invoices/8' },
    { htu: 'https://billing.example/invoices/7/' },
    { htu: 'https://billing.example/invoices%2F7' },
    { htu: 'https://billing.example/' },
    { htu: target },
    { htu: undefined },
    { htu: [`https://billing.example${target}`] },
    { ath: undefined },
    { ath: hashOf(bearer) },
    { ath: '' },
    { ath: [hashOf(bound)] },
    { jti: undefined },
    { jti: '' },
    { jti: 7 },
  ].entries()) {
    await fails(guard, bound, [proof({ jti: `wrong-${index}`, ...wrong })], 'proof-invalid')
  }
  // What was refused is not used up.
  await passes(guard, bound, [proof({ jti: 'wrong-0' })])
})

attack(83, 'a proof whose key or header proves nothing', async () => {
  const guard = guardOf()
  await passes(guard, bound, [proof()])
  const secret = Buffer.alloc(32, 1)
  const oct = { kty: 'oct', k: secret.toString('base64url') }
  const short: Pair = {
    alg: 'RS256',
    kid: '',
    key: generateKeyPairSync('rsa', { modulusLength: 1024 }).privateKey,
  }
  const privateJwk = client.key.export({ format: 'jwk' })
  const by = signedBy(client, 'ES256')
  const odd: readonly (readonly [Record<string, unknown>, Signature])[] = [
    [{ alg: 'none' }, () => new Uint8Array()],
    [{ alg: 'none' }, by],
    [{ alg: 'HS256', jwk: oct }, macWith(secret)],
    [{ alg: 'HS256' }, macWith(JSON.stringify(bareJwk(client)))],
    [{ alg: 'ES256', jwk: oct }, macWith(secret)],
    [{ jwk: privateJwk }, by],
    [{ jwk: undefined }, by],
    [{ jwk: [bareJwk(client)] }, by],
    [{ jwk: JSON.stringify(bareJwk(client)) }, by],
    [{ jwk: { ...bareJwk(client), use: 'enc' } }, by],
    [{ jwk: { ...bareJwk(client), alg: 'ES384' } }, by],
    [{ jwk: { ...bareJwk(client), y: bareJwk(client)['x'] } }, by],
    [{ jwk: undefined, kid: 'client', jku: 'https://evil.example/jwks' }, by],
    [{ alg: 'PS256', jwk: bareJwk(short) }, signedBy(short, 'PS256')],
    [{ alg: 'RS256', jwk: bareJwk(pair('RS256')) }, signedBy(pair('RS256'), 'RS256')],
    [{ typ: 'at+jwt' }, by],
    [{ typ: 'JWT' }, by],
    [{ typ: undefined }, by],
    [{ crit: ['x'], x: 1 }, by],
    [{ b64: false, crit: ['b64'] }, by],
  ]
  for (const [index, [header, signature]] of odd.entries()) {
    const text = forge(headerOf(client, header), proofClaims({ jti: `odd-${index}` }), signature)
    await fails(guard, bound, [text], 'proof-invalid')
  }
  const good = proof({ jti: 'twice' })
  for (const proofs of [
    [good, proof({ jti: 'b' })],
    [good, good],
    [`${good},${good}`],
    [`${good}, ${good}`],
  ]) {
    await fails(guard, bound, proofs, 'proof-invalid')
  }
  for (const text of ['x', '.', '..', `${good}.`, `${good}=`, ` ${good} x`, 'A'.repeat(100_000), bound]) {
    await fails(guard, bound, [text], 'proof-invalid')
  }
  await passes(guard, bound, [good])
})

attack(84, 'a proof from long ago, from the future, or made in advance', async () => {
  const guard = guardOf()
  await passes(guard, bound, [proof()])
  await passes(guard, bound, [proof({ jti: 'a', iat: now - 300 })])
  await passes(guard, bound, [proof({ jti: 'b', iat: now + 15 })])
  const times = [now - 301, now + 16, 0, -1, nowMs, 1e300, `${now}`, null, undefined, [now]]
  for (const [index, iat] of times.entries()) {
    await fails(guard, bound, [proof({ jti: `time-${index}`, iat })], 'proof-invalid')
  }
  await fails(guard, bound, [proof({ jti: 'c', exp: now - 100 })], 'proof-invalid')

  // Where a nonce is demanded, a proof cannot be made before the server has said it.
  const nonces = createDpopNonces()
  const demanding = guardOf({ proofs: { nonces } })
  const nonce = nonces.current(nowMs)
  await passes(demanding, bound, [proof({ jti: 'd', nonce })])
  await fails(demanding, bound, [proof({ jti: 'e' })], 'nonce-required')
  await fails(
    demanding,
    bound,
    [proof({ jti: 'f', nonce: createDpopNonces().current(nowMs) })],
    'nonce-required',
  )
  await fails(
    demanding,
    bound,
    [proof({ jti: 'g', nonce: nonces.current(nowMs - 300_000) })],
    'nonce-required',
  )
  await fails(
    demanding,
    bound,
    [proof({ jti: 'h', nonce: nonces.current(nowMs + 300_000) })],
    'nonce-required',
  )
  await fails(demanding, bound, [proof({ jti: 'i', nonce: `${nonce.slice(0, -1)}\u00e9` })], 'nonce-required')
  await fails(demanding, bound, [proof({ jti: 'j', nonce: [nonce] })], 'proof-invalid')
})

attack(85, 'a proof whose key costs a hundred times an honest one to check', async () => {
  const checker = createDpopChecker()
  const htu = 'https://issuer.example/token'
  const ask = async (jwk: Jwk, alg: string, signature: Signature): Promise<string> => {
    const text = forge(
      { typ: 'dpop+jwt', alg, jwk },
      { jti: JSON.stringify(jwk).slice(0, 40), htm: 'POST', htu, iat: now },
      signature,
    )
    const result = await checker.check({ rawHeaders: ['DPoP', text], method: 'POST', url: htu, nowMs })
    return result.kind === 'denied' ? `${result.denial.reason} ${result.denial.detail}` : result.kind
  }
  const honest = pair('PS256')
  assert.equal(await ask(bareJwk(honest), 'PS256', signedBy(honest, 'PS256')), 'proven')
  const number = (bytes: number): string => Buffer.alloc(bytes, 0xfb).toString('base64url')
  for (const [n, e] of [
    [number(1024), 'AQAB'],
    [number(513), 'AQAB'],
    [number(256), number(8)],
    [number(256), number(5)],
  ] as const) {
    const answer = await ask({ kty: 'RSA', n, e }, 'PS256', () => Buffer.alloc(256, 1))
    assert.match(answer, /^proof-invalid .*more than 4096 bits/)
  }
  for (const odd of [
    { kty: 'RSA', n: { toString: 1 }, e: 'AQAB' },
    { kty: 'RSA', n: 7, e: [] },
    'x',
    7,
    [],
  ]) {
    assert.match(await ask(odd as Jwk, 'PS256', () => Buffer.alloc(256, 1)), /^proof-invalid/)
  }
})

function guardOf(options: Partial<GuardOptions> = {}): Guard {
  return createGuard({
    issuer,
    audience,
    keySet: createKeySet([verificationKeyOf(own)]),
    senderConstraint: 'accepted',
    publicUrl: 'https://billing.example',
    clock: () => nowMs,
    ...options,
  } as GuardOptions)
}

function proof(
  changes: Record<string, unknown> = {},
  header: Record<string, unknown> = {},
  by = client,
): string {
  return forge(headerOf(by, header), proofClaims(changes), signedBy(by, by.alg))
}

function headerOf(by: Pair, changes: Record<string, unknown>): Record<string, unknown> {
  return { typ: 'dpop+jwt', alg: by.alg, jwk: bareJwk(by), ...changes }
}

function proofClaims(changes: Record<string, unknown>): Record<string, unknown> {
  const htu = `https://billing.example${target}`
  return { jti: 'proof-1', htm: 'GET', htu, iat: now, ath: hashOf(bound), ...changes }
}

function bareJwk({ key }: Pair): Jwk {
  const { kty, crv, x, y, n, e } = key.export({ format: 'jwk' })
  return JSON.parse(JSON.stringify({ kty, crv, x, y, n, e })) as Jwk
}

function hashOf(token: string): string {
  return createHash('sha256').update(token).digest('base64url')
}

function headersOf(token: string, proofs: readonly string[]): string[] {
  return ['Authorization', `DPoP ${token}`, ...proofs.flatMap((one) => ['DPoP', one])]
}

async function verdict(guard: Guard, rawHeaders: readonly string[]): Promise<DenialReason | 'allow'> {
  const decision = await guard.check({ method: 'GET', target, rawHeaders }, 'authenticated')
  return decision.kind === 'allow' ? 'allow' : decision.denial.reason
}

async function passes(guard: Guard, token: string, proofs: readonly string[]): Promise<void> {
  assert.equal(await verdict(guard, headersOf(token, proofs)), 'allow')
}

async function fails(
  guard: Guard,
  token: string,
  proofs: readonly string[],
  reason: DenialReason,
): Promise<void> {
  assert.equal(await verdict(guard, headersOf(token, proofs)), reason, proofs.join().slice(0, 200))
}
