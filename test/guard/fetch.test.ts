import { createServer } from 'node:http'
import { createServer as createHttp2Server } from 'node:http2'
import { getRequestListener } from '@hono/node-server'
import { guardFetch } from '@countersign/sdk/fetch'
import { readRoutes } from '@countersign/sdk/guard'
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
  name: 'fetch',
  isParsed: true,
  start: (service) => listen(createServer({ maxHeaderSize: maxHeaderBytes }, listenerOf(service))),
})

testAdapter({
  name: 'fetch',
  wire: http2,
  isParsed: true,
  start: (service) => listenHttp2(createHttp2Server(listenerOf(service) as never)),
})

function listenerOf({ guard, reached }: ContractService) {
  const table = readRoutes(
    Object.fromEntries(Object.entries(routes).map(([key, name]) => [key, requirements[name]])),
  )
  const respond = guardFetch(guard, table, (request, auth, { route, params }) => {
    const method = request.method === 'HEAD' ? 'GET' : request.method
    const name = routes[`${method} ${route}`]!
    reached(name)
    if (name === 'open') return new Response('open')
    return name === 'echo' ? new Response(request.body) : Response.json(who(auth, params['id']))
  })
  return getRequestListener(respond)
}
