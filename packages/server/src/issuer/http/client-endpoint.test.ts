import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { Problem } from '@countersign/sdk/core'
import { silentLog } from '../../log.ts'
import { createClientAuth } from '../clients/client-auth.ts'
import { createClientEndpoint } from './client-endpoint.ts'
import type { AboutToken } from './client-endpoint.ts'
import { createFailureLimit } from '../clients/failure-limit.ts'
import { refuse } from './refusal.ts'
import { basic, orders, ordersSecret, startIssuer } from '../../../../../test/issuer/fixture.ts'

const reply = { status: 200, headers: [], body: 'done' }
const form = 'application/x-www-form-urlencoded'
const clientAuth = createClientAuth([orders], createFailureLimit())

function ask(
  answer: AboutToken,
  body: string,
  authorization = [basic('orders', ordersSecret).Authorization],
) {
  const logged: string[] = []
  const line = (event: string, fields?: object): void =>
    void logged.push(`${event} ${JSON.stringify(fields)}`)
  const log = { ...silentLog, warn: line, error: line }
  const endpoint = createClientEndpoint('revocation', { rules: () => ({ clientAuth }), log }, answer)
  const request = {
    contentType: form,
    authorization,
    body: Buffer.from(body),
    address: '',
    nowMs: 7,
    rawHeaders: [],
  }
  return Promise.resolve(endpoint(request)).then((answered) => ({ ...answered, logged }))
}

test('hands on who asks, about what, and when', async () => {
  const answered = await ask(async (client, token, nowMs) => {
    assert.deepEqual([client.id, token, nowMs], ['orders', 'a.b.c', 7])
    return reply
  }, 'token=a.b.c&token_type_hint=access_token')
  assert.equal(answered.body, 'done')
  assert.deepEqual(answered.about, { client: 'orders' })
  assert.deepEqual(answered.logged, [])
})

test('asks nothing for a stranger, nor without a token', async () => {
  const never: AboutToken = async () => assert.fail('asked')
  for (const [body, authorization, status, error] of [
    ['token=a.b.c', [], 401, 'invalid_client'],
    ['token=a.b.c', [basic('orders', 'wrong').Authorization], 401, 'invalid_client'],
    ['token=a.b.c', [basic('nobody', ordersSecret).Authorization], 401, 'invalid_client'],
    ['token_type_hint=access_token', undefined, 400, 'invalid_request'],
    ['token=', undefined, 400, 'invalid_request'],
    ['token=a&token=b', undefined, 400, 'invalid_request'],
  ] as const) {
    const answered = await ask(never, body, authorization === undefined ? undefined : [...authorization])
    assert.deepEqual([answered.status, JSON.parse(answered.body).error], [status, error])
    assert.ok(answered.headers.includes('no-store'))
    assert.match(answered.logged.join(), /^revocation.refused /)
  }
})

test('a refusal is told as the token endpoint tells it', async () => {
  const answered = await ask(async () => refuse('invalid_grant', 'of another client'), 'token=a')
  assert.deepEqual(JSON.parse(answered.body), {
    error: 'invalid_grant',
    error_description: 'of another client',
  })
  assert.deepEqual(answered.about, { outcome: 'invalid_grant', client: 'orders' })
})

test('what cannot be decided is a 503, a mistake of ours a 500; neither says why', async () => {
  const down = new Problem('store-unavailable', 'the disk of 10.0.0.7 is full', { retryAfterSeconds: 3 })
  for (const [thrown, status, error] of [
    [down, 503, 'temporarily_unavailable'],
    [new TypeError('of ours'), 500, 'server_error'],
  ] as const) {
    const answered = await ask(async () => Promise.reject(thrown), 'token=a')
    assert.deepEqual([answered.status, JSON.parse(answered.body).error], [status, error])
    assert.ok(!answered.body.includes(thrown.message))
    assert.match(answered.logged.join(), /^revocation.failed /)
  }
})

test('over the wire: POST only, nothing in the URL, every way to authenticate', async () => {
  const fixture = await startIssuer()
  after(() => fixture.close())
  for (const path of ['/introspect', '/revoke']) {
    const got = await fixture.send('GET', path)
    assert.deepEqual([got.status, got.headers['allow']], [405, 'POST'])
    const headers = { 'Content-Type': form }
    const inUrl = await fixture.send('POST', `${path}?token=a`, { headers, body: 'token=a' })
    assert.equal(inUrl.json['error'], 'invalid_request')
    const body = `token=a&client_id=orders&client_secret=${ordersSecret}`
    assert.equal((await fixture.send('POST', path, { headers, body })).status, 200)
    const authorization = basic('orders', ordersSecret)
    const byHeader = await fixture.send('POST', path, {
      headers: { ...headers, ...authorization },
      body: 'token=a',
    })
    assert.equal(byHeader.status, 200)
    const both = await fixture.send('POST', path, { headers: { ...headers, ...authorization }, body })
    assert.equal(both.status, 400)
    const large = `${body}${'x'.repeat(50_000)}`
    assert.equal((await fixture.send('POST', path, { headers, body: large })).status, 413)
  }
})
