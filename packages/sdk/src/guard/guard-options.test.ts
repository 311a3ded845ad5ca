import assert from 'node:assert/strict'
import { createHash, X509Certificate } from 'node:crypto'
import { once } from 'node:events'
import type { IncomingMessage } from 'node:http'
import { createServer, get } from 'node:https'
import type { AddressInfo } from 'node:net'
import { test } from 'node:test'
import { setTimeout as wait } from 'node:timers/promises'
import { selfSigned } from '../../../../test/gateway/certificate.ts'
import { Problem } from '../core/problem.ts'
import { createDpopNonces } from '../jwt/dpop-nonce.ts'
import { createDpopKey, createDpopProof } from '../jwt/dpop-proof.ts'
import { generateSigningKey, verificationKey } from '../jwt/key-readers.ts'
import { createKeySet } from '../jwt/key-set.ts'
import { createSigner } from '../jwt/signer.ts'
import { createVerifier } from '../jwt/verifier.ts'
import type { Decision } from '../policy/decide.ts'
import type { DecisionEvent } from './decision-event.ts'
import { createGuard } from './guard.ts'
import type { Guard } from './guard.ts'
import type { GuardOptions } from './guard-options.ts'
import { guardNode } from './node.ts'
import type { ServiceTerms } from './service-terms.ts'

const nowMs = 1_800_000_000_000
const issuer = 'https://issuer.example'
const publicUrl = 'https://billing.example'
const signingKey = generateSigningKey('ES256')
const signer = createSigner({ key: signingKey })
const keySet = createKeySet([verificationKey(signingKey)])
const key = createDpopKey()
const claims = { iss: issuer, aud: 'billing', exp: nowMs / 1000 + 60, sub: 'orders', jti: 'j1' }
const bearer = signer.sign(claims)
const bound = signer.sign({ ...claims, cnf: { jkt: key.thumbprint } })

test('one setting: bearer tokens and bound ones, or bound ones alone', () => {
  for (const [senderConstraint, token, scheme, expected] of [
    ['accepted', bearer, 'Bearer', 'allow'],
    ['accepted', bound, 'DPoP', 'allow'],
    ['accepted', bound, 'Bearer', 'proof-required'],
    ['accepted', bearer, 'DPoP', 'confirmation-missing'],
    ['required', bearer, 'Bearer', 'confirmation-missing'],
    ['required', bound, 'DPoP', 'allow'],
    [undefined, bearer, 'Bearer', 'allow'],
    [undefined, bound, 'Bearer', 'proof-required'],
    [undefined, bound, 'DPoP', 'token-missing'],
  ] as const) {
    const guard = make(senderConstraint === undefined ? {} : { senderConstraint, publicUrl })
    assert.equal(reasonOf(ask(guard, token, scheme)), expected, `${senderConstraint} ${scheme}`)
  }
})

test('the principal is who the token names, after its sender has shown the key', () => {
  const decision = ask(make({ senderConstraint: 'required', publicUrl }), bound, 'DPoP')
  assert.ok(decision.kind === 'allow')
  assert.equal(decision.principal?.subject, 'orders')
  assert.ok(!('responseHeaders' in decision))
})

test('a refusal says how to do it: schemes, algorithms, nonce', () => {
  const nonces = createDpopNonces()
  const guard = make({ senderConstraint: 'accepted', publicUrl, proofs: { nonces } })
  const decision = ask(guard, bound, 'DPoP')
  assert.equal(reasonOf(decision), 'nonce-required')
  assert.ok(decision.kind === 'deny')
  const answer = guard.answer(decision, [])
  assert.equal(answer.status, 401)
  assert.match(answer.headers['WWW-Authenticate']!, /^DPoP .*error="use_dpop_nonce".*algs="ES256 PS256/)
  assert.equal(answer.headers['DPoP-Nonce'], nonces.current(nowMs))
  const good = ask(guard, bound, 'DPoP', { nonce: nonces.current(nowMs) })
  assert.ok(good.kind === 'allow' && !('responseHeaders' in good))
  const ageing = ask(guard, bound, 'DPoP', { nonce: nonces.current(nowMs - 60_000) })
  assert.ok(ageing.kind === 'allow')
  assert.deepEqual(ageing.responseHeaders, { 'DPoP-Nonce': nonces.current(nowMs) })
})

test('a proof is asked for before the policy: whoever stole a token learns nothing by it', () => {
  const guard = make({ senderConstraint: 'required', publicUrl })
  const stolen = request(bound, 'DPoP', undefined)
  assert.equal(reasonOf(guard.check(stolen, { roles: 'admin' }) as Decision), 'proof-missing')
  const own = request(bound, 'DPoP', proofOf(bound))
  assert.equal(reasonOf(guard.check(own, { roles: 'admin' }) as Decision), 'role-missing')
})

test('decisions about proofs are told like others', async () => {
  const events: DecisionEvent[] = []
  const onDecision = (event: DecisionEvent) => void events.push(event)
  const guard = make({ senderConstraint: 'required', publicUrl, onDecision })
  ask(guard, bound, 'Bearer')
  assert.equal(events[0]?.reason, 'proof-required')
  assert.equal(events[0].token?.tokenId, 'j1')
  for (const replays of [
    { putOnce: () => Promise.reject(new Problem('store-unavailable', 'x')) },
    {
      putOnce: () => {
        throw new Problem('store-unavailable', 'x')
      },
    },
  ]) {
    const failing = make({ senderConstraint: 'required', publicUrl, onDecision, proofs: { replays } })
    const asked = request(bound, 'DPoP', proofOf(bound))
    await assert.rejects(async () => failing.check(asked, 'authenticated'), { code: 'store-unavailable' })
    assert.deepEqual([events.at(-1)?.kind, events.at(-1)?.reason], ['unable', 'store-unavailable'])
  }
  assert.equal(events.length, 3)
})

test('a verifier of one’s own must leave the confirmation to the guard', () => {
  const options = { issuer, audience: 'billing', keySet, clock: () => nowMs }
  const strict = createVerifier(options)
  assert.throws(
    () => createGuard({ verifier: strict, senderConstraint: 'required', publicUrl }),
    (problem: Problem) =>
      problem.code === 'option-invalid' && problem.next === "make it with confirmation: 'checked-by-caller'",
  )
  const open = createVerifier({ ...options, confirmation: 'checked-by-caller' })
  const clock = () => nowMs
  const guard = createGuard({ verifier: open, senderConstraint: 'required', publicUrl, clock })
  assert.equal(reasonOf(ask(guard, bound, 'DPoP')), 'allow')
  const careless = createGuard({ verifier: open, clock })
  assert.equal(reasonOf(ask(careless, bound, 'Bearer')), 'proof-required', 'nobody else would check')
})

test('one setting for client certificates: no public URL, which only a proof is compared with', async () => {
  const { cert, key: privateKey } = selfSigned()
  const x5t = createHash('sha256').update(new X509Certificate(cert).raw).digest('base64url')
  const token = signer.sign({ ...claims, cnf: { 'x5t#S256': x5t } })
  const guard = make({ senderConstraint: 'certificate' })
  const tls = { cert, key: privateKey, requestCert: true, rejectUnauthorized: false }
  const server = createServer(
    tls,
    guardNode(guard, 'authenticated', (_req, res, auth) => void res.end(auth.subject)),
  ).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const ask = async (shown: object, sent: string): Promise<number | undefined> => {
    const headers = { authorization: `Bearer ${sent}` }
    const options = { port, host: '127.0.0.1', rejectUnauthorized: false, agent: false, headers, ...shown }
    const [reply] = (await once(get(options), 'response')) as [IncomingMessage]
    reply.resume()
    return reply.statusCode
  }
  try {
    assert.equal(await ask({ cert, key: privateKey }, token), 200)
    assert.equal(await ask({}, token), 401)
    assert.equal(await ask({ cert, key: privateKey }, bearer), 401)
  } finally {
    server.close()
  }
})

test('a service that the trust file binds to certificates needs no public URL either', () => {
  const service = {
    name: 'billing',
    audience: 'billing',
    bind: 'certificate',
    roles: [],
    scopes: [],
    issuers: [{ issuer, audience: 'billing' }],
    tokenFrom: ['bearer'],
    routes: {},
  } as const satisfies ServiceTerms
  for (const senderConstraint of ['certificate', 'required'] as const) {
    assert.ok(createGuard({ service, keySets: { [issuer]: keySet }, senderConstraint }))
  }
  assert.throws(() => createGuard({ service, keySets: { [issuer]: keySet } }), {
    code: 'option-invalid',
    next: "set senderConstraint: 'certificate'",
  })
})

test('settings that count for nothing are refused', () => {
  for (const options of [
    { publicUrl },
    { proofs: {} },
    { certificateFrom: { header: 'x', proxies: ['127.0.0.1'] } },
    { senderConstraint: 'certificate', proofs: {} },
    { senderConstraint: 'accepted' },
    { senderConstraint: 'required' },
    { senderConstraint: 'dpop' },
    { senderConstraint: 'on', publicUrl },
  ]) {
    assert.throws(() => make(options as Partial<GuardOptions>), { code: 'option-invalid' })
  }
  assert.throws(() => make({ senderConstrained: 'required' } as Partial<GuardOptions>), {
    code: 'option-unknown',
    next: 'did you mean "senderConstraint"?',
  })
})

function make(options: Partial<GuardOptions>): Guard {
  return createGuard({ issuer, audience: 'billing', keySet, clock: () => nowMs, ...options } as GuardOptions)
}

function ask(guard: Guard, token: string, scheme: string, changes: { nonce?: string } = {}): Decision {
  const decision = guard.check(request(token, scheme, proofOf(token, changes)), 'authenticated')
  assert.ok(!(decision instanceof Promise))
  return decision
}

function request(token: string, scheme: string, proof: string | undefined) {
  const credentials = ['Authorization', `${scheme} ${token}`]
  const rawHeaders = proof === undefined ? credentials : [...credentials, 'DPoP', proof]
  return { method: 'GET', target: '/invoices/7?page=2', rawHeaders }
}

function proofOf(accessToken: string, changes: { nonce?: string } = {}): string {
  return createDpopProof({
    key,
    method: 'GET',
    url: `${publicUrl}/invoices/7`,
    accessToken,
    nowMs,
    ...changes,
  })
}

function reasonOf(decision: Decision): string {
  return decision.kind === 'deny' ? decision.denial.reason : decision.kind
}

test('an issuer inside of our own network is asked for its keys once somebody says that it is ours', async () => {
  const said = (allowPrivateAddresses: boolean): Promise<string> => {
    const guard = createGuard({ issuer: 'https://[fd00::1]', audience: 'billing', allowPrivateAddresses })
    return guard.warm().then(
      () => 'keys',
      (problem: Problem) => `${problem.message} ${problem.next}`,
    )
  }
  assert.match(await said(false), /fd00::1: a private address set allowPrivateAddresses/)
  // Nobody is there: whether that is found soon or late is the network's business.
  assert.doesNotMatch(await Promise.race([said(true), wait(200, 'asked')]), /private/)
})

test('a guard without options says what it takes', () => {
  assert.throws(() => createGuard(undefined as unknown as GuardOptions), {
    code: 'option-invalid',
    message: 'createGuard: expected an object of options',
  })
})
