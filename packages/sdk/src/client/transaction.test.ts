import assert from 'node:assert/strict'
import { test } from 'node:test'
import { inspect } from 'node:util'
import { rememberShownToken } from '../core/shown-token.ts'
import { createAuthContext } from '../guard/auth-context.ts'
import type { Principal } from '../policy/principal.ts'
import { createTestIssuer } from '../testing/memory-issuer.ts'
import { createTokenSource } from './token-source.ts'

// The issuer's side is tested there; this is what is asked of it, and what is taken from it.

const issuer = createTestIssuer()
const access = 'urn:ietf:params:oauth:token-type:access_token'
const transaction = 'urn:ietf:params:oauth:token-type:txn_token'
let asked: Record<string, string>[] = []
let answer: () => Response = granted

test('what is asked: the caller’s token, what it is for, what it is about', async () => {
  const auth = showing(issuer.token({ subject: 'alice' }))
  const token = await make().transaction(auth, {
    scopes: ['pay', 'notify'],
    details: { invoice: 7 },
    context: { ip: '192.0.2.1' },
  })
  const { subject_token, ...form } = asked.at(-1)!
  assert.match(subject_token!, /^eyJ/)
  assert.deepEqual(form, {
    grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
    audience: 'acme.example',
    subject_token_type: access,
    requested_token_type: transaction,
    scope: 'pay notify',
    request_details: '{"invoice":7}',
    request_context: '{"ip":"192.0.2.1"}',
  })
  assert.equal(token.secret.revealText(), 'txn-1')
  assert.ok(!inspect(token, { depth: 5, showHidden: true }).includes('txn-1'))
})

test('a caller that came with a transaction token goes on with it', async () => {
  const auth = showing(issuer.token({ dangerouslyType: 'txntoken+jwt' }))
  await make().transaction(auth, { scopes: ['pay'] })
  assert.equal(asked.at(-1)!['subject_token_type'], transaction)
})

test('each is one of its own, and a context is asked who acts', async () => {
  asked = []
  const context = createAuthContext()
  const [alice, source] = [showing(issuer.token({ subject: 'alice' })), make()]
  await context.run(alice, async () => {
    for (let time = 0; time < 2; time++) await source.transaction(context, { scopes: ['pay'] })
  })
  assert.equal(asked.length, 2)
  await assert.rejects(source.transaction(context, { scopes: ['pay'] }), { code: 'auth-missing' })
})

test('an access token in its place is not taken, nor the other way round', async () => {
  const auth = showing(issuer.token())
  answer = () => Response.json({ access_token: 'x', token_type: 'Bearer', expires_in: 60 })
  await assert.rejects(make().transaction(auth, { scopes: ['pay'] }), {
    code: 'token-unavailable',
    message: /N_A/,
  })
  answer = granted
  await assert.rejects(make().onBehalfOf(auth).token(), { code: 'token-unavailable', message: /Bearer/ })
})

test('what cannot be is refused at once, and the issuer is left alone when it says so', async () => {
  const [auth, source] = [showing(issuer.token()), make()]
  asked = []
  await assert.rejects(source.transaction(auth, { scopes: [] }), { code: 'option-invalid' })
  await assert.rejects(source.transaction(auth, { scopes: ['a'], detials: {} } as never), {
    code: 'option-unknown',
  })
  await assert.rejects(source.transaction({ ...auth }, { scopes: ['a'] }), { code: 'auth-missing' })
  assert.deepEqual(asked, [])
  answer = () => new Response('', { status: 429, headers: { 'Retry-After': '30' } })
  for (let time = 0; time < 2; time++) {
    await assert.rejects(source.transaction(auth, { scopes: ['a'] }), { code: 'token-unavailable' })
  }
  answer = granted
  assert.equal(asked.length, 1)
})

test('one caller who is refused keeps nobody else from asking', async () => {
  const source = make()
  answer = () => Response.json({ error: 'invalid_grant' }, { status: 400, headers: { 'Retry-After': '30' } })
  await assert.rejects(source.transaction(showing('one'), { scopes: ['a'] }), { code: 'token-refused' })
  answer = granted
  assert.ok(await source.transaction(showing('other'), { scopes: ['a'] }))
})

function make() {
  return createTokenSource({
    tokenEndpoint: 'https://issuer.example/token',
    clientId: 'billing',
    clientSecret: 's',
    audience: 'acme.example',
    fetch: async (_, init) => {
      asked.push(Object.fromEntries(new URLSearchParams(String(init?.body))))
      return answer()
    },
  })
}

function granted(): Response {
  return Response.json({
    access_token: 'txn-1',
    token_type: 'N_A',
    expires_in: 60,
    issued_token_type: transaction,
  })
}

/** Who acts, as a guard gives it. */
function showing(text: string): Principal {
  const auth = { expiresAtSeconds: Infinity } as Principal
  rememberShownToken(auth, text)
  return auth
}
