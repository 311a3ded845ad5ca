import { createServer } from 'node:http'
import { readRoutes } from '@countersign/sdk/guard'
import { guardNode } from '@countersign/sdk/node'
import { listen } from './listen.ts'
import { maxHeaderBytes, requirements, testAdapter, who } from './adapter-contract.ts'
import type { ContractRoute } from './adapter-contract.ts'

const routes: Readonly<Record<string, ContractRoute>> = {
  'GET /open': 'open',
  'GET /me': 'me',
  'GET /tenant': 'tenant',
  'GET /invoices/{id}': 'read',
  'DELETE /invoices/{id}': 'remove',
  'POST /echo': 'echo',
}

testAdapter({
  name: 'node:http',
  start: ({ guard, reached }) => {
    const table = readRoutes(
      Object.fromEntries(Object.entries(routes).map(([key, name]) => [key, requirements[name]])),
    )
    const listener = guardNode(guard, table, (request, response, auth, { route, params }) => {
      const method = request.method === 'HEAD' ? 'GET' : request.method
      const name = routes[`${method} ${route}`]!
      reached(name)
      if (name === 'open') response.end('open')
      else if (name === 'echo') request.pipe(response)
      else response.end(JSON.stringify(who(auth, params['id'])))
    })
    return listen(createServer({ maxHeaderSize: maxHeaderBytes }, listener))
  },
})
