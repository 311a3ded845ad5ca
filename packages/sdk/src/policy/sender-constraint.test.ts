import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import { Problem } from '../core/problem.ts'
import { createDpopChecker } from '../jwt/dpop-check.ts'
import { createDpopNonces } from '../jwt/dpop-nonce.ts'
import { createDpopKey, createDpopProof } from '../jwt/dpop-proof.ts'
import { generateSigningKey, verificationKey } from '../jwt/key-readers.ts'
import { createKeySet } from '../jwt/key-set.ts'
import { createSigner } from '../jwt/signer.ts'
import { createVerifier } from '../jwt/verifier.ts'
import type { VerifiedToken } from '../jwt/verified-token.ts'
import { createSenderConstraint } from './sender-constraint.ts'
import type { ConstrainedRequest, ConstraintCheck, SenderConstraintOptions } from './sender-constraint.ts'

const nowMs = 1_800_000_000_000
const issuer = 'https://issuer.example'
const publicUrl = 'https://billing.example'
const target = '/invoices/7?page=2'
const signingKey = generateSigningKey('ES256')
const signer = createSigner({ key: signingKey })
const verifier = createVerifier({
  issuer,
  audience: 'billing',
  keySet: createKeySet([verificationKey(signingKey)]),
  confirmation: 'checked-by-caller',
  clock: () => nowMs,
})
const key = createDpopKey()
const certificate = { raw: Buffer.from('a certificate') }
const x5t = createHash('sha256').update(certificate.raw).digest('base64url')
const peer = { remoteAddress: '10.0.0.1', getPeerX509Certificate: () => certificate }
const otherPeer = { getPeerX509Certificate: () => ({ raw: Buffer.from('another one') }) }
const jkt = key.thumbprint

const certificates = [
  ['a token of a certificate', { 'x5t#S256': x5t }, 'Bearer', { peer }, 'met'],
  ['a token of a certificate under DPoP', { 'x5t#S256': x5t }, 'DPoP', { peer }, 'confirmation-missing'],
  ['a token of a certificate, none shown', { 'x5t#S256': x5t }, 'Bearer', {}, 'proof-required'],
  [
    'a token of another certificate',
    { 'x5t#S256': x5t },
    'Bearer',
    { peer: otherPeer },
    'confirmation-mismatch',
  ],
] as const

for (const [what, cnf, scheme, more, accepted, required = accepted] of [
  ['a bearer token', undefined, 'Bearer', {}, 'met', 'confirmation-missing'],
  ['a bearer token under DPoP', undefined, 'DPoP', {}, 'confirmation-missing'],
  ['a token of a key with its proof', { jkt }, 'DPoP', {}, 'met'],
  ['a token of a key sent as bearer token', { jkt }, 'Bearer', {}, 'proof-required'],
  ['a token of a key in a place of its own', { jkt }, undefined, {}, 'proof-required'],
  ['a token of a key without proof', { jkt }, 'DPoP', { proof: false }, 'proof-missing'],
  ['a token of another key', { jkt: 'A'.repeat(43) }, 'DPoP', {}, 'confirmation-mismatch'],
  ...certificates,
  ['a token of both', { jkt, 'x5t#S256': x5t }, 'DPoP', { peer }, 'met'],
  ['a token of both, only the certificate', { jkt, 'x5t#S256': x5t }, 'Bearer', { peer }, 'proof-required'],
  ['a token of both, only the proof', { jkt, 'x5t#S256': x5t }, 'DPoP', {}, 'proof-required'],
  ['a token of a key, and of more that is not known', { jkt, kid: 'x' }, 'DPoP', {}, 'met'],
  ['a token that is bound in another way', { kid: 'x' }, 'DPoP', { peer }, 'proof-required'],
  ['a token that is bound to nothing', {}, 'Bearer', { peer }, 'proof-required'],
] as const) {
  for (const [mode, expected] of [
    ['accepted', accepted],
    ['required', required],
  ] as const) {
    test(`${mode}: ${what} is ${expected}`, () => {
      const { token, text } = tokenWith(cnf)
      const constraint = createSenderConstraint({ mode, publicUrl })
      const { proof = true, ...rest } = more as { proof?: boolean; peer?: typeof peer }
      const request = requestOf(text, scheme, proof ? proofOf(text) : undefined)
      assert.equal(reasonOf(now(constraint.check({ ...request, ...rest }, token, text, nowMs))), expected)
    })
  }
}

for (const [what, cnf, dpop, certificate] of [
  ['a bearer token', undefined, 'confirmation-missing', 'confirmation-missing'],
  ['a token of a key', { jkt }, 'met', 'confirmation-missing'],
  ['a token of a certificate', { 'x5t#S256': x5t }, 'confirmation-missing', 'met'],
  ['a token of both', { jkt, 'x5t#S256': x5t }, 'met', 'met'],
  ['a token of something else', { kid: 'x' }, 'confirmation-missing', 'confirmation-missing'],
] as const) {
  test(`dpop: ${what} is ${dpop}; certificate: ${certificate}`, () => {
    const { token, text } = tokenWith(cnf)
    const isKey = cnf !== undefined && 'jkt' in cnf
    const request = requestOf(text, isKey ? 'DPoP' : 'Bearer', isKey ? proofOf(text) : undefined)
    const reasonFor = (mode: 'dpop' | 'certificate') =>
      reasonOf(
        now(createSenderConstraint({ mode, publicUrl }).check({ ...request, peer }, token, text, nowMs)),
      )
    assert.deepEqual([reasonFor('dpop'), reasonFor('certificate')], [dpop, certificate])
  })
}

test('a certificate is shown with a bearer token, so that scheme is offered', () => {
  const required = (mode: SenderConstraintOptions['mode']) =>
    createSenderConstraint({ mode, publicUrl }).terms(nowMs)?.required
  assert.deepEqual((['accepted', 'required', 'dpop', 'certificate'] as const).map(required), [
    false,
    true,
    true,
    false,
  ])
})

for (const [what, cnf, scheme, more, expected] of [
  ...certificates,
  ['a bearer token', undefined, 'Bearer', { peer }, 'confirmation-missing'],
  ['a token of a key', { jkt }, 'DPoP', { peer }, 'confirmation-missing'],
  ['a token of both, with both', { jkt, 'x5t#S256': x5t }, 'DPoP', { peer }, 'proof-required'],
  ['a token of both, sent as bearer token', { jkt, 'x5t#S256': x5t }, 'Bearer', { peer }, 'proof-required'],
] as const) {
  test(`certificate, without a public URL: ${what} is ${expected}`, () => {
    const { token, text } = tokenWith(cnf)
    const constraint = createSenderConstraint({ mode: 'certificate' })
    const request = requestOf(text, scheme, scheme === 'DPoP' ? proofOf(text) : undefined)
    assert.equal(reasonOf(now(constraint.check({ ...request, ...more }, token, text, nowMs))), expected)
  })
}

test('where no proof is checked, none is offered', () => {
  assert.equal(createSenderConstraint({ mode: 'certificate' }).terms(nowMs), undefined)
})

test('only certificates need no public URL, and the compiler knows it', () => {
  type Takes<Options> = Options extends SenderConstraintOptions ? true : false
  const taken: [Takes<{ mode: 'certificate' }>, Takes<{ mode: 'dpop' }>] = [true, false]
  assert.deepEqual(taken, [true, false])
  for (const mode of ['accepted', 'required', 'dpop'] as const) {
    assert.throws(() => createSenderConstraint({ mode } as SenderConstraintOptions), {
      code: 'option-invalid',
      message: 'publicUrl: expected http:// or https://, got nothing',
    })
  }
  for (const publicUrl of ['billing.example', []]) {
    assert.throws(() => createSenderConstraint({ mode: 'certificate', publicUrl }), {
      code: 'option-invalid',
    })
  }
  assert.throws(() => createSenderConstraint({ mode: 'certificate', proofs: {} }), {
    code: 'option-invalid',
    message: /proofs counts only with publicUrl/,
  })
})

test('the public URL is what counts, with the path it ends in', () => {
  for (const [option, url, expected] of [
    ['https://billing.example/', 'https://billing.example/invoices/7', 'met'],
    ['https://Billing.example:443', 'https://billing.example/invoices/7', 'met'],
    ['https://api.example/billing', 'https://api.example/billing/invoices/7', 'met'],
    ['https://api.example/billing/', 'https://api.example/billing/invoices/7', 'met'],
    ['https://api.example/billing', 'https://api.example/invoices/7', 'proof-invalid'],
    [['https://a.example', 'https://b.example/x'], 'https://b.example/x/invoices/7', 'met'],
    [['https://a.example', 'https://b.example/x'], 'https://b.example/invoices/7', 'proof-invalid'],
  ] as const) {
    const { token, text } = tokenWith({ jkt })
    const constraint = createSenderConstraint({ mode: 'required', publicUrl: option })
    const request = requestOf(text, 'DPoP', proofOf(text, { url }))
    const hostile = ['Host', new URL(url).host, 'X-Forwarded-Host', new URL(url).host, 'Forwarded', 'x']
    const asked = { ...request, rawHeaders: [...hostile, ...request.rawHeaders] }
    assert.equal(reasonOf(now(constraint.check(asked, token, text, nowMs))), expected, `${option} ${url}`)
  }
})

test('a request that is asked about again is one request; another with its proof is not', () => {
  const { token, text } = tokenWith({ jkt })
  const constraint = createSenderConstraint({ mode: 'required', publicUrl })
  const request = requestOf(text, 'DPoP', proofOf(text))
  assert.equal(reasonOf(now(constraint.check(request, token, text, nowMs))), 'met')
  assert.equal(reasonOf(now(constraint.check(request, token, text, nowMs))), 'met')
  assert.equal(reasonOf(now(constraint.check({ ...request }, token, text, nowMs))), 'proof-replayed')
})

for (const [what, change] of [
  ['method', () => ({ method: 'POST' })],
  ['target', () => ({ target: '/other' })],
  ['headers', (rawHeaders: readonly string[]) => ({ rawHeaders: [...rawHeaders] })],
] as const) {
  test(`an object that is used for another request has not been asked about: ${what}`, () => {
    const { token, text } = tokenWith({ jkt })
    const constraint = createSenderConstraint({ mode: 'required', publicUrl })
    const request = requestOf(text, 'DPoP', proofOf(text))
    assert.equal(reasonOf(now(constraint.check(request, token, text, nowMs))), 'met')
    Object.assign(request, change(request.rawHeaders))
    assert.notEqual(reasonOf(now(constraint.check(request, token, text, nowMs))), 'met')
  })
}

test('nonces: what is handed out, and when there is a new one', () => {
  const nonces = createDpopNonces()
  const constraint = createSenderConstraint({ mode: 'accepted', publicUrl, proofs: { nonces } })
  const { token, text } = tokenWith({ jkt })
  assert.deepEqual(constraint.terms(nowMs), {
    required: false,
    algorithms: ['ES256', 'PS256', 'EdDSA', 'Ed25519'],
    nonce: nonces.current(nowMs),
  })
  const without = constraint.check(requestOf(text, 'DPoP', proofOf(text)), token, text, nowMs)
  assert.equal(reasonOf(now(without)), 'nonce-required')
  const ask = (atMs: number) => {
    const proof = proofOf(text, { nonce: nonces.current(nowMs) })
    return now(constraint.check(requestOf(text, 'DPoP', proof), token, text, atMs))
  }
  assert.deepEqual(ask(nowMs), { kind: 'met', nextNonce: undefined })
  assert.deepEqual(ask(nowMs + 60_000), { kind: 'met', nextNonce: nonces.current(nowMs + 60_000) })
})

test('a checker that several services share, over a store that answers later', async () => {
  const used = new Set<string>()
  const proofs = createDpopChecker({
    replays: {
      putOnce: async (scope, id) => {
        if (used.has(scope + id)) return false
        used.add(scope + id)
        return true
      },
    },
  })
  const constraint = createSenderConstraint({ mode: 'required', publicUrl, proofs })
  const sibling = createSenderConstraint({ mode: 'required', publicUrl, proofs })
  const { token, text } = tokenWith({ jkt })
  const request = requestOf(text, 'DPoP', proofOf(text))
  const [first, second] = await Promise.all([
    constraint.check(request, token, text, nowMs),
    constraint.check(request, token, text, nowMs),
  ])
  assert.deepEqual([first.kind, second.kind], ['met', 'met'], 'one request, asked about twice at once')
  assert.equal(reasonOf(await sibling.check({ ...request }, token, text, nowMs)), 'proof-replayed')
})

test('a store that cannot tell is a problem', async () => {
  const putOnce = () => Promise.reject(new Problem('store-unavailable', 'x'))
  const constraint = createSenderConstraint({ mode: 'required', publicUrl, proofs: { replays: { putOnce } } })
  const { token, text } = tokenWith({ jkt })
  const request = requestOf(text, 'DPoP', proofOf(text))
  await assert.rejects(async () => constraint.check(request, token, text, nowMs), {
    code: 'store-unavailable',
  })
})

for (const [options, code] of [
  [{ mode: 'optional' }, 'option-invalid'],
  [{ publicUrl: undefined }, 'option-invalid'],
  [{ publicUrl: [] }, 'option-invalid'],
  [{ publicUrl: 'billing.example' }, 'option-invalid'],
  [{ publicUrl: 'ftp://billing.example' }, 'option-invalid'],
  [{ publicUrl: 'https://me:x@billing.example' }, 'option-invalid'],
  [{ publicUrl: 'https://billing.example/?a' }, 'option-invalid'],
  [{ publicUrl: ['https://billing.example', '#'] }, 'option-invalid'],
  [{ proofs: { maxAge: 5 } }, 'option-unknown'],
  [{ certificateFrom: { header: 'x', proxies: [] } }, 'option-invalid'],
  [{ url: publicUrl }, 'option-unknown'],
] as const) {
  test(`refused: ${JSON.stringify(options)}`, () => {
    const all = { mode: 'accepted', publicUrl, ...options } as unknown as SenderConstraintOptions
    assert.throws(() => createSenderConstraint(all), { code })
  })
}

function tokenWith(cnf: unknown): { readonly token: VerifiedToken; readonly text: string } {
  const claims = { iss: issuer, aud: 'billing', exp: nowMs / 1000 + 60 }
  const text = signer.sign(cnf === undefined ? claims : { ...claims, cnf })
  const verification = verifier.verifyNow(text)
  assert.ok(verification?.kind === 'verified')
  return { token: verification.token, text }
}

function proofOf(accessToken: string, changes: { url?: string; nonce?: string } = {}): string {
  return createDpopProof({ key, method: 'GET', url: publicUrl + target, accessToken, nowMs, ...changes })
}

function requestOf(text: string, scheme: string | undefined, proof: string | undefined): ConstrainedRequest {
  const credentials = scheme === undefined ? ['Token', text] : ['Authorization', `${scheme} ${text}`]
  const rawHeaders = proof === undefined ? credentials : [...credentials, 'DPoP', proof]
  return { method: 'GET', target, rawHeaders }
}

function now(result: ConstraintCheck | Promise<ConstraintCheck>): ConstraintCheck {
  assert.ok(!(result instanceof Promise))
  return result
}

function reasonOf(result: ConstraintCheck): string {
  return result.kind === 'denied' ? result.denial.reason : result.kind
}
