import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { createGuard, readRoutes } from '@countersign/sdk/guard'
import type { ServiceTerms } from '@countersign/sdk/guard'
import { createTestIssuer } from '@countersign/sdk/testing'
import { readTrust } from '../trust/read.ts'
import { isTypesModule, typesModule } from './types-module.ts'

const root = fileURLToPath(new URL('../../../..', import.meta.url))
const folder = join(root, '.cache/types-module')
rmSync(folder, { recursive: true, force: true })
mkdirSync(folder, { recursive: true })
after(() => rmSync(folder, { recursive: true }))

const trustFile = `
issuer: { url: https://issuer.acme.example, listen: 127.0.0.1:8080, store: 'memory:' }
trusted:
  login: { issuer: https://login.acme.example, audience: acme-web, algorithms: [RS256], roles: /realm/roles }
  tutorial: { issuer: jwtgo.io, audience: billing.jwtgo.io, secret: { env: SECRET_KEY } }
services:
  billing:
    audience: https://billing.acme.example
    roles: [reader, admin]
    scopes: ["invoices:write"]
    accepts: [own, login, tutorial]
    tokenFrom: [bearer, { header: Token }]
    routes:
      GET /health: open
      GET /whoami: authenticated
      GET /invoices/{id}: { roles: reader }
      POST /invoices: { anyOf: [{ roles: [admin] }, { scopes: "invoices:write", claims: { tenant: { equals: acme } } }] }
  odd:
    audience: "urn:it's-odd"
    roles: ["o'clock"]
    routes: { "GET /o'clock": { roles: "o'clock" } }
  order-api:
    audience: https://orders.acme.example
    routes: { GET /: authenticated }
`
const reading = readTrust(trustFile, {
  file: 'countersign.yaml',
  env: { SECRET_KEY: 'not-a-secret-'.repeat(3) },
  readFile: () => '',
})
assert.ok(reading.kind === 'trust', JSON.stringify(reading))
const text = typesModule(reading.trust, [...reading.trust.services.values()], 'countersign.yaml')
writeFileSync(join(folder, 'countersign.ts'), text)
const { services } = (await import(pathToFileURL(join(folder, 'countersign.ts')).href)) as {
  services: Record<string, ServiceTerms>
}

test('the module says what the trust file says, and nothing secret', () => {
  const { billing, odd } = services
  assert.deepEqual([billing!.audience, billing!.roles], ['https://billing.acme.example', ['reader', 'admin']])
  assert.deepEqual(billing!.tokenFrom, ['bearer', { header: 'Token' }])
  assert.deepEqual(Object.keys(billing!.routes), [
    'GET /health',
    'GET /whoami',
    'GET /invoices/{id}',
    'POST /invoices',
  ])
  assert.deepEqual(
    billing!.issuers.map(({ issuer, hasSecret, roles }) => [issuer, hasSecret, roles]),
    [
      ['https://issuer.acme.example', undefined, undefined],
      ['https://login.acme.example', undefined, '/realm/roles'],
      ['jwtgo.io', true, undefined],
    ],
  )
  assert.deepEqual([odd!.audience, odd!.roles], ["urn:it's-odd", ["o'clock"]])
  assert.ok(!text.includes('not-a-secret'))
  assert.ok(isTypesModule(text) && !isTypesModule(`\n${text}`))
})

test('a guard made from it enforces the routes of the file', async () => {
  const { billing } = services
  const [own, login] = billing!.issuers.map(({ issuer, audience }) => createTestIssuer({ issuer, audience }))
  const secret = createTestIssuer({ issuer: 'jwtgo.io', algorithm: 'HS256' })
  const keySets = Object.fromEntries([own!, login!, secret].map((one) => [one.url, one.keySet()]))
  const guard = createGuard({ service: billing!, keySets })
  const routes = readRoutes(billing!.routes)
  const ask = async (method: string, target: string, token?: string): Promise<string> => {
    const rawHeaders = token === undefined ? [] : ['Token', token]
    const decision = await guard.check({ method, target, rawHeaders }, routes)
    return decision.kind === 'allow' ? 'allow' : decision.denial.reason
  }
  assert.equal(await ask('GET', '/health'), 'allow')
  assert.equal(await ask('GET', '/whoami'), 'token-missing')
  assert.equal(await ask('GET', '/invoices/7', own!.token({ roles: 'reader' })), 'allow')
  assert.equal(await ask('GET', '/invoices/7', own!.token({ roles: 'admin' })), 'role-missing')
  assert.equal(await ask('POST', '/invoices', own!.token({ roles: 'admin' })), 'allow')
  assert.equal(
    await ask('POST', '/invoices', own!.token({ scopes: 'invoices:write', claims: { tenant: 'acme' } })),
    'allow',
  )
  assert.notEqual(await ask('POST', '/invoices', own!.token({ scopes: 'invoices:write' })), 'allow')
  assert.equal(await ask('GET', '/admin', own!.token({ roles: 'admin' })), 'route-unknown')
})

test('a condition of a route is in the module, so that its guard cannot pass over it', () => {
  const conditioned = trustFile.replace(
    'GET /whoami: authenticated',
    `GET /whoami: { require: authenticated, when: 'request.method == "GET"' }`,
  )
  const read = readTrust(conditioned, {
    file: 'x.yaml',
    env: { SECRET_KEY: 'not-a-secret-'.repeat(3) },
    readFile: () => '',
  })
  assert.ok(read.kind === 'trust', JSON.stringify(read))
  const written = typesModule(read.trust, [read.trust.services.get('billing')!], 'x.yaml')
  assert.ok(written.includes(`'GET /whoami': 'request.method == "GET"'`), written)
  assert.match(written, /\n {4}conditions: \{\n/)
})

test('transactions, and what the gateway exchanges, are what the service is called with', () => {
  const text = `
issuer: { url: https://issuer.acme.example, listen: 127.0.0.1:8080, store: 'memory:' }
gateway: { listen: 127.0.0.1:9001 }
transactions: { trustDomain: acme.example }
trusted:
  login: { issuer: https://login.acme.example, audience: acme-web, algorithms: [RS256] }
services:
  payments: { audience: https://payments.acme.example, transactions: true, routes: { POST /: authenticated } }
  orders:
    audience: https://orders.acme.example
    accepts: login
    tokenFrom: { cookie: session }
    token: { exchange: { client: edge, secret: { env: EDGE_SECRET } } }
    upstream: http://127.0.0.1:9101
    at: /
    routes: { GET /: authenticated }
clients:
  edge:
    authenticate: { secret: { env: EDGE_SECRET } }
    mayExchange: orders
    may: { orders: {} }
`
  const env = { EDGE_SECRET: 'not-a-secret-'.repeat(3) }
  const read = readTrust(text, { file: 'x.yaml', env, readFile: () => '' })
  assert.ok(read.kind === 'trust', JSON.stringify(read))
  const written = (name: string) => typesModule(read.trust, [read.trust.services.get(name)!], 'x.yaml')
  const payments = written('payments')
  assert.match(payments, /audience: 'acme\.example', types: \['txntoken\+jwt'\]/)
  assert.match(payments, /tokenFrom: \[\{ header: 'Txn-Token' \}\]/)
  const orders = written('orders')
  assert.match(
    orders,
    /issuer: 'https:\/\/issuer\.acme\.example', audience: 'https:\/\/orders\.acme\.example'/,
  )
  assert.match(orders, /tokenFrom: \['bearer', \{ cookie: 'session' \}\]/)
})

test('a misspelt name does not compile, and nothing else is refused', () => {
  const checked = `
import express from 'express'
import fastify from 'fastify'
import { createGuard, readRoutes } from '@countersign/sdk/guard'
import { guardExpress } from '@countersign/sdk/express'
import { guardFastify } from '@countersign/sdk/fastify'
import type { GuardedConfig, GuardedRequest } from '@countersign/sdk/fastify'
import { guardFetch } from '@countersign/sdk/fetch'
import { guardGraphql } from '@countersign/sdk/graphql'
import { guardHono } from '@countersign/sdk/hono'
import { guardKoa } from '@countersign/sdk/koa'
import { guardMcp } from '@countersign/sdk/mcp'
import { Roles, Scopes } from '@countersign/sdk/nest'
import { guardNode } from '@countersign/sdk/node'
import { createTestIssuer, startTestIssuer } from '@countersign/sdk/testing'
import { guardTrpc } from '@countersign/sdk/trpc'
import type { Requirement } from '@countersign/sdk/policy'
import { GraphQLError } from 'graphql'
import { TRPCError } from '@trpc/server'
import { issuer, services } from './countersign.ts'
import type { Role, Route, Scope, ServiceName } from './countersign.ts'

const guard = createGuard({ service: services.billing })
const app = express()
app.get('/invoices/:id', guardExpress(guard, { roles: 'reader' }))
app.get('/invoices/:id', guardExpress(guard, services.billing.routes['GET /invoices/{id}']))
app.get('/invoices/:id', guardExpress(guard, { roles: 'raeder' })) // typo
app.get('/invoices/:id', guardExpress(guard, { anyOf: [{ roles: 'admin' }, { roles: ['reader', 'amdin'] }] })) // typo
app.get('/invoices/:id', guardExpress(guard, { scopes: 'invoices:wirte' })) // typo
app.get('/invoices/:id', guardExpress(guard, services.billing.routes['GET /invoice/{id}'])) // typo
guardKoa(guard, { roles: 'admn' }) // typo
guardHono(guard, { roles: 'admn' }) // typo
guardMcp(guard, { roles: 'admn' }) // typo
guardFastify(guard, { default: { roles: 'admn' } }) // typo
guardTrpc(guard, TRPCError)({ roles: 'admn' }) // typo
guardGraphql(guard, GraphQLError)({ roles: 'admn' }) // typo
guardFetch(guard, { roles: 'admn' }, () => new Response()) // typo
guardNode(guard, { roles: 'admn' }, () => {}) // typo
guardNode(guard, readRoutes({ 'GET /a': { roles: 'admin' }, 'GET /b': 'open' }), () => {})
guardNode(guard, readRoutes(services.billing.routes), () => {})
guardNode(guard, readRoutes({ 'GET /a': { roles: 'admn' } }), () => {}) // typo
Roles<Role<'billing'>>('reader')
Roles<Role<'billing'>>('raeder') // typo
const BillingRoles = Roles<Role<'billing'>>
BillingRoles('reader', 'admin')
BillingRoles('raeder') // typo
const BillingScopes = Scopes<Scope<'billing'>>
BillingScopes('invoices:wirte') // typo
services.biling // typo
const name: ServiceName = 'order-api'
const other: ServiceName = 'orders-api' // typo
const route: Route<'billing'> = 'POST /invoices'
const scope: Scope<'billing'> = 'invoices:write'
const config: GuardedConfig<typeof guard> = { auth: { roles: 'reader' } }
const wrong: GuardedConfig<typeof guard> = { auth: { roles: 'raeder' } } // typo
declare module 'fastify' {
  interface FastifyRequest extends GuardedRequest<typeof guard> {}
  interface FastifyContextConfig extends GuardedConfig<typeof guard> {}
}
fastify().get('/invoices/:id', { config: { auth: { roles: 'reader' } } }, (request) => request.auth?.subject)
fastify().get('/invoices/:id', { config: { auth: { roles: 'raeder' } } }, () => '') // typo
const testIssuer = createTestIssuer({ service: services.billing })
testIssuer.token({ roles: 'reader', scopes: ['invoices:write'] })
testIssuer.token({ roles: 'raeder' }) // typo
testIssuer.authorization({ roles: ['reader', 'amdin'] }) // typo
testIssuer.authorization({ scopes: 'invoices:wirte' }) // typo
guardExpress(testIssuer.guard(), { roles: 'raeder' }) // typo
guardExpress(testIssuer.guard({ service: services['order-api'] }), { roles: 'reader' }) // typo
const started = startTestIssuer({ service: services.billing })
started.then((one) => one.token({ roles: 'raeder' })) // typo
createTestIssuer().token({ roles: 'whatever' })
const requirement: Requirement<Role<'billing'>, Scope<'billing'>> = { roles: ['reader', 'admin'] }
guard.check({ method: 'GET', target: '/', rawHeaders: [] }, requirement)
guard.check({ method: 'GET', target: '/', rawHeaders: [] }, { roles: 'raeder' }) // typo
createGuard({ service: services['order-api'] }).check({ method: 'GET', target: '/', rawHeaders: [] }, { roles: 'reader' }) // typo
const untyped = createGuard({ issuer, audience: services.billing.audience })
guardExpress(untyped, { roles: 'whatever' })
const byHand = createGuard<'reader' | 'admin'>({ issuer, audience: services.billing.audience })
guardExpress(byHand, { roles: 'raeder' }) // typo
export { name, other, route, scope, config, wrong }
`
  writeFileSync(join(folder, 'service.ts'), checked)
  const settings = { extends: '../../tsconfig.json', include: ['*.ts'] }
  writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify(settings))
  const tsc = join(root, 'node_modules/typescript/bin/tsc')
  const { stdout } = spawnSync(process.execPath, [tsc, '-p', folder, '--pretty', 'false'], {
    encoding: 'utf8',
  })
  const found = [...stdout.matchAll(/service\.ts\((\d+),/g)].map(([, line]) => Number(line))
  const expected = checked.split('\n').flatMap((line, index) => (line.endsWith('// typo') ? [index + 1] : []))
  assert.deepEqual([...new Set(found)], expected, stdout)
  assert.ok(!stdout.includes('countersign.ts('), stdout)
})
