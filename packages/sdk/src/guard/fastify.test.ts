import assert from 'node:assert/strict'
import type { AddressInfo } from 'node:net'
import { test } from 'node:test'
import fastify from 'fastify'
import type { FastifyInstance, FastifyRequest, FastifyServerOptions } from 'fastify'
import { createTestIssuer } from '@countersign/sdk/testing'
import { http2 } from '../../../../test/guard/http2-request.ts'
import { maxHeaderBytes, requirements, testAdapter, who } from '../../../../test/guard/adapter-contract.ts'
import type { ContractService } from '../../../../test/guard/adapter-contract.ts'
import { ask } from '../../../../test/guard/raw-request.ts'
import { authOf } from './auth-of.ts'
import { guardFastify } from './fastify.ts'
import type { FastifyGuardOptions, GuardedConfig, GuardedRequest } from './fastify.ts'

declare module 'fastify' {
  interface FastifyRequest extends GuardedRequest {}
  interface FastifyContextConfig extends GuardedConfig {}
}

for (const [name, options] of [
  ['fastify', {}],
  // A router that overlooks what it can: the guard stands behind it, so it sees what the router chose (Fastify
  // CVE-2026-3635, middie CVE-2026-2880 and CVE-2026-14198, @fastify/express CVE-2026-33808).
  [
    'fastify, forgiving',
    {
      routerOptions: {
        caseSensitive: false,
        ignoreTrailingSlash: true,
        ignoreDuplicateSlashes: true,
      },
      useSemicolonDelimiter: true,
      trustProxy: true,
    },
  ],
] as const) {
  testAdapter({
    name,
    start: async (service) => {
      const app = await appOf(service, options)
      await app.listen({ port: 0, host: '127.0.0.1', listenTextResolver: () => '' })
      return { port: portOf(app), close: () => app.close() }
    },
  })
}

testAdapter({
  name: 'fastify',
  wire: http2,
  start: async (service) => {
    const app = await appOf(service, { http2: true } as FastifyServerOptions)
    await app.listen({ port: 0, host: '127.0.0.1', listenTextResolver: () => '' })
    return { port: portOf(app), close: () => app.close() }
  },
})

/** The guard always stands before the handlers of all routes, so there is nothing more to put in front. */
async function appOf(service: ContractService, options: FastifyServerOptions): Promise<FastifyInstance> {
  const { guard, reached } = service
  const app = fastify({ ...options, http: { maxHeaderSize: maxHeaderBytes }, forceCloseConnections: true })
  await app.register(guardFastify(guard))
  app.removeAllContentTypeParsers()
  app.addContentTypeParser('*', (_, payload, done) => done(null, payload))
  app.get('/open', { config: { auth: requirements.open } }, () => {
    reached('open')
    return 'open'
  })
  app.get('/me', (request) => {
    reached('me')
    return tell(request)
  })
  app.get('/tenant', { config: { auth: requirements.tenant } }, (request) => {
    reached('tenant')
    return tell(request)
  })
  // A plugin with a prefix and hooks of its own.
  await app.register(
    async (invoices) => {
      invoices.get('/:id', { config: { auth: requirements.read } }, (request) => {
        reached('read')
        return tell(request)
      })
      invoices.delete('/:id', { config: { auth: requirements.remove } }, (request) => {
        reached('remove')
        return tell(request)
      })
    },
    { prefix: '/invoices' },
  )
  app.post('/echo', { config: { auth: requirements.echo } }, (request, reply) => {
    reached('echo')
    return reply.type('application/octet-stream').send(request.body)
  })
  return app
}

function portOf(app: FastifyInstance): number {
  return (app.server.address() as AddressInfo).port
}

function tell(request: FastifyRequest): object {
  assert.equal(request.auth, authOf(request))
  return who(request.auth, (request.params as { id?: string }).id)
}

test('a route that says nothing needs a token, or what the plugin says', async () => {
  const issuer = createTestIssuer()
  const headers = { authorization: issuer.authorization() }
  for (const [options, statuses] of [
    [{}, [401, 200]],
    [{ default: { roles: 'reader' } }, [401, 403]],
    [{ default: 'open' }, [200, 200]],
  ] as [FastifyGuardOptions, number[]][]) {
    const app = fastify()
    await app.register(guardFastify(issuer.guard(), options))
    app.get('/', () => 'x')
    const replies = [await app.inject('/'), await app.inject({ url: '/', headers })]
    assert.deepEqual(
      replies.map(({ statusCode }) => statusCode),
      statuses,
    )
    await app.close()
  }
})

test('a parameter with an encoded slash is asked for like any other', async () => {
  const issuer = createTestIssuer()
  const app = fastify()
  await app.register(guardFastify(issuer.guard()))
  app.get('/files/:name', (request) => (request.params as { name: string }).name)
  await app.listen({ port: 0, host: '127.0.0.1', listenTextResolver: () => '' })
  const port = portOf(app)
  assert.equal((await ask(port, { target: '/files/a%2Fb' })).status, 400)
  assert.equal((await ask(port, { target: '/files/a' })).status, 401)
  await app.close()
})

test('a body that somebody has begun to read gets to its handler all the same', async () => {
  const issuer = createTestIssuer()
  const app = fastify()
  let counted = 0
  app.addHook('onRequest', (request, _, next) => {
    request.raw.on('data', (chunk: Buffer) => (counted += chunk.length))
    next()
  })
  await app.register(guardFastify(issuer.guard()))
  app.post('/', (request) => request.body)
  await app.listen({ port: 0, host: '127.0.0.1', listenTextResolver: () => '' })
  const headers = ['Authorization', issuer.authorization(), 'Content-Type', 'application/json']
  assert.equal((await ask(portOf(app), { method: 'POST', headers, body: '{"a":1}' })).body, '{"a":1}')
  assert.equal(counted, 7)
  await app.close()
})

test('what goes wrong once a request was let through is Fastify’s to answer', async () => {
  const issuer = createTestIssuer()
  const app = fastify()
  app.decorateRequest('auth', { getter: () => undefined })
  await app.register(guardFastify(issuer.guard()))
  app.get('/', () => 'x')
  const headers = { authorization: issuer.authorization() }
  assert.equal((await app.inject({ url: '/', headers })).statusCode, 500)
  await app.close()
})

test('routes and plugins from before are guarded too; those beside it are not', async () => {
  const app = fastify()
  app.get('/early', () => 'x')
  await app.register(async (inner) => void inner.get('/earlier', () => 'x'))
  await app.register(guardFastify(createTestIssuer().guard()))
  for (const url of ['/early', '/earlier']) assert.equal((await app.inject(url)).statusCode, 401, url)
  await app.close()

  const partly = fastify()
  partly.get('/outside', () => 'x')
  await partly.register(async (inner) => {
    await inner.register(guardFastify(createTestIssuer().guard()))
    inner.get('/inside', () => 'x')
  })
  assert.equal((await partly.inject('/outside')).statusCode, 200)
  assert.equal((await partly.inject('/inside')).statusCode, 401)
  await partly.close()
})

test('a guard inside a guarded plugin: both must be met, and who acts is not forgotten', async () => {
  const [outer, inner] = [createTestIssuer(), createTestIssuer({ audience: 'inner' })]
  const app = fastify()
  await app.register(guardFastify(outer.guard()))
  await app.register(async (inside) => {
    await inside.register(guardFastify(inner.guard({ tokenFrom: [{ header: 'Inner' }] })))
    inside.get('/inside', (request) => authOf(request).subject)
    inside.get('/open', { config: { auth: 'open' } }, (request) => ({ auth: request.auth ?? null }))
  })
  const authorization = outer.authorization({ subject: 'alice' })
  assert.equal((await app.inject({ url: '/inside', headers: { authorization } })).statusCode, 401)
  const both = { authorization, inner: inner.token({ subject: 'bob' }) }
  assert.equal((await app.inject({ url: '/inside', headers: both })).body, 'bob')
  assert.deepEqual((await app.inject('/open')).json(), { auth: null })
  await app.close()
})

test('what another plugin answers before it, such as preflight requests, needs no token', async () => {
  const app = fastify()
  app.addHook('onRequest', async (request, reply) => {
    if (request.method === 'OPTIONS') return reply.code(204).send()
  })
  app.options('*', () => 'x')
  await app.register(guardFastify(createTestIssuer().guard()))
  app.get('/', () => 'x')
  assert.equal((await app.inject({ method: 'OPTIONS', url: '/' })).statusCode, 204)
  assert.equal((await app.inject('/')).statusCode, 401)
  await app.close()
})

test('hooks and headers of the service see refusals as any other answer', async () => {
  const app = fastify()
  app.addHook(
    'onRequest',
    async (_, reply) => void reply.header('access-control-allow-origin', 'https://shop.test'),
  )
  const seen: number[] = []
  app.addHook('onResponse', async (_, reply) => void seen.push(reply.statusCode))
  await app.register(guardFastify(createTestIssuer().guard()))
  app.get('/', () => 'x')
  const reply = await app.inject('/')
  assert.equal(reply.headers['access-control-allow-origin'], 'https://shop.test')
  assert.deepEqual(seen, [401])
  await app.close()
})

test('what cannot be is refused when the service starts', async () => {
  const guard = createTestIssuer().guard()
  assert.throws(() => guardFastify(guard, { fallback: 'open' } as object), { code: 'option-unknown' })
  assert.throws(() => guardFastify(guard, { default: {} }), { code: 'policy-invalid' })
  const app = fastify()
  await app.register(guardFastify(guard))
  assert.throws(() => app.get('/', { config: { auth: { role: 'x' } as object } }, () => 'x'), {
    code: 'option-unknown',
  })
  await app.close()
})
