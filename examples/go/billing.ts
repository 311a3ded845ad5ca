/** The service of ours that the one in Go calls: behind our guard, which knows nothing of Go. */
import { createServer } from 'node:http'
import { createGuard, readRoutes } from '@countersign/sdk/guard'
import { guardNode } from '@countersign/sdk/node'

const guard = createGuard({
  issuer: process.env['ISSUER'] ?? 'http://localhost:8380', // its keys are found by discovery
  audience: 'https://billing.acme.example', // what tokens must be made for
})
const routes = readRoutes({ 'GET /invoices/{id}': { roles: 'reader' } })

const listener = guardNode(guard, routes, (_req, res, auth, { params }) => {
  res.end(`invoice ${params['id']} for ${auth?.subject}`)
})
const server = createServer(listener).listen(Number(process.env['PORT'] ?? 3102), '127.0.0.1', () => {
  const address = server.address()
  if (typeof address === 'object') console.log(`listening on http://127.0.0.1:${address?.port}`)
})
