import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import { connect } from 'node:net'
import { test } from 'node:test'
import express from 'express'
import type { Request, Response } from 'express'
import { createDpopKey, createDpopProof } from '@countersign/sdk/jwt'
import { createTestIssuer } from '@countersign/sdk/testing'
import { listen } from '../../../../test/guard/listen.ts'
import { maxHeaderBytes, requirements, testAdapter, who } from '../../../../test/guard/adapter-contract.ts'
import type { ContractService } from '../../../../test/guard/adapter-contract.ts'
import { ask } from '../../../../test/guard/raw-request.ts'
import { authOf } from './auth-of.ts'
import type { Authenticated } from './auth-of.ts'
import { guardExpress } from './express.ts'
import { readRoutes } from './routes.ts'

testAdapter({
  name: 'express',
  start: (service) => listen(createServer({ maxHeaderSize: maxHeaderBytes }, appOf(service))),
})

function appOf({ guard, isFronted, reached }: ContractService) {
  const app = express()
  if (isFronted) app.use(guardExpress(guard, 'open'))
  app.get('/open', guardExpress(guard, requirements.open), (_, res) => {
    reached('open')
    res.send('open')
  })
  for (const name of ['me', 'tenant'] as const) {
    app.get(`/${name}`, guardExpress(guard, requirements[name]), (req, res) => {
      reached(name)
      tell(req, res)
    })
  }
  // A router of its own, mounted, sees only the rest of the path.
  const invoices = express.Router()
  invoices.get('/:id', guardExpress(guard, requirements.read), (req, res) => {
    reached('read')
    tell(req, res)
  })
  invoices.delete('/:id', guardExpress(guard, requirements.remove), (req, res) => {
    reached('remove')
    tell(req, res)
  })
  app.use('/invoices', invoices)
  app.post('/echo', guardExpress(guard, requirements.echo), (req, res) => {
    reached('echo')
    req.pipe(res)
  })
  return app
}

function tell(req: Request, res: Response): void {
  assert.equal((req as { auth?: unknown }).auth, authOf(req))
  res.json(who(authOf(req), req.params['id'] as string | undefined))
}

test('an app that is closed in front stays so for routes that nobody thought of', async () => {
  const issuer = createTestIssuer()
  const guard = issuer.guard()
  const app = express()
  app.use(guardExpress(guard, 'authenticated'))
  app.get('/forgotten', (req, res) => void res.send(authOf(req).subject))
  app.get('/admin', guardExpress(guard, { roles: 'admin' }), (_, res) => void res.send('admin'))
  const { port, close } = await listen(createServer(app))
  const headers = ['Authorization', issuer.authorization({ subject: 'alice' })]
  assert.equal((await ask(port, { target: '/forgotten' })).status, 401)
  assert.equal((await ask(port, { target: '/nothing' })).status, 401)
  assert.equal((await ask(port, { target: '/forgotten', headers })).body, 'alice')
  assert.equal((await ask(port, { target: '/admin', headers })).status, 403)
  await close()
})

test('an open guard behind one that asked does not forget who it was', async () => {
  const issuer = createTestIssuer()
  const app = express()
  app.use(guardExpress(issuer.guard(), 'authenticated'), guardExpress(issuer.guard(), 'open'))
  app.get('/', (req, res) => {
    res.send((req as unknown as Partial<Authenticated>).auth?.subject)
  })
  const { port, close } = await listen(createServer(app))
  const headers = ['Authorization', issuer.authorization({ subject: 'alice' })]
  assert.equal((await ask(port, { headers })).body, 'alice')
  await close()
})

test('two guards in a row ask for one proof, and the second for what it needs', async () => {
  const issuer = createTestIssuer()
  const guard = issuer.guard({ senderConstraint: 'required', publicUrl: 'https://billing.test' })
  const app = express()
  app.use(guardExpress(guard, 'authenticated'))
  app.get('/read', guardExpress(guard, { roles: 'reader' }), (_, res) => void res.send('x'))
  app.get('/admin', guardExpress(guard, { roles: 'admin' }), (_, res) => void res.send('x'))
  const { port, close } = await listen(createServer(app))
  const key = createDpopKey()
  const token = issuer.token({ roles: 'reader', claims: { cnf: { jkt: key.thumbprint } } })
  for (const [target, first, second] of [
    ['/read', 200, 401],
    ['/admin', 403, 401],
  ] as const) {
    const url = `https://billing.test${target}`
    const proof = createDpopProof({ key, method: 'GET', url, accessToken: token })
    const headers = ['Authorization', `DPoP ${token}`, 'DPoP', proof]
    assert.equal((await ask(port, { target, headers })).status, first)
    assert.equal((await ask(port, { target, headers })).status, second, 'another request with the same proof')
  }
  await close()
})

test('headers that were set before stand on a refusal too', async () => {
  const app = express()
  app.use((_, res, next) => {
    res.setHeader('Access-Control-Allow-Origin', 'https://shop.test')
    next()
  })
  app.use(guardExpress(createTestIssuer().guard(), 'authenticated'))
  const { port, close } = await listen(createServer(app))
  assert.equal((await ask(port)).headers['access-control-allow-origin'], 'https://shop.test')
  await close()
})

test('what a handler throws is its own, also after keys were fetched', async () => {
  const issuer = createTestIssuer()
  const app = express()
  app.get('/', guardExpress(issuer.guard(), 'authenticated'), () => {
    throw Object.assign(new Error('a bug of the service'), { status: 418 })
  })
  const { port, close } = await listen(createServer(app))
  const headers = ['Authorization', issuer.authorization()]
  assert.equal((await ask(port, { headers })).status, 418)
  await close()
})

test('a body that somebody has begun to read gets to its handler all the same', async () => {
  const issuer = createTestIssuer()
  const app = express()
  let counted = 0
  app.use((req, _, next) => {
    req.on('data', (chunk: Buffer) => (counted += chunk.length))
    next()
  })
  app.post('/', guardExpress(issuer.guard(), 'authenticated'), express.json(), (req, res) => {
    res.json(req.body)
  })
  const { port, close } = await listen(createServer(app))
  const headers = ['Authorization', issuer.authorization(), 'Content-Type', 'application/json']
  assert.equal((await ask(port, { method: 'POST', headers, body: '{"a":1}' })).body, '{"a":1}')
  assert.equal(counted, 7)
  await close()
})

test('who sends what is no request in the same packet is not served', async () => {
  const issuer = createTestIssuer()
  const app = express()
  let served = 0
  app.post('/pay', guardExpress(issuer.guard(), 'authenticated'), (_, res) => {
    served++
    res.send('paid')
  })
  const { port, close } = await listen(createServer(app))
  const head = `POST /pay HTTP/1.1\r\nHost: x\r\nAuthorization: ${issuer.authorization()}\r\nContent-Length: 1\r\n\r\nx`
  const client = connect(port, '127.0.0.1').setEncoding('latin1')
  client.write(`${head}no request\r\n\r\n`)
  let reply = ''
  for await (const text of client) reply += text as string
  assert.match(reply, /^HTTP\/1\.1 400 /)
  assert.equal(served, 0)
  await close()
})

test('what goes wrong once a request was let through is Express’s to answer', async () => {
  const issuer = createTestIssuer()
  const app = express()
  app.use((req, _, next) => {
    Object.defineProperty(req, 'auth', { get: () => 'somebody else’s' })
    next()
  })
  app.get('/', guardExpress(issuer.guard(), 'authenticated'), (_, res) => void res.send('x'))
  // Without its own way of awaiting middleware, as in Express 4.
  app.get('/4', (req, res, next) => {
    void guardExpress(issuer.guard(), 'authenticated')(req, res, next)
  })
  app.set('env', 'test')
  const { port, close } = await listen(createServer(app))
  const headers = ['Authorization', issuer.authorization()]
  for (const target of ['/', '/4']) assert.equal((await ask(port, { target, headers })).status, 500)
  await close()
})

test('what cannot be is refused when the service starts', () => {
  const guard = createTestIssuer().guard()
  assert.throws(() => guardExpress(guard, { rols: 'x' } as object), { code: 'option-unknown' })
  assert.throws(() => guardExpress(guard, {}), { code: 'policy-invalid' })
  assert.throws(() => guardExpress(guard, readRoutes({ 'GET /': 'open' }) as never), {
    code: 'option-invalid',
  })
})
