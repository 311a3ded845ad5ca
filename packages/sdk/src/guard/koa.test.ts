import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import { createServer as createHttp2Server } from 'node:http2'
import { test } from 'node:test'
import Koa from 'koa'
import { createTestIssuer } from '@countersign/sdk/testing'
import { http2 } from '../../../../test/guard/http2-request.ts'
import { listen, listenHttp2 } from '../../../../test/guard/listen.ts'
import { maxHeaderBytes, requirements, testAdapter, who } from '../../../../test/guard/adapter-contract.ts'
import type { ContractRoute, ContractService } from '../../../../test/guard/adapter-contract.ts'
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

/** Koa has no router of its own; this one is as forgiving as its users' are. */
function appOf({ guard, isFronted, reached }: ContractService): Koa<Authenticated> {
  const app = new Koa<Authenticated>()
  const guards = Object.fromEntries(
    Object.entries(requirements).map(([name, requirement]) => [name, guardKoa(guard, requirement)]),
  ) as Record<ContractRoute, ReturnType<typeof guardKoa>>
  if (isFronted) app.use(guardKoa(guard, 'open'))
  app.use(async (ctx) => {
    const [first = '', id] = decoded(ctx.path)
      .toLowerCase()
      .split('/')
      .filter((segment) => segment !== '')
    const route = routeOf(ctx.method, first, id)
    if (route === undefined) return
    await guards[route](ctx, async () => {
      reached(route)
      if (route === 'open') ctx.body = 'open'
      else if (route === 'echo') ctx.body = ctx.req
      else {
        assert.equal(ctx.state.auth, authOf(ctx))
        ctx.body = who(ctx.state.auth, id)
      }
    })
  })
  return app
}

function routeOf(method: string, first: string, id: string | undefined): ContractRoute | undefined {
  if (method === 'POST') return first === 'echo' ? 'echo' : undefined
  if (first === 'invoices' && id !== undefined) return method === 'DELETE' ? 'remove' : 'read'
  return first === 'open' || first === 'me' || first === 'tenant' ? first : undefined
}

function decoded(path: string): string {
  try {
    return decodeURIComponent(path)
  } catch {
    return path
  }
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
