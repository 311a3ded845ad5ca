import { readFileSync } from 'node:fs'
import { promisify } from 'node:util'
import * as grpc from '@grpc/grpc-js'
import { createTokenSource, grpcCredentials } from '@countersign/sdk/client'
import { Invoices } from './service.ts'

const service = process.env['SERVICE'] ?? 'http://127.0.0.1:3000'
const billing = createTokenSource({
  issuer: process.env['ISSUER'] ?? 'http://localhost:8080',
  clientId: 'orders',
  clientSecret: process.env['ORDERS_SECRET'] ?? readFileSync('.countersign/demo/orders.secret', 'utf8'),
  audience: 'https://billing.acme.example',
})

// Over TLS the credentials belong to the channel: grpc.credentials.combineChannelCredentials(tls, grpcCredentials(…))
const client = new Invoices(service.slice('http://'.length), grpc.credentials.createInsecure())
const read = promisify(client['Read']!.bind(client)) as (
  asked: object,
  options?: object,
) => Promise<{ text: string }>

console.log((await read({ id: '7' }, { credentials: grpcCredentials(billing, grpc) })).text)

await read({ id: '7' }).catch(({ code }: grpc.ServiceError) =>
  console.log(`without a token: ${grpc.status[code]}`),
)
client.close()
