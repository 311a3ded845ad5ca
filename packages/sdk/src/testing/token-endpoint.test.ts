import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { createTokenSource } from '../client/token-source.ts'
import { createDpopKey, createDpopProof } from '../jwt/dpop-proof.ts'
import { inspectToken } from '../jwt/inspect.ts'
import { startTestIssuer } from './loopback-issuer.ts'

const issuer = await startTestIssuer({
  audience: 'billing',
  clients: { 'test-client': 'test-secret', orders: { secret: 'p:s', roles: ['reader'], scopes: ['a', 'b'] } },
})
after(() => issuer.close())

test('the secret in the form or in the header', async () => {
  const form = await ask({
    grant_type: 'client_credentials',
    client_id: 'test-client',
    client_secret: 'test-secret',
  })
  assert.equal(form.status, 200)
  assert.equal(form.reply['token_type'], 'Bearer')
  assert.equal(form.reply['expires_in'], 300)
  const basic = await ask({ grant_type: 'client_credentials' }, 'test-client:test-secret')
  assert.equal(basic.status, 200)
})

test('all a client may have, less on request, never more', async () => {
  const all = await ask({ grant_type: 'client_credentials' }, 'orders:p%3As')
  assert.equal(all.reply['scope'], 'a b')
  assert.deepEqual(claimsOf(all)?.['roles'], ['reader'])
  const less = await ask(
    { grant_type: 'client_credentials', scope: 'b', resource: 'shipping' },
    'orders:p%3As',
  )
  assert.equal(claimsOf(less)?.['scope'], 'b')
  assert.equal(claimsOf(less)?.['aud'], 'shipping')
  for (const form of [{ scope: 'c' }, { roles: 'admin' }, { roles: 'reader admin' }]) {
    const more = await ask({ grant_type: 'client_credentials', ...form }, 'orders:p%3As')
    assert.deepEqual([more.status, more.reply['error']], [400, 'invalid_scope'])
  }
})

test('an exchange: who it is about, who acts, and no more or longer than both have', async () => {
  const form = { grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange', audience: 'shipping' }
  const exchange = (subject_token: string, other: Record<string, string> = {}) =>
    ask({ ...form, subject_token, subject_token_type, ...other }, 'orders:p%3As')
  const shown = {
    subject: 'alice',
    clientId: 'web',
    actor: 'gate',
    roles: ['reader', 'admin'],
    lifetimeSeconds: 60,
  }
  const good = await exchange(issuer.token(shown))
  assert.equal(good.status, 200)
  assert.equal(good.reply['issued_token_type'], subject_token_type)
  assert.ok(Number(good.reply['expires_in']) <= 60)
  const { sub, client_id, act, aud, roles } = claimsOf(good)!
  assert.deepEqual(
    { sub, client_id, act, aud, roles },
    {
      sub: 'alice',
      client_id: 'orders',
      act: { sub: 'orders', iss: issuer.url, act: { sub: 'gate' } },
      aud: 'shipping',
      roles: ['reader'],
    },
  )
  const broken = issuer.token({ dangerouslySignature: 'foreign' })
  for (const refused of [
    await exchange(broken),
    await exchange(issuer.token({ lifetimeSeconds: -60 })),
    await exchange(''),
    await exchange(issuer.token(), { subject_token_type: 'urn:ietf:params:oauth:token-type:id_token' }),
  ]) {
    assert.deepEqual([refused.status, refused.reply['error']], [400, 'invalid_request'])
  }
  assert.equal((await exchange(issuer.token(), { roles: 'reader' })).reply['error'], 'invalid_scope')
})

test('who is not known gets nothing', async () => {
  for (const credentials of [
    'orders:wrong',
    'orders:',
    'orders',
    'nobody:p%3As',
    'constructor:x',
    undefined,
  ]) {
    const refused = await ask({ grant_type: 'client_credentials' }, credentials)
    assert.deepEqual([refused.status, refused.reply], [401, { error: 'invalid_client' }], `${credentials}`)
  }
  const other = await ask({ grant_type: 'password' }, 'orders:p%3As')
  assert.deepEqual([other.status, other.reply['error']], [400, 'unsupported_grant_type'])
})

test('what the real issuer calls an invalid request', async () => {
  const grant = 'grant_type=client_credentials'
  for (const [body, error, type] of [
    ['', 'invalid_request'],
    ['grant_type=', 'invalid_request'],
    [`${grant}&${grant}`, 'invalid_request'],
    [`${grant}&scope=a&scope=b`, 'invalid_request'],
    [`${grant}&client_secret=p%3As`, 'invalid_request'],
    [`${grant}&client_id=test-client`, 'invalid_request'],
    [grant, 'invalid_request', 'application/json'],
    [grant, 'invalid_request', 'text/plain;charset=UTF-8'],
    [`${grant}&audience=billing&audience=stock`, 'invalid_target'],
    [`${grant}&resource=billing&resource=stock`, 'invalid_target'],
    [`${grant}&audience=billing&resource=stock`, 'invalid_target'],
    [`${grant}&scope=a++b`, 'invalid_scope'],
    [`${grant}&roles=reader+`, 'invalid_scope'],
  ] as [string, string, string?][]) {
    const { status, reply } = await askWith(body, type)
    assert.deepEqual([status, reply], [400, { error }], body)
  }
  const authorization = `Basic ${btoa('orders:p%3As')}!!`
  const garbled = await ask({ grant_type: 'client_credentials' }, undefined, { authorization })
  assert.deepEqual([garbled.status, garbled.reply], [401, { error: 'invalid_client' }])
})

test('what is empty is left out, and what is said again is said once', async () => {
  const empty = await askWith('grant_type=client_credentials&audience=&resource=&scope=&roles=')
  assert.equal(claimsOf(empty)?.['aud'], 'billing')
  assert.equal(claimsOf(empty)?.['scope'], 'a b')
  const twice = await askWith('grant_type=client_credentials&audience=x&audience=x&resource=x&scope=b+b')
  assert.equal(claimsOf(twice)?.['aud'], 'x')
  assert.equal(claimsOf(twice)?.['scope'], 'b')
})

test('a client whose targets are named gets tokens for no others', async () => {
  const clients = { orders: { secret: 'x-7-x', mayCall: ['https://billing.test', 'https://stock.test'] } }
  await using issuer = await startTestIssuer({ audience: 'https://orders.test', clients })
  const tokenFor = (audience?: string) => {
    const target = audience === undefined ? {} : { audience }
    return createTokenSource({ ...issuer.credentials(), ...target }).token()
  }
  await tokenFor('https://stock.test')
  await assert.rejects(tokenFor('https://stok.test'), { message: /invalid_target/ })
  await assert.rejects(tokenFor(), { message: /invalid_target/ })
})

test('an exchange says nothing that is passed over', async () => {
  const form = { grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange', subject_token_type }
  const exchange = (other: Record<string, string>) =>
    ask({ ...form, subject_token: issuer.token(), ...other }, 'orders:p%3As')
  const transaction = { requested_token_type: 'urn:ietf:params:oauth:token-type:txn_token' }
  assert.equal((await exchange({})).status, 200)
  for (const other of [
    { actor_token: issuer.token(), actor_token_type: subject_token_type },
    { actor_token_type: subject_token_type },
    { actor_token: issuer.token(), ...transaction },
    { actor_token_type: subject_token_type, ...transaction },
    { requested_token_type: 'urn:ietf:params:oauth:token-type:saml2' },
  ]) {
    assert.equal((await exchange(other as Record<string, string>)).reply['error'], 'invalid_request')
  }
})

test('a token that is bound to the key of a proof, from the client to the guard', async () => {
  const source = createTokenSource({ ...issuer.credentials('orders'), dpop: true })
  const url = 'https://billing.test/invoices/7'
  const guard = issuer.guard({ senderConstraint: 'required', publicUrl: 'https://billing.test' })
  const check = async (headers: Readonly<Record<string, string>>) => {
    const rawHeaders = Object.entries(headers).flat()
    const decision = await guard.check({ method: 'GET', target: '/invoices/7', rawHeaders }, 'authenticated')
    return decision.kind === 'allow' ? 'allow' : decision.denial.reason
  }
  const headers = await source.headersFor('GET', url)
  assert.match(headers['Authorization'] ?? headers['authorization'] ?? '', /^DPoP /)
  assert.equal(await check(headers), 'allow')
  assert.equal(await check(headers), 'proof-replayed')
  const bearer = await createTokenSource(issuer.credentials('orders')).authHeader()
  assert.notEqual(await check({ Authorization: bearer }), 'allow')
})

test('a proof counts once, for this endpoint alone, and two are none', async () => {
  const key = createDpopKey()
  const proof = (url = `${issuer.url}/token`) => createDpopProof({ key, method: 'POST', url })
  const good = proof()
  assert.equal((await withProof(good)).reply['token_type'], 'DPoP')
  for (const refused of [good, proof('https://other.test/token'), 'x', '', `${proof()},${proof()}`]) {
    const { status, reply } = await withProof(refused)
    assert.deepEqual([status, reply['error']], [400, 'invalid_dpop_proof'], refused)
  }
})

test('a nonce that is demanded is told, and the next one once it has aged', async () => {
  await using strict = await startTestIssuer({ dpopNonces: true, nowMs: 1_800_000_000_000 })
  const key = createDpopKey()
  const askWith = async (nonce?: string) => {
    const proof = { key, method: 'POST', url: `${strict.url}/token`, nowMs: strict.clock() }
    const reply = await fetch(`${strict.url}/token`, {
      method: 'POST',
      headers: {
        Authorization: `Basic ${Buffer.from('test-client:test-secret').toString('base64')}`,
        'Content-Type': formType,
        DPoP: createDpopProof(nonce === undefined ? proof : { ...proof, nonce }),
      },
      body: 'grant_type=client_credentials',
    })
    const { error } = (await reply.json()) as { error?: string }
    return { error, nonce: reply.headers.get('dpop-nonce') ?? undefined }
  }
  const { error, nonce } = await askWith()
  assert.equal(error, 'use_dpop_nonce')
  assert.deepEqual(await askWith(nonce), { error: undefined, nonce: undefined })
  strict.advance(61)
  const aged = await askWith(nonce)
  assert.deepEqual([aged.error, typeof aged.nonce, aged.nonce === nonce], [undefined, 'string', false])
  strict.advance(3600)
  assert.equal((await askWith(nonce)).error, 'use_dpop_nonce')

  const { requests } = strict
  const source = createTokenSource({ ...strict.credentials(), dpop: true })
  const before = requests.token
  assert.ok('DPoP' in (await source.headersFor('GET', 'https://billing.test/')))
  assert.equal(requests.token - before, 2, 'once without a nonce, and once with it')
})

test('a bound token is exchanged by the holder of its key, and stays bound to it', async () => {
  const [key, other] = [createDpopKey(), createDpopKey()]
  const form = {
    grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
    subject_token: issuer.token({ claims: { cnf: { jkt: key.thumbprint } } }),
    subject_token_type,
  }
  const url = `${issuer.url}/token`
  const bound = await withProof(createDpopProof({ key, method: 'POST', url }), form)
  assert.deepEqual(claimsOf(bound)?.['cnf'], { jkt: key.thumbprint })
  const stolen = await withProof(createDpopProof({ key: other, method: 'POST', url }), form)
  assert.equal(stolen.reply['error'], 'invalid_request')
  assert.equal((await ask(form, 'orders:p%3As')).reply['error'], 'invalid_dpop_proof')
})

const formType = 'application/x-www-form-urlencoded'
const subject_token_type = 'urn:ietf:params:oauth:token-type:access_token'

type Answer = { readonly status: number; readonly reply: Record<string, unknown> }

function withProof(proof: string, form = { grant_type: 'client_credentials' }): Promise<Answer> {
  return ask(form, 'orders:p%3As', { DPoP: proof })
}

async function ask(
  form: Record<string, string>,
  credentials?: string,
  others: Record<string, string> = {},
): Promise<Answer> {
  const headers: Record<string, string> =
    credentials === undefined ? others : { ...others, authorization: `Basic ${btoa(credentials)}` }
  return post(new URLSearchParams(form).toString(), { 'content-type': formType, ...headers })
}

/** A body as it is, of a client with a good secret. */
function askWith(body: string, type = formType): Promise<Answer> {
  return post(body, { 'content-type': type, authorization: `Basic ${btoa('orders:p%3As')}` })
}

async function post(body: string, headers: Record<string, string>): Promise<Answer> {
  const reply = await fetch(`${issuer.url}/token`, { method: 'POST', headers, body })
  return { status: reply.status, reply: (await reply.json()) as Record<string, unknown> }
}

function claimsOf({ reply }: Answer) {
  return inspectToken(reply['access_token'] as string).claims
}
