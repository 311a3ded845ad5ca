import assert from 'node:assert/strict'
import { once } from 'node:events'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { createTokenSource } from '@countersign/sdk/client'
import { systemClock } from '@countersign/sdk/core'
import { createIssuer } from '../../issuer/issuer.ts'
import { createServer as createHttpServer } from 'node:http'
import { createMemoryStore } from '../../store/memory.ts'
import { readTrust } from '../../trust/read.ts'
import { createGateway } from '../gateway.ts'
import { compileExchange } from './exchange.ts'
import {
  ask,
  bearer,
  get,
  listenOn,
  okReply,
  openUpstream,
  standService,
  standTrust,
} from '../../../../../test/gateway/stand.ts'
import type { ScriptedUpstream } from '../../../../../test/gateway/stand.ts'
import type { DecisionRecord } from '../decision/decision.ts'

test('a service that wants no exchange has none', () => {
  for (const token of [undefined, 'forward', 'remove'] as const) {
    const service = standService('http://x', token === undefined ? {} : { token })
    assert.equal(compileExchange(service, [], standTrust('http://x'), systemClock), undefined)
  }
})

test('the service gets a token of its own, which names the gateway as its actor and is no wider', async (t) => {
  const { port, upstream, token, asked } = await open(t, '[reader]')
  const caller = await token()
  assert.equal((await ask(port, get('/billing/invoices/7', bearer(caller)))).status, 200)
  const sent = sentTokens(upstream)
  assert.equal(sent.length, 1)
  assert.notEqual(sent[0], caller)
  const claims = claimsOf(sent[0]!)
  assert.deepEqual(
    [claims['aud'], claims['sub'], claims['act'], claims['roles']],
    ['https://billing.acme.example', 'orders', { sub: 'edge', iss: claims['iss'] }, ['reader']],
  )
  assert.ok((claims['exp'] as number) <= (claimsOf(caller)['exp'] as number))
  const before = asked()
  await ask(port, get('/billing/invoices/8', bearer(caller)))
  assert.equal(asked(), before, 'the same caller’s token is exchanged once')
})

test('the only Authorization is ours, wherever the caller’s token was', async (t) => {
  const { port, upstream, token } = await open(t, '[reader]', secrets.EDGE, '{ header: Token }')
  const caller = await token()
  const theirs = [`Token: ${caller}`, bearer(caller), 'DPoP: eyJ']
  assert.equal((await ask(port, get('/billing/invoices/7', ...theirs))).status, 200)
  const sent = upstream.requests.at(-1)!
  assert.equal(sent.match(/^authorization:/gim)?.length, 1, sent)
  assert.ok(!sent.includes(caller) && !/^dpop:/im.test(sent))
  await ask(port, get('/billing/health', ...theirs))
  assert.doesNotMatch(upstream.requests.at(-1)!, /^(authorization|token):/im)
})

test('what is refused, and who is not asked, is never exchanged', async (t) => {
  const { port, upstream, asked } = await open(t, '[reader]')
  const before = asked()
  assert.equal((await ask(port, get('/billing/invoices/7', bearer('a.b.c')))).status, 401)
  assert.equal((await ask(port, get('/billing/health', bearer('a.b.c')))).status, 200)
  assert.deepEqual(sentTokens(upstream), [])
  assert.equal(asked(), before)
})

test('when the issuer cannot be asked it is 503, and nothing is forwarded', async (t) => {
  const { port, upstream, token, stopIssuer, decisions } = await open(t, '[reader]')
  const caller = await token()
  await stopIssuer()
  const reply = await ask(port, get('/billing/invoices/7', bearer(caller)))
  assert.equal(reply.status, 503)
  assert.deepEqual(upstream.requests, [])
  assert.equal(decisions.at(-1)!.outcome, 'deny')
})

test('when the issuer refuses it is 403, and nothing is forwarded', async (t) => {
  const { port, upstream, token, decisions } = await open(
    t,
    '[reader]',
    'another-secret-of-some-length-0000000000',
  )
  const reply = await ask(port, get('/billing/invoices/7', bearer(await token())))
  assert.equal(reply.status, 403)
  assert.deepEqual(upstream.requests, [])
  assert.match(decisions.at(-1)!.detail!, /not exchanged/)
})

const secrets = {
  ORDERS: 'orders-secret-of-some-length-0000000000',
  EDGE: 'edge-secret-of-some-length-000000000000',
}

/** An issuer and a gateway as one trust file declares them, on ports of their own. */
async function open(t: TestContext, roles: string, edgeSecret = secrets.EDGE, tokenFrom = 'bearer') {
  const upstream = await openUpstream((socket) => socket.write(okReply('ok')))
  let asked = 0
  let listener: Awaited<ReturnType<typeof createIssuer>>['listener'] = () => undefined
  const server = createHttpServer((request, response) => {
    if (request.url === '/token') asked += 1
    listener(request, response)
  })
  const issuerUrl = `http://127.0.0.1:${await listenOn(server)}`
  const text = `
issuer: { url: '${issuerUrl}', listen: 127.0.0.1:0, store: 'memory:' }
gateway: { listen: 127.0.0.1:0 }
services:
  billing:
    audience: https://billing.acme.example
    roles: [reader]
    upstream: ${upstream.url}
    at: /billing
    tokenFrom: ${tokenFrom}
    token: { exchange: { client: edge, secret: { env: EDGE } } }
    routes: { GET /health: open, 'GET /invoices/{id}': { roles: reader } }
clients:
  orders: { authenticate: { secret: { env: ORDERS } }, may: { billing: { roles: [reader] } } }
  edge: { authenticate: { secret: { env: EDGE_AT_ISSUER } }, mayExchange: billing, may: { billing: { roles: ${roles} } } }
`
  const env = { ...secrets, EDGE: edgeSecret, EDGE_AT_ISSUER: secrets.EDGE }
  const reading = readTrust(text, { file: 'test.yaml', env, readFile: () => '' })
  assert.ok(reading.kind === 'trust', JSON.stringify(reading))
  const { trust } = reading
  const issuer = await createIssuer({ settings: trust.issuer!, trust, store: createMemoryStore() })
  listener = issuer.listener
  const decisions: DecisionRecord[] = []
  const gateway = createGateway({
    trust,
    ownIssuer: { issuer: issuerUrl, keySet: issuer.keySet },
    onDecision: (record) => decisions.push(record),
    limits: { drainMs: 200 },
  })
  gateway.server.listen(0, '127.0.0.1')
  await once(gateway.server, 'listening')
  const stopIssuer = async (): Promise<void> => {
    if (!server.listening) return
    server.close()
    server.closeAllConnections()
    await issuer.close()
  }
  t.after(async () => {
    await gateway.close()
    await stopIssuer()
    await upstream.close()
  })
  const orders = createTokenSource({
    issuer: issuerUrl,
    clientId: 'orders',
    clientSecret: secrets.ORDERS,
    audience: 'https://billing.acme.example',
  })
  return {
    port: (gateway.server.address() as { port: number }).port,
    upstream,
    decisions,
    asked: () => asked,
    token: async () => (await orders.token()).secret.revealText(),
    stopIssuer,
  }
}

function sentTokens({ requests }: ScriptedUpstream): string[] {
  return requests.flatMap((text) => /^Authorization: Bearer (.+)\r$/m.exec(text)?.[1] ?? [])
}

function claimsOf(token: string): Record<string, unknown> {
  return JSON.parse(Buffer.from(token.split('.')[1]!, 'base64url').toString()) as Record<string, unknown>
}
