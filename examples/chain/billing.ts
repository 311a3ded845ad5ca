/** At the end of the chain: takes tokens of our own issuer alone, and sees who asked and who acts for them. */
import { createServer } from 'node:http'
import { createGuard, readRoutes } from '@countersign/sdk/guard'
import { guardNode } from '@countersign/sdk/node'

const guard = createGuard({
  issuer: process.env['ISSUER'] ?? 'http://localhost:8180',
  audience: 'https://billing.acme.example',
})
const routes = readRoutes({
  'GET /invoices/{id}': { anyOf: [{ roles: 'reader' }, { roles: 'admin' }] },
  'DELETE /invoices/{id}': { roles: 'admin' },
})

const listener = guardNode(guard, routes, (req, res, auth) => {
  const done = req.method === 'DELETE' ? 'refunded' : 'read'
  res.end(
    `billing: ${done} for ${auth?.subject}, by ${auth?.actor?.subject}, as ${[...(auth?.roles ?? [])].join()}`,
  )
})
createServer(listener).listen(Number(process.env['PORT'] ?? 3102), '127.0.0.1', () => console.log('billing'))
