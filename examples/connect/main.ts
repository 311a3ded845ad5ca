import { createServer } from 'node:http'
import { ConnectError } from '@connectrpc/connect'
import { connectNodeAdapter } from '@connectrpc/connect-node'
import { authOf, guardConnect } from '@countersign/sdk/connect'
import { createGuard, readRoutes } from '@countersign/sdk/guard'
import { Invoices } from './service.ts'

const guard = createGuard({
  issuer: process.env['ISSUER'] ?? 'http://localhost:8080', // its keys are found by discovery
  audience: 'https://billing.acme.example', // what tokens must be made for
})
const routes = readRoutes({ 'POST /billing.Invoices/Read': { roles: 'reader' } })

const listener = connectNodeAdapter({
  interceptors: [guardConnect(guard, routes, ConnectError)],
  routes: (router) =>
    router.service(Invoices, {
      read: ({ value }, { values }) => ({ value: `invoice ${value} for ${authOf(values).subject}` }),
    }),
})
const server = createServer(listener).listen(Number(process.env['PORT'] ?? 3000), '127.0.0.1', () => {
  const address = server.address()
  if (typeof address === 'object') console.log(`listening on http://127.0.0.1:${address?.port}`)
})
