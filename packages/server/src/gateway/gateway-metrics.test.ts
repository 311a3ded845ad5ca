import assert from 'node:assert/strict'
import { EventEmitter } from 'node:events'
import { createServer } from 'node:http'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { Socket } from 'node:net'
import { test } from 'node:test'
import { createMetrics } from '../metrics/registry.ts'
import { countPools, observeGateway } from './gateway-metrics.ts'
import type { ObservedCall } from './gateway-metrics.ts'
import { openStand } from '../../../../test/gateway/stand.ts'

test('requests by service, route, status class and reason', async (t) => {
  const upstream = createServer((_, response) => response.end('ok'))
  await new Promise<void>((resolve) => upstream.listen(0, '127.0.0.1', resolve))
  const metrics = createMetrics()
  const { port } = upstream.address() as { port: number }
  const stand = await openStand(`http://127.0.0.1:${port}`, { gateway: { metrics } })
  t.after(async () => {
    await stand.close()
    upstream.closeAllConnections()
    upstream.close()
  })
  const origin = `http://127.0.0.1:${stand.port}`
  const authorization = { Authorization: `Bearer ${stand.token()}` }
  await (await fetch(`${origin}/billing/invoices/7`, { headers: authorization })).text()
  await (await fetch(`${origin}/billing/invoices/7`)).text()
  await (await fetch(`${origin}/billing/${'x'.repeat(100)}`)).text()
  while (!metrics.text().includes('countersign_gateway_active_requests 0\n')) {
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
  const text = metrics.text()
  const series = text.split('\n').filter((line) => line.startsWith('countersign_gateway_requests_total{'))
  assert.deepEqual(series, [
    'countersign_gateway_requests_total{service="billing",route="GET /invoices/{id}",status="2xx",reason="allowed"} 1',
    'countersign_gateway_requests_total{service="billing",route="GET /invoices/{id}",status="4xx",reason="token-missing"} 1',
    'countersign_gateway_requests_total{service="billing",route="none",status="4xx",reason="route-unknown"} 1',
  ])
  assert.match(text, /^countersign_gateway_connections [1-9]/m)
  assert.match(text, /^countersign_gateway_bytes_in_total [1-9]\d\d/m)
})

test('a client that leaves before its answer, and an exchange that fails', () => {
  const metrics = createMetrics()
  const observer = observeGateway({
    metrics,
    accessLog: undefined,
    tracing: undefined,
    proxies: () => undefined,
  })
  const response = Object.assign(new EventEmitter(), { headersSent: false, statusCode: 200 })
  const call: ObservedCall = {
    request: {} as IncomingMessage,
    response: response as unknown as ServerResponse,
    span: undefined,
    client: { address: '192.0.2.1', socket: new Socket() },
    path: undefined,
    service: undefined,
    route: undefined,
    token: undefined,
    reason: undefined,
    failure: undefined,
    requestId: undefined,
  }
  observer.begin(call)
  assert.match(metrics.text(), /^countersign_gateway_active_requests 1$/m)
  response.emit('close')
  assert.match(metrics.text(), /^countersign_gateway_active_requests 0$/m)
  assert.match(
    metrics.text(),
    /^countersign_gateway_requests_total\{service="none",route="none",status="none",reason="none"\} 1$/m,
  )
  observer.upstreamFailed('billing', 'connect-timeout')
  assert.match(
    metrics.text(),
    /^countersign_gateway_upstream_failures_total\{service="billing",failure="connect-timeout"\} 1$/m,
  )
})

test('pools and keys', () => {
  const metrics = createMetrics()
  countPools(
    metrics,
    { states: () => [['http://a', { connections: 3, idle: 1, waiting: 2, out: true }]] },
    {
      ages: () => [['https://issuer.example', 12.5]],
      revocationAges: () => [['https://issuer.example', 1]],
    },
  )
  assert.deepEqual(
    metrics
      .text()
      .split('\n')
      .filter((line) => line.startsWith('countersign')),
    [
      'countersign_gateway_upstream_connections{upstream="http://a",state="busy"} 2',
      'countersign_gateway_upstream_connections{upstream="http://a",state="idle"} 1',
      'countersign_gateway_upstream_connections{upstream="http://a",state="waiting"} 2',
      'countersign_gateway_upstream_out{upstream="http://a"} 1',
      'countersign_gateway_key_set_age_seconds{issuer="https://issuer.example"} 12.5',
      'countersign_gateway_revocations_age_seconds{issuer="https://issuer.example"} 1',
    ],
  )
})
