import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import { createServer as createHttp2Server } from 'node:http2'
import { test } from 'node:test'
import { getRequestListener } from '@hono/node-server'
import { Hono } from 'hono'
import { createTestIssuer } from '@countersign/sdk/testing'
import { http2 } from '../../../../test/guard/http2-request.ts'
import { listen, listenHttp2 } from '../../../../test/guard/listen.ts'
import { maxHeaderBytes, requirements, testAdapter, who } from '../../../../test/guard/adapter-contract.ts'
import type { ContractService } from '../../../../test/guard/adapter-contract.ts'
import { authOf } from './auth-of.ts'
import type { Authenticated } from './auth-of.ts'
import { guardHono } from './hono.ts'

testAdapter({
  name: 'hono',
  start: (service) =>
    listen(createServer({ maxHeaderSize: maxHeaderBytes }, getRequestListener(appOf(service).fetch))),
})

testAdapter({
  name: 'hono',
  wire: http2,
  start: (service) => listenHttp2(createHttp2Server(getRequestListener(appOf(service).fetch) as never)),
})

function appOf({ guard, isFronted, reached }: ContractService): Hono<{ Variables: Authenticated }> {
  const app = new Hono<{ Variables: Authenticated }>()
  if (isFronted) app.use(guardHono(guard, 'open'))
  app.get('/open', guardHono(guard, requirements.open), (c) => {
    reached('open')
    return c.text('open')
  })
  for (const name of ['me', 'tenant'] as const) {
    app.get(`/${name}`, guardHono(guard, requirements[name]), (c) => {
      reached(name)
      assert.equal(c.var.auth, authOf(c))
      return c.json(who(c.var.auth))
    })
  }
  const invoices = new Hono<{ Variables: Authenticated }>()
  invoices.get('/:id', guardHono(guard, requirements.read), (c) => {
    reached('read')
    return c.json(who(c.var.auth, c.req.param('id')))
  })
  invoices.delete('/:id', guardHono(guard, requirements.remove), (c) => {
    reached('remove')
    return c.json(who(c.var.auth, c.req.param('id')))
  })
  app.route('/invoices', invoices)
  app.post('/echo', guardHono(guard, requirements.echo), (c) => {
    reached('echo')
    return new Response(c.req.raw.body)
  })
  return app
}

test('without a node:http request the guard judges the Request itself', async () => {
  const issuer = createTestIssuer()
  const app = new Hono<{ Variables: Authenticated }>()
  app.get('/invoices/:id', guardHono(issuer.guard(), { roles: 'reader' }), (c) => c.text(c.var.auth.subject!))
  const authorization = issuer.authorization({ subject: 'alice', roles: 'reader' })
  const reply = await app.request('/invoices/7', { headers: { authorization } })
  assert.deepEqual([reply.status, await reply.text()], [200, 'alice'])
  assert.equal((await app.request('/invoices/7')).status, 401)
  assert.equal((await app.request('/invoices/7;x', { headers: { authorization } })).status, 400)
  const headers = new Headers({ authorization })
  headers.append('authorization', authorization)
  assert.equal((await app.request('/invoices/7', { headers })).status, 400)
  // Bindings of another platform that happen to have this name.
  assert.equal((await app.request('/invoices/7', {}, { incoming: 'x' })).status, 401)
})

test('what cannot be is refused when the service starts', () => {
  assert.throws(() => guardHono(createTestIssuer().guard(), { anyOf: [] }), { code: 'policy-invalid' })
})
