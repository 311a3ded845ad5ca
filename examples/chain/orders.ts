/** Behind the gateway: takes the tokens of people, and calls billing on behalf of whoever asks. */
import { createServer } from 'node:http'
import { createTokenSource } from '@countersign/sdk/client'
import { createAuthContext, createGuard, readRoutes } from '@countersign/sdk/guard'
import { guardNode } from '@countersign/sdk/node'

const context = createAuthContext()
const guard = createGuard({
  issuer: process.env['PEOPLE'] ?? 'http://localhost:8090',
  audience: 'https://orders.acme.example',
  algorithms: ['RS256'],
  context,
})
const routes = readRoutes({ 'GET /{id}': 'authenticated', 'POST /{id}/refund': 'authenticated' })

const billing = createTokenSource({
  issuer: process.env['ISSUER'] ?? 'http://localhost:8180',
  clientId: 'orders-api',
  clientSecret: process.env['ORDERS_API_SECRET'] ?? '',
  audience: 'https://billing.acme.example',
}).onBehalfOf(context)

/** Knows nothing of the request that it is part of: the context does. */
async function askBilling(method: string, id: string): Promise<string> {
  const url = `${process.env['BILLING'] ?? 'http://127.0.0.1:3102'}/invoices/${id}`
  const response = await billing.fetch(url, { method })
  return response.ok ? response.text() : `billing refused: ${response.status}`
}

const listener = guardNode(guard, routes, async (req, res, auth, { params }) => {
  try {
    const answer = await askBilling(req.method === 'POST' ? 'DELETE' : 'GET', params['id'] ?? '')
    res.end(`orders asked by ${auth?.subject}; ${answer}\n`)
  } catch {
    res.writeHead(502).end('billing cannot be asked\n')
  }
})
createServer(listener).listen(Number(process.env['PORT'] ?? 3101), '127.0.0.1', () => console.log('orders'))
