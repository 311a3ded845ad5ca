import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, test } from 'node:test'
import type { TestContext } from 'node:test'
import { trace } from '@opentelemetry/api'
import { startServers } from '../serve/start.ts'
import { openTracing } from './tracing.ts'
import { readTrust } from '../trust/read.ts'
import { providerInMemory } from '../../../../test/tracing/provider.ts'

const secret = 'orders-secret-orders-secret-orders'
const parent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'
afterEach(() => trace.disable())

test('nobody listens: no spans, and what the client says of its trace is passed on if it is well formed', async (t) => {
  assert.equal(openTracing(), undefined)
  const { call } = await stand(t)
  assert.deepEqual(await call({ traceparent: parent, tracestate: 'a=1' }), [parent, 'a=1'])
  assert.deepEqual(await call({ traceparent: 'no trace', tracestate: 'a=1' }), [undefined, undefined])
  assert.deepEqual(await call({ traceparent: parent, tracestate: 'nonsense' }), [parent, undefined])
  assert.deepEqual(await call({}), [undefined, undefined])
})

test('somebody listens: a span per request, one for its check inside, and the upstream is a child of ours', async (t) => {
  const { provider, spans } = providerInMemory()
  trace.setGlobalTracerProvider(provider)
  const { call, token } = await stand(t)
  const issued = spans.find(({ name }) => name === 'auth.token')!
  assert.equal(issued.attributes['http.response.status_code'], 200)
  assert.equal(issued.attributes['countersign.outcome'], 'issued')

  spans.length = 0
  const [seen, state] = await call({ traceparent: parent, tracestate: 'a=1' })
  const [proxied, verified] = await ended(spans, 2)
  assert.deepEqual([proxied!.name, verified!.name], ['gateway.proxy', 'auth.verify'])
  assert.equal(proxied!.parentId, 'b7ad6b7169203331')
  assert.equal(verified!.parentId, proxied!.spanId)
  assert.equal(seen, `00-0af7651916cd43dd8448eb211c80319c-${proxied!.spanId}-01`)
  assert.equal(state, 'a=1')
  const { attributes } = proxied!
  assert.equal(attributes['http.request.method'], 'GET')
  assert.equal(attributes['http.route'], 'GET /invoices/{id}')
  assert.equal(attributes['http.response.status_code'], 200)
  assert.equal(attributes['url.path'], '/billing/invoices/7')
  assert.equal(proxied!.kind, 1)

  spans.length = 0
  const [fresh] = await call({ traceparent: 'no trace', tracestate: 'a=1' })
  const [begun] = await ended(spans, 2)
  assert.equal(begun!.parentId, undefined)
  assert.equal(fresh, `00-${begun!.traceId}-${begun!.spanId}-01`)
  assert.ok(!JSON.stringify(spans).includes(token) && !JSON.stringify(spans).includes('hush'))
})

test('a refusal has its reason, a failure of the upstream is an error, and a token in the path is in no span', async (t) => {
  const { provider, spans } = providerInMemory()
  trace.setGlobalTracerProvider(provider)
  const { gateway, token } = await stand(t)
  spans.length = 0
  await (await fetch(`${gateway}/billing/invoices/7`)).text()
  await (await fetch(`${gateway}/billing/broken`)).text()
  await (await fetch(`${gateway}/billing/${token}?token=${token}`)).text()
  const [refused, , broken, , lost] = await ended(spans, 5)
  assert.equal(refused!.attributes['countersign.reason'], 'token-missing')
  assert.equal(refused!.status, undefined)
  assert.equal(broken!.attributes['error.type'], 'closed')
  assert.equal(broken!.status, 2)
  assert.equal(lost!.attributes['url.path'], undefined)
  assert.ok(!JSON.stringify(spans).includes(token))
})

type Made = ReturnType<typeof providerInMemory>['spans']

async function ended(spans: Made, count: number): Promise<Made> {
  while (spans.length < count || spans.some((span) => !span.ended)) {
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
  assert.equal(spans.length, count)
  return spans
}

async function stand(t: TestContext) {
  const upstream = createServer((request, response) => {
    if (request.url === '/broken') request.socket.destroy()
    else response.end(JSON.stringify(request.headers))
  })
  upstream.listen(0, '127.0.0.1')
  await once(upstream, 'listening')
  const file = `issuer: { url: http://localhost:8080, listen: 127.0.0.1:0, store: 'memory:' }
gateway: { listen: 127.0.0.1:0 }
services:
  billing:
    audience: https://billing.example
    roles: [reader]
    upstream: http://127.0.0.1:${(upstream.address() as AddressInfo).port}
    at: /billing
    routes: { GET /broken: open, 'GET /invoices/{id}': { roles: reader } }
clients:
  orders: { authenticate: { secret: { env: S } }, may: { billing: { roles: reader } } }
`
  const reading = readTrust(file, { file: 'f', env: { S: secret }, readFile: () => '' })
  assert.ok(reading.kind === 'trust')
  const servers = await startServers({ trust: reading.trust, drainMs: 500 })
  t.after(async () => {
    await servers.close()
    upstream.closeAllConnections()
    upstream.close()
  })
  const gateway = `http://127.0.0.1:${servers.addresses.gateway!.port}`
  const body = new URLSearchParams({
    grant_type: 'client_credentials',
    client_id: 'orders',
    client_secret: secret,
  })
  const answer = await fetch(`http://127.0.0.1:${servers.addresses.issuer!.port}/token`, {
    method: 'POST',
    body,
  })
  const { access_token: token } = (await answer.json()) as { access_token: string }
  return {
    gateway,
    token,
    /** Calls with these headers. @returns what of a trace the upstream sees */
    async call(headers: Record<string, string>): Promise<[string | undefined, string | undefined]> {
      const reply = await fetch(`${gateway}/billing/invoices/7?hush=hush`, {
        headers: { ...headers, Authorization: `Bearer ${token}` },
      })
      const seen = (await reply.json()) as Record<string, string | undefined>
      return [seen['traceparent'], seen['tracestate']]
    },
  }
}
