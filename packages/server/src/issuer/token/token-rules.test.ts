import assert from 'node:assert/strict'
import { createHash, X509Certificate } from 'node:crypto'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { generateSigningKey, publicJwk, readSecretSigningKey } from '@countersign/sdk/jwt'
import { assertionFields, assertionOf, goodClaims } from '../../../../../test/issuer/assertion.ts'
import { basic, settings, startIssuer, trust } from '../../../../../test/issuer/fixture.ts'
import type { Fixture } from '../../../../../test/issuer/fixture.ts'
import { certify } from '../../../../../test/gateway/certificate.ts'
import { chainTrust, login, loginSecret } from '../../../../../test/issuer/exchange.ts'
import { jwtBearerGrant } from '../grants/jwt-bearer.ts'
import { tokenExchangeGrant } from '../grants/token-exchange.ts'
import { transactionTokenType } from '../grants/transactions.ts'
import { createMemoryStore } from '../../store/memory.ts'
import { managedText, mintSecret } from '../clients/managed-client.ts'
import type { ManagedClient } from '../clients/managed-client.ts'

const credentials = 'grant_type=client_credentials&audience=billing'
const mayBilling = { may: { billing: { roles: ['reader'] } } }

test('a managed client gets what its settings grant, with either of two secrets', async (t) => {
  const [old, young] = [mintSecret(0), mintSecret(1)]
  const issuer = await start(t, { c1: { settings: mayBilling, secrets: [old.kept, young.kept] } })
  for (const { secret } of [old, young]) {
    const answer = await issuer.ask(credentials, basic('c1', secret.revealText()))
    assert.equal(answer.status, 200, answer.body)
    const claims = claimsOf(answer.json['access_token'])
    assert.deepEqual([claims['sub'], claims['roles']], ['c1', ['reader']])
  }
  assert.equal((await issuer.ask(credentials, basic('c1', mintSecret(0).secret.revealText()))).status, 401)
  const more = await issuer.ask(`${credentials}&roles=admin`, basic('c1', old.secret.revealText()))
  assert.equal(more.json['error'], 'invalid_scope')
})

test('a change counts as soon as it is read, and the words of refusal are those for anybody', async (t) => {
  const { secret, kept } = mintSecret(0)
  const issuer = await start(t, { c1: { settings: mayBilling, secrets: [kept] } })
  const headers = basic('c1', secret.revealText())
  assert.equal((await issuer.ask(credentials, headers)).status, 200)
  await issuer.put('c1', { settings: mayBilling, secrets: [kept], disabled: true }, 1)
  const refused = await issuer.ask(credentials, headers)
  assert.equal(refused.status, 401)
  assert.equal(refused.body, (await issuer.ask(credentials, basic('nobody', 'x'))).body)
  await issuer.put('c1', { settings: mayBilling, secrets: [kept] }, 2)
  assert.equal((await issuer.ask(credentials, headers)).status, 200)
})

test('a managed client with keys of its own shows assertions', async (t) => {
  const key = generateSigningKey('ES256')
  const authenticate = { keys: [publicJwk(key)] }
  const issuer = await start(t, { c1: { settings: { ...mayBilling, authenticate } } })
  const shown = (of = key, more = {}): string => {
    const text = assertionOf(of, goodClaims('c1', issuer.url, issuer.clock.nowMs))
    return assertionFields(text, { grant_type: 'client_credentials', ...more })
  }
  for (const body of [shown(), shown(key, { client_id: 'c1' })]) {
    assert.equal((await issuer.ask(body)).status, 200)
    // Each is good once.
    assert.equal((await issuer.ask(body)).json['error'], 'invalid_client')
  }
  const forged = shown(generateSigningKey('ES256'))
  assert.equal((await issuer.ask(forged)).json['error'], 'invalid_client')
})

test('a client’s keys speak for that client only', async (t) => {
  const key = generateSigningKey('ES256')
  const authenticate = { keys: [publicJwk(key)] }
  const issuer = await start(t, {
    c1: { settings: { ...mayBilling, authenticate } },
    c2: { settings: mayBilling },
  })
  for (const [iss, client_id] of [
    ['c2', undefined],
    ['orders', undefined],
    ['c1', 'c2'],
    ['c2', 'c1'],
    ['orders', 'c1'],
    ['c1', 'orders'],
  ]) {
    const text = assertionOf(key, goodClaims(iss!, issuer.url, issuer.clock.nowMs))
    const more = client_id === undefined ? {} : { client_id }
    const answer = await issuer.ask(assertionFields(text, { grant_type: 'client_credentials', ...more }))
    assert.notEqual(answer.status, 200, `${iss} ${client_id}`)
  }
})

test('a managed client is known by its certificate', async (t) => {
  const [own, other] = [certify({ subject: [['CN', 'c1']] }), certify({ subject: [['CN', 'c1']] })]
  const raw = ({ cert }: { cert: string }): Buffer => new X509Certificate(cert).raw
  const thumbprint = createHash('sha256').update(raw(own)).digest('base64url')
  const authenticate = { certificate: { thumbprint } }
  const issuer = await start(
    t,
    { c1: { settings: { ...mayBilling, authenticate, bind: 'certificate' } }, c2: { settings: mayBilling } },
    {
      trust: { ...trust(), trustedProxies: ['127.0.0.1'] },
      settings: settings('https://issuer.example', {
        clientCertificates: { header: { name: 'Client-Cert', encoding: 'der' } },
      }),
    },
  )
  const ask = (id: string, shown: { cert: string }) =>
    issuer.ask(`${credentials}&client_id=${id}`, { 'Client-Cert': raw(shown).toString('base64') })
  const answer = await ask('c1', own)
  assert.equal(answer.status, 200, answer.body)
  assert.deepEqual(claimsOf(answer.json['access_token'])['cnf'], { 'x5t#S256': thumbprint })
  for (const [id, shown] of [
    ['c1', other],
    ['c2', own],
    ['orders', own],
  ] as const)
    assert.equal((await ask(id, shown)).json['error'], 'invalid_client', id)
  await issuer.put('c1', { settings: { ...mayBilling, authenticate }, disabled: true }, 1)
  assert.equal((await ask('c1', own)).json['error'], 'invalid_client')
})

test('a managed client asks for those it may assert, begins transactions, and has its tokens bound', async (t) => {
  const { secret, kept } = mintSecret(0)
  const chain = chainTrust()
  const issuer = await start(
    t,
    {
      c1: {
        secrets: [kept],
        settings: {
          may: { billing: { roles: 'reader' } },
          mayAssert: { login: { subject: 'alice' } },
          mayExchange: 'billing',
          mayTransact: 'pay',
        },
      },
      c2: { secrets: [kept], settings: { ...mayBilling, bind: 'dpop' } },
    },
    { trust: { ...chain, transactions: { trustDomain: 'acme.example', lifetimeSeconds: 60 } } },
  )
  const own = (id: string) => basic(id, secret.revealText())
  const exp = Math.floor(issuer.clock.nowMs / 1000) + 60
  const key = readSecretSigningKey(loginSecret, { algorithm: 'HS256' })
  const assertion = (sub: string): string =>
    assertionOf(key, { iss: login, sub, aud: issuer.url, jti: sub, exp }, {}, 'JWT')
  const asked = (sub: string) =>
    issuer.ask(
      new URLSearchParams({ grant_type: jwtBearerGrant, assertion: assertion(sub) }).toString(),
      own('c1'),
    )
  const alices = await asked('alice')
  assert.equal(alices.status, 200, alices.body)
  assert.deepEqual(claimsOf(alices.json['access_token'])['act'], { sub: 'c1', iss: issuer.url })
  assert.equal((await asked('bob')).json['error'], 'invalid_grant')

  const begun = await issuer.ask(
    new URLSearchParams({
      grant_type: tokenExchangeGrant,
      requested_token_type: transactionTokenType,
      audience: 'acme.example',
      scope: 'pay',
      subject_token: String(alices.json['access_token']),
      subject_token_type: 'urn:ietf:params:oauth:token-type:access_token',
    }).toString(),
    own('c1'),
  )
  assert.equal(begun.status, 200, begun.body)
  assert.equal(claimsOf(begun.json['access_token'])['req_wl'], 'c1')

  const unbound = await issuer.ask('grant_type=client_credentials', own('c2'))
  assert.equal(unbound.json['error'], 'invalid_dpop_proof')
})

test('a thousand clients more change nothing about one', async (t) => {
  const many = Object.fromEntries(Array.from({ length: 1000 }, (_, index) => [`m${index}`, {}]))
  const { secret, kept } = mintSecret(0)
  const issuer = await start(t, { ...many, c1: { settings: mayBilling, secrets: [kept] } })
  assert.equal((await issuer.ask(credentials, basic('c1', secret.revealText()))).status, 200)
  assert.equal(issuer.issuer.managed.size, 1001)
})

async function start(
  t: TestContext,
  clients: Readonly<Record<string, Partial<ManagedClient>>>,
  options: Parameters<typeof startIssuer>[0] = {},
): Promise<Fixture & { put(id: string, fields: Partial<ManagedClient>, revision: number): Promise<void> }> {
  const store = createMemoryStore()
  const write = async (id: string, fields: Partial<ManagedClient>, revision: number): Promise<void> => {
    const empty = { name: '', disabled: false, settings: {}, secrets: [], createdAtMs: 0, changedAtMs: 0 }
    const settings = managedText({ ...empty, ...fields })
    assert.ok(await store.writeClient({ id, request: undefined, removed: false, settings }, revision, []))
  }
  for (const [id, fields] of Object.entries(clients)) await write(id, fields, 0)
  const fixture = await startIssuer({ store, trust: trust(), ...options })
  t.after(fixture.close)
  return {
    ...fixture,
    async put(id, fields, revision) {
      await write(id, fields, revision)
      await fixture.issuer.managed.refresh()
    },
  }
}

function claimsOf(token: unknown): Record<string, unknown> {
  return JSON.parse(Buffer.from(String(token).split('.')[1]!, 'base64url').toString()) as Record<
    string,
    unknown
  >
}
