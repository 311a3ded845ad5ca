import { readFileSync } from 'node:fs'
import { createTokenSource } from '@countersign/sdk/client'

const service = process.env['SERVICE'] ?? 'http://127.0.0.1:3000'
const billing = createTokenSource({
  issuer: process.env['ISSUER'] ?? 'http://localhost:8080',
  clientId: 'orders',
  clientSecret: process.env['ORDERS_SECRET'] ?? readFileSync('.countersign/demo/orders.secret', 'utf8'),
  audience: 'https://billing.acme.example',
})

// With @trpc/client: httpLink({ url, fetch: billing.fetch })
const answer = (await (await billing.fetch(`${service}/invoice`)).json()) as { result: { data: string } }
console.log(answer.result.data)

const refused = (await (await fetch(`${service}/invoice`)).json()) as { error: { data: { code: string } } }
console.log(`without a token: ${refused.error.data.code}`)
