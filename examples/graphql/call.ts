import { readFileSync } from 'node:fs'
import { createTokenSource } from '@countersign/sdk/client'

const service = process.env['SERVICE'] ?? 'http://127.0.0.1:3000'
const billing = createTokenSource({
  issuer: process.env['ISSUER'] ?? 'http://localhost:8080',
  clientId: 'orders',
  clientSecret: process.env['ORDERS_SECRET'] ?? readFileSync('.countersign/demo/orders.secret', 'utf8'),
  audience: 'https://billing.acme.example',
})

type Answer = { data: { invoice: string | null }; errors?: { extensions: { code: string } }[] }
const asked = { method: 'POST', body: JSON.stringify({ query: '{ health invoice(id: 7) }' }) }

const answer = (await (await billing.fetch(service, asked)).json()) as Answer
console.log(answer.data.invoice)

const refused = (await (await fetch(service, asked)).json()) as Answer
console.log(
  `without a token: ${refused.errors?.[0]?.extensions.code}, and the rest: ${JSON.stringify(refused.data)}`,
)
