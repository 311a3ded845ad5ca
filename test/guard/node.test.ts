import { createServer } from 'node:http'

import { createServer as createHttp2Server } from 'node:http2'
import { readRoutes } from '@countersign/sdk/guard'
import { guardNode } from '@countersign/sdk/node'
import type { NodeListener } from '@countersign/sdk/node'
import { http2 } from './http2-request.ts'
import { listen, listenHttp2 } from './listen.ts'
import { maxHeaderBytes, requirements, testAdapter, who } from './adapter-contract.ts'
import type { ContractRoute, ContractService } from './adapter-contract.ts'

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
  isBare: true,
  start: (service) => listen(createServer({ maxHeaderSize: maxHeaderBytes }, listenerOf(service))),
})

testAdapter({
  name: 'node:http2',
  isBare: true,
  wire: http2,
  // Its requests and responses are made to look like those of node:http.
  start: (service) => listenHttp2(createHttp2Server(listenerOf(service))),
})

function listenerOf({ guard, reached }: ContractService): NodeListener {
  const table = readRoutes(
    Object.fromEntries(Object.entries(routes).map(([key, name]) => [key, requirements[name]])),
  )
  return guardNode(guard, table, (request, response, auth, { route, params }) => {
    const method = request.method === 'HEAD' ? 'GET' : request.method
    const name = routes[`${method} ${route}`]!
    reached(name)
    if (name === 'open') response.end('open')
    else if (name === 'echo') request.pipe(response)
    else response.end(JSON.stringify(who(auth, params['id'])))
  })
}
