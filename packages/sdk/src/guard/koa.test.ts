import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import { createServer as createHttp2Server } from 'node:http2'
import { test } from 'node:test'
import Router from '@koa/router'
import Koa from 'koa'
import { createTestIssuer } from '@countersign/sdk/testing'
import { http2 } from '../../../../test/guard/http2-request.ts'
import { listen, listenHttp2 } from '../../../../test/guard/listen.ts'
import { maxHeaderBytes, requirements, testAdapter, who } from '../../../../test/guard/adapter-contract.ts'
import type { ContractService } from '../../../../test/guard/adapter-contract.ts'
import { ask } from '../../../../test/guard/raw-request.ts'
import { authOf } from './auth-of.ts'
import type { Authenticated } from './auth-of.ts'
import { guardKoa } from './koa.ts'

testAdapter({
  name: 'koa',
  start: (service) => listen(createServer({ maxHeaderSize: maxHeaderBytes }, appOf(service).callback())),
})

testAdapter({
  name: 'koa',
  wire: http2,
  start: (service) => listenHttp2(createHttp2Server(appOf(service).callback() as never)),
})

function appOf({ guard, isFronted, reached }: ContractService): Koa<Authenticated> {
  const router = new Router<Authenticated>()
  router.get('/open', guardKoa(guard, requirements.open), (ctx) => {
    reached('open')
    ctx.body = 'open'
  })
  for (const name of ['me', 'tenant'] as const) {
    router.get(`/${name}`, guardKoa(guard, requirements[name]), (ctx) => {
      reached(name)
      assert.equal(ctx.state.auth, authOf(ctx))
      ctx.body = who(ctx.state.auth)
    })
  }
  const invoices = new Router<Authenticated>({ prefix: '/invoices' })
  invoices.get('/:id', guardKoa(guard, requirements.read), (ctx) => {
    reached('read')
    ctx.body = who(ctx.state.auth, ctx.params['id'])
  })
  invoices.delete('/:id', guardKoa(guard, requirements.remove), (ctx) => {
    reached('remove')
    ctx.body = who(ctx.state.auth, ctx.params['id'])
  })
  router.use(invoices.routes())
  router.post('/echo', guardKoa(guard, requirements.echo), (ctx) => {
    reached('echo')
    ctx.body = ctx.req
  })
  const app = new Koa<Authenticated>()
  if (isFronted) app.use(guardKoa(guard, 'open'))
  app.use(router.routes())
  app.use(router.allowedMethods())
  return app
}

test('what stands around the guard sees the refusal', async () => {
  const app = new Koa()
  const seen: number[] = []
  app.use(async (ctx, next) => {
    await next()
    seen.push(ctx.status)
  })
  app.use(guardKoa(createTestIssuer().guard(), 'authenticated'))
  const { port, close } = await listen(createServer(app.callback()))
  assert.equal((await ask(port)).status, 401)
  assert.deepEqual(seen, [401])
  await close()
})

test('what cannot be is refused when the service starts', () => {
  assert.throws(() => guardKoa(createTestIssuer().guard(), { scopes: [] }), { code: 'policy-invalid' })
})
