import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import type { RequestListener } from 'node:http'
import { createServer as createHttp2Server } from 'node:http2'
import { after, test } from 'node:test'
import { getRequestListener } from '@hono/node-server'
import { guardFetch } from '@countersign/sdk/fetch'
import { readRoutes } from '@countersign/sdk/guard'
import { createTestIssuer } from '@countersign/sdk/testing'
import { http2 } from './http2-request.ts'
import { listen, listenHttp2 } from './listen.ts'
import { ask } from './raw-request.ts'
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

const issuer = createTestIssuer()
const anywhere = issuer.guard({ tokenFrom: ['bearer', { header: 'Token' }, { cookie: 'access' }] })
const tellSubject = guardFetch(anywhere, 'authenticated', (_request, auth) => new Response(auth.subject))
const alice = issuer.authorization({ subject: 'alice' })
const bob = issuer.authorization({ subject: 'bob' })
const garbage = 'Bearer garbage'
const ofAllHeaders = getRequestListener(tellSubject)

/** As Next.js, SvelteKit and Astro make a `Request` on Node: of `req.headers`, which has the first one only. */
const ofFirstHeaders: RequestListener = (req, res) => {
  const headers = new Headers(req.headers as Record<string, string>)
  const request = new Request(`http://${req.headers.host}${req.url}`, { headers })
  void tellSubject(request).then(async (response) =>
    res.writeHead(response.status).end(await response.text()),
  )
}

for (const [what, listener, both, expected] of [
  ['good, then bad', ofAllHeaders, [alice, garbage], [400, 'Malformed Authorization']],
  ['bad, then good', ofAllHeaders, [garbage, alice], [400, 'Malformed Authorization']],
  ['of two callers', ofAllHeaders, [alice, bob], [400, 'Malformed Authorization']],
  ['good, then bad, where node:http keeps the first', ofFirstHeaders, [alice, garbage], [200, 'alice']],
  [
    'bad, then good, where node:http keeps the first',
    ofFirstHeaders,
    [garbage, alice],
    [401, 'Invalid Token'],
  ],
  ['of two callers, where node:http keeps the first', ofFirstHeaders, [alice, bob], [200, 'alice']],
] as const) {
  test(`two Authorization headers, ${what}: ${expected[0]}`, async () => {
    const server = await listen(createServer(listener))
    after(() => server.close())
    const headers = both.flatMap((value) => ['Authorization', value])
    const reply = await ask(server.port, { headers })
    assert.deepEqual([reply.status, reply.body], expected)
  })
}

for (const [platform, listener] of Object.entries({ ofAllHeaders, ofFirstHeaders })) {
  test(`two tokens elsewhere, ${platform}: 400`, async () => {
    const server = await listen(createServer(listener))
    after(() => server.close())
    const token = issuer.token()
    for (const [one, other] of [
      [
        ['Token', token],
        ['Token', token],
      ],
      [
        ['Cookie', `access=${token}`],
        ['Cookie', `access=${token}`],
      ],
      [
        ['Authorization', alice],
        ['Token', token],
      ],
    ] as const) {
      assert.equal((await ask(server.port, { headers: one })).status, 200, one[0])
      assert.equal((await ask(server.port, { headers: [...one, ...other] })).status, 400, one[0])
    }
  })
}

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
