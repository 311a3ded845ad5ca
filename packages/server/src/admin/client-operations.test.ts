import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { TestContext } from 'node:test'
import { startAdmin } from '../../../../test/issuer/admin.ts'
import type { AdminAnswer, AdminStand } from '../../../../test/issuer/admin.ts'
import { basic } from '../../../../test/issuer/fixture.ts'

type Secret = { id: string; secret: string }
const may = { billing: { roles: ['reader'] } }

test('a client is made, gets tokens, is changed, and is gone', async (t) => {
  const stand = await start(t)
  const made = await stand.ask('POST', '/clients', { body: { name: 'shop', may } })
  assert.equal(made.status, 201, made.text)
  const { id, secret } = made.json as { id: string; secret: Secret }
  assert.equal(made.headers.get('etag'), '"1"')
  assert.equal(made.headers.get('cache-control'), 'no-store')
  assert.equal(await tokenStatus(stand, id, secret.secret), 200)

  const shown = await stand.ask('GET', `/clients/${id}`)
  assert.deepEqual(shown.json['may'], may)
  assert.ok(!shown.text.includes(secret.secret))

  const disabled = await stand.ask('PUT', `/clients/${id}`, {
    body: { name: 'shop', may, disabled: true },
    headers: { 'If-Match': '"1"' },
  })
  assert.equal(disabled.headers.get('etag'), '"2"')
  assert.equal(await tokenStatus(stand, id, secret.secret), 401)

  const removed = await stand.ask('DELETE', `/clients/${id}`, { headers: { 'If-Match': '"2"' } })
  assert.equal(removed.status, 204)
  assert.equal((await stand.ask('GET', `/clients/${id}`)).json['code'], 'client-unknown')
  assert.deepEqual((await stand.ask('GET', '/clients')).json, { clients: [] })
})

test('secrets are replaced without a moment in which none is good', async (t) => {
  const stand = await start(t)
  const { id, secret: first } = (await stand.ask('POST', '/clients', { body: { may } })).json as {
    id: string
    secret: Secret
  }
  const anyRevision = { 'If-Match': '*' }
  const second = await stand.ask('POST', `/clients/${id}/secrets`, { headers: anyRevision })
  assert.equal(second.status, 201, second.text)
  for (const secret of [first.secret, second.json['secret'] as string])
    assert.equal(await tokenStatus(stand, id, secret), 200)
  const third = await stand.ask('POST', `/clients/${id}/secrets`, { headers: anyRevision })
  assert.equal(third.json['code'], 'secret-refused')
  const removed = await stand.ask('DELETE', `/clients/${id}/secrets/${first.id}`, { headers: anyRevision })
  assert.equal(removed.status, 204)
  assert.equal(await tokenStatus(stand, id, first.secret), 401)
  assert.equal(await tokenStatus(stand, id, second.json['secret'] as string), 200)
  const again = await stand.ask('DELETE', `/clients/${id}/secrets/${first.id}`, { headers: anyRevision })
  assert.equal(again.json['code'], 'secret-unknown')
})

test('a request that is sent again makes one client, and tells no secret twice', async (t) => {
  const stand = await start(t)
  const headers = { 'Idempotency-Key': 'deploy-4711' }
  const answers = await Promise.all(
    [1, 2, 3].map(() => stand.ask('POST', '/clients', { body: { name: 'shop', may }, headers })),
  )
  assert.deepEqual(answers.map(({ status }) => status).sort(), [200, 200, 201])
  assert.equal(new Set(answers.map(({ json }) => json['id'])).size, 1)
  for (const { status, json } of answers) assert.equal('secret' in json, status === 201)
  const other = await stand.ask('POST', '/clients', { body: { name: 'other' }, headers })
  assert.deepEqual([other.status, other.json['code']], [422, 'key-reused'])
  const path = `/clients/${String(answers[0]!.json['id'])}`
  await stand.ask('PUT', path, { body: { name: 'changed', may }, headers: { 'If-Match': '*' } })
  const again = await stand.ask('POST', '/clients', { body: { name: 'shop', may }, headers })
  assert.deepEqual([again.status, again.json['name']], [200, 'changed'])
  await stand.ask('DELETE', `/clients/${String(answers[0]!.json['id'])}`, { headers: { 'If-Match': '*' } })
  const late = await stand.ask('POST', '/clients', { body: { name: 'shop', may }, headers })
  assert.equal(late.json['code'], 'client-removed')
})

test('who changes what somebody else has changed is told so', async (t) => {
  const stand = await start(t)
  const { id } = (await stand.ask('POST', '/clients', { body: {} })).json as { id: string }
  const change = (headers: Record<string, string>): Promise<AdminAnswer> =>
    stand.ask('PUT', `/clients/${id}`, { body: { name: 'b' }, headers })
  assert.equal((await change({})).status, 428)
  for (const tag of ['"2"', 'W/"1"', '1', '"x"', '"1", "2"', '""'])
    assert.equal((await change({ 'If-Match': tag })).status, 412, tag)
  const both = await Promise.all([change({ 'If-Match': '"1"' }), change({ 'If-Match': '"1"' })])
  assert.deepEqual(both.map(({ status }) => status).sort(), [200, 412])
})

test('lists come page by page', async (t) => {
  const stand = await start(t)
  for (const name of ['a', 'b', 'c']) await stand.ask('POST', '/clients', { body: { name } })
  const first = await stand.ask('GET', '/clients?limit=2')
  const second = await stand.ask('GET', `/clients?limit=2&after=${String(first.json['next'])}`)
  const names = [first, second].flatMap(({ json }) =>
    (json['clients'] as { name: string }[]).map((c) => c.name),
  )
  assert.deepEqual(names.sort(), ['a', 'b', 'c'])
  assert.ok(!('next' in second.json))
  for (const query of ['limit=0', 'limit=1001', 'limit=x', 'limit=1&limit=2', 'page=2', 'after=%00'])
    assert.equal((await stand.ask('GET', `/clients?${query}`)).status, 400, query)
})

test('a client of the trust file is changed in the trust file', async (t) => {
  const stand = await start(t)
  const { id } = (await stand.ask('POST', '/clients', { body: {} })).json as { id: string }
  const declared = stand.trust.clients.get('orders')!
  stand.replace({ ...stand.trust, clients: new Map([...stand.trust.clients, [id, { ...declared, id }]]) })
  const answer = await stand.ask('DELETE', `/clients/${id}`, { headers: { 'If-Match': '*' } })
  assert.equal(answer.json['code'], 'client-declared')
})

describe('nobody gets more of the admin API by it than they have', () => {
  const admin = (scopes: string | string[]): object => ({ may: { countersign: { scopes } } })
  const anyRevision = { 'If-Match': '*' }

  test('by making or changing a client', async (t) => {
    const stand = await start(t)
    const token = await stand.token({ scope: 'clients:read clients:write' })
    for (const scopes of ['keys:write', ['clients:read', 'audit:read']]) {
      const made = await stand.ask('POST', '/clients', { body: admin(scopes), token })
      assert.equal(made.json['code'], 'above-caller', made.text)
    }
    const equal = await stand.ask('POST', '/clients', { body: admin('clients:read'), token })
    assert.equal(equal.status, 201)
    const raised = await stand.ask('PUT', `/clients/${String(equal.json['id'])}`, {
      body: admin('keys:write'),
      headers: anyRevision,
      token,
    })
    assert.equal(raised.status, 403)
  })

  test('by taking over a client that has more', async (t) => {
    const stand = await start(t)
    const token = await stand.token({ scope: 'clients:read clients:write' })
    const { json } = await stand.ask('POST', '/clients', { body: admin('keys:write') })
    const path = `/clients/${String(json['id'])}`
    for (const [method, at, body] of [
      ['POST', `${path}/secrets`, undefined],
      ['DELETE', `${path}/secrets/${(json['secret'] as Secret).id}`, undefined],
      ['PUT', path, {}],
      ['DELETE', path, undefined],
    ] as const) {
      const answer = await stand.ask(method, at, { body, headers: anyRevision, token })
      assert.equal(answer.json['code'], 'above-caller', `${method} ${at}`)
    }
  })
})

test('an id that none can have is asked of no store', async (t) => {
  const stand = await start(t)
  for (const id of ['a%00b', '%F0%9F%94%91', 'x'.repeat(129), 'a%20b']) {
    const { status } = await stand.ask('GET', `/clients/${id}`)
    assert.ok(status === 404 || status === 400, `${id} ${status}`)
  }
})

test('mistakes are named, all at once, by where they are', async (t) => {
  const stand = await start(t)
  const body = { maay: {}, may: { biling: {}, billing: { roles: ['root'] } } }
  const answer = await stand.ask('POST', '/clients', { body })
  assert.equal(answer.status, 400)
  assert.equal(answer.headers.get('content-type'), 'application/problem+json')
  const mistakes = answer.json['mistakes'] as { path: string; next?: string }[]
  assert.deepEqual(mistakes.map(({ path }) => path).sort(), ['maay', 'may.biling', 'may.billing.roles[0]'])
  assert.equal(mistakes.find(({ path }) => path === 'maay')?.next, 'did you mean "may"?')
  for (const bad of [{ name: 7 }, { name: 'x'.repeat(129) }, { disabled: 'yes' }])
    assert.equal((await stand.ask('POST', '/clients', { body: bad })).status, 400)
})

test('a client that shows assertions has no secret, and loses those it had', async (t) => {
  const stand = await start(t)
  const federated = { issuer: 'https://ci.acme.example', subject: 'repo:acme/shop' }
  const made = await stand.ask('POST', '/clients', { body: { authenticate: { federated } } })
  assert.ok(!('secret' in made.json))
  const secret = await stand.ask('POST', `/clients/${String(made.json['id'])}/secrets`, {
    headers: { 'If-Match': '*' },
  })
  assert.equal(secret.json['code'], 'secret-refused')
  const before = (await stand.ask('POST', '/clients', { body: { may } })).json as {
    id: string
    secret: Secret
  }
  const changed = await stand.ask('PUT', `/clients/${before.id}`, {
    body: { may, authenticate: { federated } },
    headers: { 'If-Match': '*' },
  })
  assert.deepEqual(changed.json['secrets'], [])
  assert.equal(await tokenStatus(stand, before.id, before.secret.secret), 401)
})

test('a client is not made that could never get a token by its certificate', async (t) => {
  const stand = await start(t)
  const dns = { authenticate: { certificate: { dns: 'shop.acme.example' } } }
  const make = async (body: object) => (await stand.ask('POST', '/clients', { body })).json['detail']
  for (const body of [dns, { may, bind: 'certificate' }])
    assert.match(String(await make(body)), /asks nobody/)
  const issuer = { ...stand.trust.issuer!, clientCertificates: {} }
  stand.replace({ ...stand.trust, issuer })
  assert.match(String(await make(dns)), /no authority/)
  assert.equal(await make({ may, bind: 'certificate' }), undefined)
})

test('every change is in the audit log, with who made it and without a secret', async (t) => {
  const stand = await start(t)
  const anyRevision = { 'If-Match': '*' }
  const { id, secret } = (await stand.ask('POST', '/clients', { body: { name: 'shop', may } })).json as {
    id: string
    secret: Secret
  }
  await stand.ask('PUT', `/clients/${id}`, { body: { may }, headers: anyRevision })
  const added = await stand.ask('POST', `/clients/${id}/secrets`, { headers: anyRevision })
  await stand.ask('DELETE', `/clients/${id}/secrets/${secret.id}`, { headers: anyRevision })
  await stand.ask('DELETE', `/clients/${id}`, { headers: anyRevision })
  await stand.ask('DELETE', `/clients/${id}`, { headers: anyRevision })
  const records = (await stand.audit()).filter(({ subject }) => subject === id)
  assert.deepEqual(
    records.map(({ actor, action }) => `${actor} ${action}`),
    [
      'client ops client.created',
      'client ops client.changed',
      'client ops client.secret-added',
      'client ops client.secret-removed',
      'client ops client.removed',
    ],
  )
  assert.deepEqual(JSON.parse(records[0]!.detail)['may'], may)
  const everything = JSON.stringify([await stand.audit(), stand.fixture.logged])
  for (const hidden of [secret.secret, added.json['secret'] as string])
    assert.ok(!everything.includes(hidden))
})

test('what cannot be written down is not done', async (t) => {
  const stand = await start(t)
  await stand.ask('GET', '/clients')
  await stand.store.close()
  const answer = await stand.ask('POST', '/clients', { body: { may } })
  assert.equal(answer.status, 503)
  assert.ok(Number(answer.headers.get('retry-after')) > 0)
  assert.equal(answer.json['code'], 'store-unavailable')
})

async function start(t: TestContext): Promise<AdminStand> {
  const stand = await startAdmin()
  t.after(stand.close)
  return stand
}

async function tokenStatus({ fixture }: AdminStand, id: string, secret: string): Promise<number> {
  return (await fixture.ask('grant_type=client_credentials', basic(id, secret))).status
}
