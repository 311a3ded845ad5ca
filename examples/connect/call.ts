import { readFileSync } from 'node:fs'
import { Code, createClient } from '@connectrpc/connect'
import type { ConnectError } from '@connectrpc/connect'
import { createConnectTransport } from '@connectrpc/connect-node'
import { connectInterceptor, createTokenSource } from '@countersign/sdk/client'
import { Invoices } from './service.ts'

const service = process.env['SERVICE'] ?? 'http://127.0.0.1:3000'
const billing = createTokenSource({
  issuer: process.env['ISSUER'] ?? 'http://localhost:8080',
  clientId: 'orders',
  clientSecret: process.env['ORDERS_SECRET'] ?? readFileSync('.countersign/demo/orders.secret', 'utf8'),
  audience: 'https://billing.acme.example',
})

const transport = { baseUrl: service, httpVersion: '1.1' } as const
const client = createClient(
  Invoices,
  createConnectTransport({ ...transport, interceptors: [connectInterceptor(billing)] }),
)
console.log((await client.read({ value: '7' })).value)

const nobody = createClient(Invoices, createConnectTransport(transport))
await nobody
  .read({ value: '7' })
  .catch(({ code }: ConnectError) => console.log(`without a token: ${Code[code]}`))
