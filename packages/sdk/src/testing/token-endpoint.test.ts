import assert from 'node:assert/strict'
import { after, test } from 'node:test'
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
      act: { sub: 'orders', act: { sub: 'gate' } },
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

const subject_token_type = 'urn:ietf:params:oauth:token-type:access_token'

type Answer = { readonly status: number; readonly reply: Record<string, unknown> }

async function ask(form: Record<string, string>, credentials?: string): Promise<Answer> {
  const headers: Record<string, string> =
    credentials === undefined ? {} : { authorization: `Basic ${btoa(credentials)}` }
  const reply = await fetch(`${issuer.url}/token`, {
    method: 'POST',
    headers,
    body: new URLSearchParams(form),
  })
  return { status: reply.status, reply: (await reply.json()) as Record<string, unknown> }
}

function claimsOf({ reply }: Answer) {
  return inspectToken(reply['access_token'] as string).claims
}
