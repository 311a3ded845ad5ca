import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { Problem, Secret } from '@countersign/sdk/core'
import { createProofReplays } from '@countersign/sdk/jwt'
import { openAuthzStand } from '../../../../../test/gateway/authz-stand.ts'
import {
  ask,
  bearer,
  get,
  okReply,
  openStand,
  openUpstream,
  standIssuer,
} from '../../../../../test/gateway/stand.ts'
import type { ScriptedUpstream, Stand } from '../../../../../test/gateway/stand.ts'
import type { GatewayShared } from '../gateway-shared.ts'
import type { GatewayOptions } from '../gateway.ts'
import type { Route, Service } from '../../trust/trust.ts'

const reader = {
  method: 'GET',
  template: '/accounts/{id}',
  requirement: { roles: 'reader' },
  line: 1,
} as const
const open = { method: 'GET', template: '/open', requirement: 'open', line: 2 } as const
const rate = (burst: number, perSecond = burst): NonNullable<Route['limit']> => ({ burst, perSecond })

test('a caller who asks too often is told when to come back; others are not', async (t) => {
  const { stand, upstream, clock } = await openRules(t, { routes: [{ ...reader, limit: rate(2) }] })
  const one = bearer(stand.token())
  const other = bearer(stand.token({ client_id: 'billing', sub: 'billing' }))
  const statuses = []
  for (const token of [one, one, one, other]) statuses.push((await ask(stand.port, get(path, token))).status)
  assert.deepEqual(statuses, [200, 200, 429, 200])
  const refused = await ask(stand.port, get(path, one))
  assert.deepEqual(
    ['retry-after', 'ratelimit-policy', 'ratelimit', 'www-authenticate'].map((name) => refused.headers[name]),
    ['1', '"caller";q=2;w=1', '"caller";r=0;t=1', undefined],
  )
  assert.equal(refused.body, 'Too Many Requests')
  assert.equal(stand.decisions.at(-1)!.reason, 'rate-exceeded')
  assert.equal(upstream.requests.length, 3)
  clock.nowMs += 1_000
  assert.equal((await ask(stand.port, get(path, one))).status, 200)
})

test('every reply says how much is left, by the tightest limit, and none where nothing is limited', async (t) => {
  const slow = { ...reader, limit: { burst: 3, perSecond: 0.5 } }
  const { stand, clock } = await openRules(t, { routes: [slow, open], limit: rate(100) })
  const token = bearer(stand.token())
  const told = async (text: string): Promise<(string | undefined)[]> => {
    const { headers } = await ask(stand.port, text)
    return [headers['ratelimit-policy'], headers['ratelimit']]
  }
  assert.deepEqual(await told(get(path, token)), ['"caller";q=3;w=6', '"caller";r=2;t=2'])
  assert.deepEqual(await told(get(path, token)), ['"caller";q=3;w=6', '"caller";r=1;t=4'])
  clock.nowMs += 60_000
  assert.deepEqual(await told(get(path, token)), ['"caller";q=3;w=6', '"caller";r=2;t=2'])
  assert.deepEqual(await told(get('/billing/open')), ['"caller";q=100;w=1', '"caller";r=99;t=1'])
  const { stand: free } = await openRules(t, { routes: [open] })
  assert.equal((await ask(free.port, get('/billing/open'))).headers['ratelimit'], undefined)
})

test('a subject that is called as a client is another caller', async (t) => {
  const { stand } = await openRules(t, { routes: [{ ...reader, limit: rate(1) }] })
  const [subject, client] = [{ client_id: undefined, sub: 'orders' }, { client_id: 'orders' }].map((claims) =>
    bearer(stand.token(claims)),
  )
  const statuses = []
  for (const token of [subject, client, subject, client])
    statuses.push((await ask(stand.port, get(path, token!))).status)
  assert.deepEqual(statuses, [200, 200, 429, 429])
})

test('limits that are counted elsewhere: asked by name, waited for, and 503 when nobody answers', async (t) => {
  const asked: string[] = []
  const answers: (number | Problem)[] = [0, 0, 0, 1_500, new Problem('primary-silent', 'nobody answers')]
  const shared: GatewayShared = {
    processes: 1,
    viaName: 'v',
    nonceSecret: Secret.fromText('n'.repeat(32)),
    replays: createProofReplays(),
    buckets: (name, { burst }) => ({
      async spend(key) {
        asked.push(`${name} ${burst} ${key}`)
        const answer = answers.shift()!
        if (typeof answer === 'number') return answer
        throw answer
      },
    }),
  }
  const service = { routes: [{ ...reader, limit: rate(2) }], limit: rate(9) }
  const { stand, upstream } = await openRules(t, service, { shared })
  const token = bearer(stand.token())
  const statuses = []
  for (let count = 0; count < 3; count++) statuses.push((await ask(stand.port, get(path, token))).status)
  assert.deepEqual(statuses, [200, 429, 503])
  assert.equal(upstream.requests.length, 1)
  assert.deepEqual(asked.slice(0, 2), [
    `callers billing GET /accounts/{id} 2 client ${standIssuer} orders`,
    `callers billing 9 client ${standIssuer} orders`,
  ])
})

test('who is refused anyway uses nothing up', async (t) => {
  const { stand } = await openRules(t, { routes: [{ ...reader, limit: rate(1) }] })
  for (let count = 0; count < 3; count++) assert.equal((await ask(stand.port, get(path))).status, 401)
  const stranger = bearer(stand.token({ roles: [] }))
  for (let count = 0; count < 3; count++)
    assert.equal((await ask(stand.port, get(path, stranger))).status, 403)
  assert.equal((await ask(stand.port, get(path, bearer(stand.token())))).status, 200)
})

test('on open routes it is the address that counts, and a service’s limit covers all its routes', async (t) => {
  const { stand } = await openRules(t, { routes: [open, reader], limit: rate(2) })
  const token = bearer(stand.token())
  assert.equal((await ask(stand.port, get('/billing/open'))).status, 200)
  assert.equal((await ask(stand.port, get('/billing/open', token))).status, 200)
  assert.equal((await ask(stand.port, get('/billing/open'))).status, 429)
  assert.equal((await ask(stand.port, get(path, token))).status, 200)
})

test('a decision endpoint counts as well, by the address the proxy names', async (t) => {
  const nowMs = Date.now()
  const stand = await openAuthzStand('nginx', {
    service: { routes: [{ ...open, limit: rate(1) }] },
    gateway: { clock: () => nowMs },
  })
  t.after(() => stand.close())
  const inquire = async (address: string): Promise<string | undefined> => {
    const words = ['X-Original-Method: GET', 'X-Original-URI: /billing/open', 'X-Original-Host: gateway.test']
    const reply = await ask(stand.authzPort, get('/authz', ...words, `X-Original-Address: ${address}`))
    return reply.headers['countersign-status']
  }
  assert.deepEqual(
    [await inquire('203.0.113.1'), await inquire('203.0.113.2'), await inquire('203.0.113.1')],
    ['200', '200', '429'],
  )
})

test('a condition is asked after the policy, for each request anew', async (t) => {
  const when = 'params.id == claims.account && request.method == "GET"'
  const { stand, upstream } = await openRules(t, { routes: [{ ...reader, when }] })
  const mine = bearer(stand.token({ account: '7' }))
  assert.equal((await ask(stand.port, get(path, mine))).status, 200)
  assert.equal((await ask(stand.port, get('/billing/accounts/8', mine))).status, 403)
  assert.equal((await ask(stand.port, get('/billing/accounts/%37', mine))).status, 200)
  assert.equal((await ask(stand.port, get(path))).status, 401)
  assert.equal(upstream.requests.length, 2)
  assert.deepEqual(
    stand.decisions.map(({ reason }) => reason),
    [undefined, 'claim-refused', undefined, 'token-missing'],
  )
})

test('a condition that cannot be answered is no, and the log says why', async (t) => {
  const { stand, upstream } = await openRules(t, {
    routes: [{ ...reader, when: 'claims.account == params.id' }],
  })
  const reply = await ask(stand.port, get(path, bearer(stand.token())))
  assert.equal(reply.status, 403)
  assert.equal(upstream.requests.length, 0)
  assert.match(stand.decisions[0]!.detail!, /cannot be answered: No such key: account/)
})

test('a condition that cannot be compiled stops the start', async () => {
  const routes = [{ ...reader, when: 'nonsense(' }]
  await assert.rejects(openStand('http://127.0.0.1:1', { service: { routes } }), { code: 'trust-unusable' })
})

test('a dry run decides, writes it down, and lets through', async (t) => {
  const { stand, upstream } = await openRules(t, { routes: [{ ...reader, dryRun: true }] })
  const identity = (): string[] =>
    upstream.requests
      .at(-1)!
      .split('\r\n')
      .filter((line) => line.startsWith('Countersign-Subject'))
  for (const [token, reason, subject] of [
    [[], 'token-missing', []],
    [[bearer('a.b.c')], 'token-malformed', []],
    [[bearer(stand.token({ exp: 1 }))], 'token-expired', []],
    [[bearer(stand.token({ roles: [] }))], 'role-missing', ['Countersign-Subject: orders']],
    [[bearer(stand.token())], undefined, ['Countersign-Subject: orders']],
  ] as const) {
    assert.equal((await ask(stand.port, get(path, 'Countersign-Subject: admin', ...token))).status, 200)
    const { reason: found, dryRun, outcome } = stand.decisions.at(-1)!
    assert.equal(found, reason)
    assert.deepEqual([dryRun, outcome], reason === undefined ? [undefined, 'allow'] : [true, 'deny'])
    assert.deepEqual(identity(), subject)
  }
  // What two servers could read differently is no matter of the route.
  assert.equal((await ask(stand.port, get('/billing/accounts//7'))).status, 400)
})

test('a dry run also lets through when there are no keys to decide with', async (t) => {
  const upstream = await openUpstream((socket) => socket.write(okReply('ok')))
  const stand = await openStand(upstream.url, {
    remoteIssuer: 'http://127.0.0.1:1',
    service: { routes: [{ ...reader, dryRun: true }] },
  })
  t.after(async () => {
    await stand.close()
    await upstream.close()
  })
  const reply = await ask(stand.port, get(path, bearer(stand.token({ iss: 'http://127.0.0.1:1' }))))
  assert.equal(reply.status, 200)
  assert.equal(stand.decisions[0]!.reason, 'keys-unavailable')
})

const path = '/billing/accounts/7'

async function openRules(
  t: TestContext,
  service: Partial<Service>,
  gateway: Partial<GatewayOptions> = {},
): Promise<{ stand: Stand; upstream: ScriptedUpstream; clock: { nowMs: number } }> {
  const upstream = await openUpstream((socket) => socket.write(okReply('ok')))
  const clock = { nowMs: Date.now() }
  const stand = await openStand(upstream.url, { service, gateway: { clock: () => clock.nowMs, ...gateway } })
  t.after(async () => {
    await stand.close()
    await upstream.close()
  })
  return { stand, upstream, clock }
}
