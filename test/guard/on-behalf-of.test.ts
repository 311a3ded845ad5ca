/** The end user's identity through each adapter's async context, with requests of several users interleaved. */
import 'reflect-metadata'
import assert from 'node:assert/strict'
import { Agent, createServer, request } from 'node:http'
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http'
import { after, describe, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { getRequestListener } from '@hono/node-server'
import { Body, Controller, HttpException, Module, Post } from '@nestjs/common'
import { APP_GUARD, APP_INTERCEPTOR, NestFactory } from '@nestjs/core'
import { ExpressAdapter } from '@nestjs/platform-express'
import { initTRPC, TRPCError } from '@trpc/server'
import express from 'express'
import fastify from 'fastify'
import { buildSchema, graphql, GraphQLError } from 'graphql'
import { Hono } from 'hono'
import Koa from 'koa'
import { createTokenSource } from '@countersign/sdk/client'
import { guardExpress } from '@countersign/sdk/express'
import { guardFastify } from '@countersign/sdk/fastify'
import { guardFetch } from '@countersign/sdk/fetch'
import { guardGraphql } from '@countersign/sdk/graphql'
import { createAuthContext } from '@countersign/sdk/guard'
import { guardHono } from '@countersign/sdk/hono'
import { inspectToken } from '@countersign/sdk/jwt'
import { guardKoa } from '@countersign/sdk/koa'
import { contextNest, guardNest, Public } from '@countersign/sdk/nest'
import { guardNode } from '@countersign/sdk/node'
import { startTestIssuer } from '@countersign/sdk/testing'
import { guardTrpc } from '@countersign/sdk/trpc'

const issuer = await startTestIssuer({ clients: { orders: 'orders-secret' } })
const context = createAuthContext()
const guard = issuer.guard({ context })
const onBehalf = createTokenSource(issuer.credentials('orders')).onBehalfOf(context)
const closing: (() => unknown)[] = [() => issuer.close()]
after(async () => {
  for (const close of closing) await close()
})

/** What a handler does deep within: it knows nothing of the request, waits a while, and calls on. */
async function deep(): Promise<string> {
  await delay(Math.random() * 8)
  const header = await onBehalf.authHeader()
  await delay(Math.random() * 4)
  const again = await onBehalf.authHeader()
  assert.equal(header, again)
  return String(inspectToken(header.slice('Bearer '.length)).claims?.['sub'])
}

/** The same on an open route, where there is nobody to act for. */
async function nobody(): Promise<string> {
  await delay(Math.random() * 8)
  return onBehalf.authHeader().catch((problem: { code: string }) => problem.code)
}

const app = express()
app.post(
  '/user',
  guardExpress(guard, 'authenticated'),
  express.json(),
  async (_, res) => void res.send(await deep()),
)
app.post(
  '/open',
  guardExpress(guard, 'open'),
  express.json(),
  async (_, res) => void res.send(await nobody()),
)

const koa = new Koa()
koa.use((ctx, next) => guardKoa(guard, ctx.path === '/open' ? 'open' : 'authenticated')(ctx, next))
koa.use(async (ctx) => {
  await readAll(ctx.req)
  ctx.body = ctx.path === '/open' ? await nobody() : await deep()
})

const hono = new Hono()
hono.post('/user', guardHono(guard, 'authenticated'), async (c) => {
  await c.req.text()
  return c.text(await deep())
})
// Read to its end: of a body that it has answered without, the listener of Hono soon closes the connection.
hono.post('/open', guardHono(guard, 'open'), async (c) => {
  await c.req.text()
  return c.text(await nobody())
})

const fetched = guardFetch(guard, 'authenticated', async (asked) => {
  await asked.text()
  return new Response(await deep())
})
const fetchedOpen = guardFetch(guard, 'open', async (asked) => {
  await asked.text()
  return new Response(await nobody())
})

const node = guardNode(guard, 'authenticated', (asked, response) => {
  void readAll(asked).then(async () => response.end(await deep()))
})
const nodeOpen = guardNode(guard, 'open', (_, response) => void nobody().then((text) => response.end(text)))

const inTrpc = guardTrpc(guard, TRPCError)('authenticated')
const t = initTRPC.context<{ req: IncomingMessage }>().create()
const called = t.procedure.use(({ ctx, next }) => inTrpc(ctx.req, (auth) => next({ ctx: { auth } })))
const procedures = t.router({
  user: called.mutation(async ({ ctx }) => {
    const user = await deep()
    assert.equal(user, ctx.auth.subject)
    return user
  }),
  open: t.procedure.mutation(() => nobody()),
})

const inGraphql = guardGraphql(guard, GraphQLError)('authenticated')
const schema = buildSchema('type Query { user: String, open: String }')
const rootValue = {
  user: (_: object, { req }: { req: IncomingMessage }) => inGraphql(req, () => deep()),
  open: () => nobody(),
}

async function trpcListener(asked: IncomingMessage, response: ServerResponse): Promise<void> {
  await readAll(asked)
  const caller = procedures.createCaller({ req: asked })
  response.end(await (asked.url === '/open' ? caller.open() : caller.user()))
}

async function graphqlListener(asked: IncomingMessage, response: ServerResponse): Promise<void> {
  await readAll(asked)
  const field = asked.url === '/open' ? 'open' : 'user'
  const { data } = await graphql({ schema, rootValue, source: `{ ${field} }`, contextValue: { req: asked } })
  response.end(data?.[field])
}

async function fastifyListener(): Promise<RequestListener> {
  const app = fastify()
  await app.register(guardFastify(guard))
  app.post('/user', () => deep())
  app.post('/open', { config: { auth: 'open' } }, () => nobody())
  await app.ready()
  return (asked, response) => app.routing(asked, response)
}

async function nestListener(): Promise<RequestListener> {
  class Root {
    user() {
      return deep()
    }
    open() {
      return nobody()
    }
  }
  decorate(Root.prototype, 'user', Post('user'))
  decorate(Root.prototype, 'open', Post('open'))
  decorate(Root.prototype, 'open', Public() as MethodDecorator)
  Body()(Root.prototype, 'user', 0)
  Controller()(Root)
  class App {}
  Module({
    controllers: [Root],
    providers: [
      { provide: APP_GUARD, useValue: guardNest(guard, HttpException) },
      { provide: APP_INTERCEPTOR, useValue: contextNest(guard) },
    ],
  })(App)
  const server = express()
  const nest = await NestFactory.create(App, new ExpressAdapter(server), { logger: false })
  await nest.init()
  closing.push(() => nest.close())
  return server as unknown as RequestListener
}

function decorate(target: object, name: string, decorator: MethodDecorator): void {
  decorator(target, name, Object.getOwnPropertyDescriptor(target, name)!)
}

for (const [name, make] of Object.entries<() => RequestListener | Promise<RequestListener>>({
  express: () => app as unknown as RequestListener,
  koa: () => koa.callback() as RequestListener,
  hono: () => getRequestListener(hono.fetch) as RequestListener,
  fetch: () =>
    getRequestListener((asked) =>
      asked.url.endsWith('/open') ? fetchedOpen(asked) : fetched(asked),
    ) as RequestListener,
  node: () => (asked, response) => (asked.url === '/open' ? nodeOpen : node)(asked, response),
  fastify: fastifyListener,
  nest: nestListener,
  trpc: () => (asked, response) => void trpcListener(asked, response),
  graphql: () => (asked, response) => void graphqlListener(asked, response),
})) {
  describe(`${name}: users whose requests interleave`, () => {
    test('each call goes on for the user of its own request, and for nobody on an open route', async () => {
      const server = createServer(await make())
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
      closing.push(() => server.close())
      const { port } = server.address() as { port: number }
      // Few connections, so that requests of several users follow each other on each.
      const agent = new Agent({ keepAlive: true, maxSockets: 5 })
      closing.push(() => agent.destroy())
      const users = Array.from({ length: 6 }, (_, at) => `user-${at}`)
      const tokens = users.map((subject) => issuer.authorization({ subject }))
      const asked = Array.from({ length: 60 }, (_, at) => at % (users.length + 1))
      const answers = await Promise.all(
        asked.map((at) =>
          at === users.length
            ? post(agent, port, '/open', tokens[0]!)
            : post(agent, port, '/user', tokens[at]!),
        ),
      )
      assert.deepEqual(
        answers,
        asked.map((at) => users[at] ?? 'auth-missing'),
      )
    })
  })
}

function post(agent: Agent, port: number, path: string, authorization: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const headers = { authorization, 'content-type': 'application/json' }
    const sent = request({ agent, port, host: '127.0.0.1', method: 'POST', path, headers }, (answer) => {
      readAll(answer).then(resolve, reject)
    })
    sent.once('error', reject)
    // In two parts, so that the body is read after the guard has decided.
    sent.write('{"amount":')
    setTimeout(() => sent.end('12}'), Math.random() * 5)
  })
}

async function readAll(message: IncomingMessage): Promise<string> {
  let text = ''
  for await (const chunk of message.setEncoding('utf8')) text += String(chunk)
  return text
}
