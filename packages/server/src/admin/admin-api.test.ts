import assert from 'node:assert/strict'
import { existsSync, readFileSync, statSync } from 'node:fs'
import { request as httpRequest } from 'node:http'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { ops, startAdmin } from '../../../../test/issuer/admin.ts'
import type { AdminStand } from '../../../../test/issuer/admin.ts'
import { basic, orders, ordersSecret } from '../../../../test/issuer/fixture.ts'
import { adminOperations } from './operations.ts'

const scoped = adminOperations.filter(({ scope }) => scope !== 'open' && scope !== 'code')
const sample = (path: string): string => path.replaceAll(/\{[a-z]+\}/g, 'x')

test('every operation asks for a token, and for its own scope', async (t) => {
  const stand = await start(t)
  const all = new Set(scoped.map(({ scope }) => scope))
  for (const { method, path, scope } of scoped) {
    const without = await stand.ask(method, sample(path), { token: null })
    assert.equal(without.status, 401, path)
    assert.match(without.headers.get('www-authenticate') ?? '', /^Bearer realm="countersign admin"/)
    const others = [...all].filter((other) => other !== scope).join(' ')
    const wrong = await stand.ask(method, sample(path), { token: await stand.token({ scope: others }) })
    assert.equal(wrong.status, 403, `${method} ${path}`)
    assert.match(wrong.headers.get('www-authenticate') ?? '', new RegExp(`scope="${scope}"`))
  }
})

test('a token for another service opens nothing', async (t) => {
  const stand = await start(t)
  const form = 'grant_type=client_credentials&audience=billing'
  const { json } = await stand.fixture.ask(form, basic('orders', ordersSecret))
  const answer = await stand.ask('GET', '/clients', { token: json['access_token'] as string })
  assert.equal(answer.status, 401)
})

test('a client that is removed or disabled is out, whatever token it still holds', async (t) => {
  const stand = await start(t)
  const body = { may: { countersign: { scopes: ['clients:read'] } } }
  const made = await stand.ask('POST', '/clients', { body })
  const { id, secret } = made.json as { id: string; secret: { secret: string } }
  const token = await stand.token({ client: id, secret: secret.secret })
  assert.equal((await stand.ask('GET', '/clients', { token })).status, 200)
  await stand.ask('PUT', `/clients/${id}`, {
    body: { ...body, disabled: true },
    headers: { 'If-Match': '*' },
  })
  assert.equal((await stand.ask('GET', '/clients', { token })).status, 401)
})

test('a token that was revoked is out', async (t) => {
  const stand = await start(t)
  const token = await stand.token()
  assert.equal((await stand.ask('GET', '/keys', { token })).status, 200)
  await stand.ask('POST', '/revocations', { body: { kind: 'client', id: 'ops' } })
  assert.equal((await stand.ask('GET', '/keys', { token })).status, 401)
})

test('nothing but what is there is answered, and no other origin is let in', async (t) => {
  const stand = await start(t)
  assert.equal((await stand.ask('GET', '/nothing')).status, 404)
  assert.equal((await stand.ask('PATCH', '/clients')).status, 405)
  const preflight = await stand.ask('OPTIONS', '/clients', { headers: { Origin: 'https://evil.example' } })
  assert.equal(preflight.status, 405)
  const cross = await stand.ask('GET', '/clients', { headers: { Origin: 'https://evil.example' } })
  assert.equal(cross.headers.get('access-control-allow-origin'), null)
})

test('bodies are read strictly', async (t) => {
  const stand = await start(t)
  const post = (body: string, type = 'application/json') =>
    stand.ask('POST', '/clients', { body, headers: { 'Content-Type': type } })
  for (const body of [
    '',
    '[]',
    '"x"',
    '{"name":"a","name":"b"}',
    '{"__proto__":{}}',
    '{"name":"\\ud800"}',
    '{,}',
  ])
    assert.equal((await post(body)).json['code'], 'body-invalid', body)
  assert.equal((await post('{}', 'text/plain')).status, 415)
  assert.equal((await post('{}', 'application/json; charset=utf-8')).status, 201)
  assert.equal((await post(`{"name":"${'x'.repeat(17_000)}"}`)).status, 413)
  // What the caller says is never taken for what the API says.
  const forged = await post('{"status":200,"headers":[],"refusal":{"status":200}}')
  assert.equal(forged.status, 400)
  const bodied = await stand.ask('DELETE', '/clients/x', { body: {}, headers: { 'If-Match': '*' } })
  assert.equal(bodied.json['code'], 'body-invalid')
})

test('who leaves in the middle of a body holds nothing up', async (t) => {
  const stand = await start(t)
  const headers = {
    Authorization: `Bearer ${await stand.token()}`,
    'Content-Type': 'application/json',
    'Content-Length': '100',
  }
  await new Promise<void>((resolve) => {
    const request = httpRequest(`${stand.url}/admin/clients`, { method: 'POST', headers, agent: false })
    request.on('error', () => resolve())
    request.write('{', () => setTimeout(() => request.destroy(new Error('gone')), 50))
  })
  assert.deepEqual((await stand.ask('GET', '/clients')).json['clients'], [])
})

test('who comes and who is refused is in the audit log, once a token, and not without bounds', async (t) => {
  const stand = await start(t)
  await stand.ask('GET', '/clients')
  await stand.ask('GET', '/keys')
  await Promise.all(
    Array.from({ length: 100 }, () => stand.ask('GET', '/clients', { token: 'no.such.token' })),
  )
  const records = await stand.audit()
  const entered = records.filter(({ action }) => action === 'admin.entered')
  assert.deepEqual(
    entered.map(({ actor }) => actor),
    ['client ops'],
  )
  const refused = records.filter(({ action }) => action === 'admin.refused')
  assert.ok(refused.length >= 30 && refused.length < 40, `${refused.length}`)
  assert.ok(refused.every(({ actor, outcome }) => actor === 'nobody' && outcome === 'refused'))
  stand.fixture.clock.nowMs += 60_000
  await stand.ask('GET', '/clients', { token: 'no.such.token' })
  const last = (await stand.audit()).at(-1)!
  assert.equal(JSON.parse(last.detail)['leftOut'], 100 - refused.length)
})

test('when nobody can be let in on record, nobody is let in', async (t) => {
  const stand = await start(t)
  const token = await stand.token()
  await stand.store.close()
  assert.equal((await stand.ask('GET', '/keys', { token })).status, 503)
})

test('the document is there for everybody who gets here', async (t) => {
  const stand = await start(t)
  const { status, json } = await stand.ask('GET', '/openapi.json', { token: null })
  assert.deepEqual([status, json['openapi']], [200, '3.1.0'])
})

test('HEAD is answered as GET, for the same token', async (t) => {
  const stand = await start(t)
  const head = (path: string, headers: Record<string, string> = {}) =>
    fetch(`${stand.url}/admin${path}`, { method: 'HEAD', headers })
  assert.equal((await head('/openapi.json')).status, 200)
  assert.equal((await head('/clients')).status, 401)
  assert.equal((await head('/clients', { Authorization: `Bearer ${await stand.token()}` })).status, 200)
})

test('the first client is made by a code, once, whoever asks', async (t) => {
  const stand = await startAdmin({ clients: [orders] })
  t.after(stand.close)
  assert.equal(statSync(stand.codeFile).mode & 0o777, 0o600)
  const code = readFileSync(stand.codeFile, 'utf8').trim()
  const show = (shown: unknown) => stand.ask('POST', '/bootstrap', { body: { code: shown }, token: null })
  assert.equal((await show('wrong')).status, 403)
  const answers = await Promise.all([show(code), show(code), show(code)])
  assert.deepEqual(answers.map(({ status }) => status).sort(), [201, 403, 403])
  assert.ok(!existsSync(stand.codeFile))
  const { id, secret } = answers.find(({ status }) => status === 201)!.json as { id: string; secret: string }
  const token = await stand.token({ client: id, secret })
  assert.equal((await stand.ask('GET', '/clients', { token })).status, 200)
  const actions = (await stand.audit()).map(({ actor, action }) => `${actor} ${action}`)
  assert.ok(actions.includes('bootstrap admin.bootstrapped'))
  assert.ok(actions.includes('nobody admin.refused'))
  assert.ok(!JSON.stringify([await stand.audit(), stand.fixture.logged]).includes(code))
})

test('of two replicas with a code each, one makes the first client, and none after a restart', async (t) => {
  const one = await startAdmin({ clients: [orders] })
  const two = await startAdmin({ clients: [orders], store: one.store })
  t.after(() => Promise.all([one.close(), two.close()]))
  const answers = await Promise.all(
    [one, two].map((stand) =>
      stand.ask('POST', '/bootstrap', {
        body: { code: readFileSync(stand.codeFile, 'utf8').trim() },
        token: null,
      }),
    ),
  )
  assert.deepEqual(answers.map(({ status }) => status).sort(), [201, 403])
  const { id } = answers.find(({ status }) => status === 201)!.json as { id: string }
  const { writeClient } = one.store
  await writeClient({ id, request: undefined, removed: true, settings: '' }, 1, [])
  const three = await startAdmin({ clients: [orders], store: one.store })
  t.after(three.close)
  assert.ok(!existsSync(three.codeFile))
})

test('who is declared for it in the trust file needs no code', async (t) => {
  const stand = await startAdmin({ clients: [ops] })
  t.after(stand.close)
  assert.ok(!existsSync(stand.codeFile))
  assert.equal((await stand.ask('GET', '/clients')).status, 200)
})

async function start(t: TestContext): Promise<AdminStand> {
  const stand = await startAdmin()
  t.after(stand.close)
  return stand
}
