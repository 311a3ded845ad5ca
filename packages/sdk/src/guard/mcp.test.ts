import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import { inspect } from 'node:util'
import { test } from 'node:test'
import { InvalidTokenError } from '@modelcontextprotocol/sdk/server/auth/errors.js'
import { requireBearerAuth } from '@modelcontextprotocol/sdk/server/auth/middleware/bearerAuth.js'
import { getOAuthProtectedResourceMetadataUrl } from '@modelcontextprotocol/sdk/server/auth/router.js'
import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js'
import { StreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/streamableHttp.js'
import type { Transport } from '@modelcontextprotocol/sdk/shared/transport.js'
import express from 'express'
import type { RequestHandler } from 'express'
import { shownToken } from '../core/shown-token.ts'
import { startTestIssuer } from '@countersign/sdk/testing'
import type { StartedTestIssuer } from '@countersign/sdk/testing'
import {
  maxHeaderBytes,
  requirements,
  tenants,
  testAdapter,
  who,
} from '../../../../test/guard/adapter-contract.ts'
import type { ContractRoute, ContractService } from '../../../../test/guard/adapter-contract.ts'
import { listen } from '../../../../test/guard/listen.ts'
import { ask } from '../../../../test/guard/raw-request.ts'
import type { RawReply } from '../../../../test/guard/raw-request.ts'
import { authOf } from './auth-of.ts'
import { guardExpress } from './express.ts'
import { guardMcp, mcpVerifier } from './mcp.ts'
import type { McpAuthInfo } from './mcp.ts'
import { createResourceMetadata } from './resource-metadata.ts'

const resource = 'https://mcp.test/mcp'

testAdapter({
  name: 'mcp',
  start: (service) => listen(createServer({ maxHeaderSize: maxHeaderBytes }, contractOf(service))),
})

/** The endpoint's middleware on each route; open ones are for Express's own. */
function contractOf({ guard, isFronted, reached }: ContractService) {
  const app = express()
  if (isFronted) app.use(guardExpress(guard, 'open'))
  const handler =
    (route: ContractRoute): RequestHandler =>
    (req, res) => {
      reached(route)
      if (route === 'open') res.send('open')
      else if (route === 'echo') req.pipe(res)
      else {
        // What the transport gives to tools.
        const { clientId } = (req as unknown as { auth: McpAuthInfo }).auth
        assert.equal(clientId, authOf(req).clientId)
        res.json(who(authOf(req), req.params['id'] as string | undefined))
      }
    }
  app.get('/open', guardExpress(guard, requirements.open), handler('open'))
  app.get('/me', guardMcp(guard, requirements.me), handler('me'))
  app.get('/tenant', guardMcp(guard, requirements.tenant), handler('tenant'))
  app.get('/invoices/:id', guardMcp(guard, requirements.read), handler('read'))
  app.delete('/invoices/:id', guardMcp(guard, requirements.remove), handler('remove'))
  app.post('/echo', guardMcp(guard, requirements.echo), handler('echo'))
  return app
}

for (const way of ['guardMcp', 'requireBearerAuth'] as const) {
  test(`${way}: a tool that is called learns who acts`, async () => {
    await using issuer = await startTestIssuer({ audience: resource })
    const { port, close } = await serve(issuer, way)
    const authorization = issuer.authorization({
      subject: 'alice',
      clientId: 'shop',
      scopes: 'mcp:tools',
      actor: 'orders',
      claims: { tenant: 'acme' },
    })
    const reply = await fetch(`http://127.0.0.1:${port}/mcp`, {
      method: 'POST',
      headers: {
        authorization,
        accept: 'application/json, text/event-stream',
        'content-type': 'application/json',
      },
      body: JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name: 'whoami' } }),
    })
    const { result } = (await reply.json()) as { result: { content: { text: string }[] } }
    assert.deepEqual(JSON.parse(result.content[0]!.text), {
      clientId: 'shop',
      scopes: ['mcp:tools'],
      subject: 'alice',
      actor: { subject: 'orders' },
      tenant: 'acme',
      who: 'alice',
      hasToken: true,
    })
    await close()
  })

  test(`${way}: refusals lead a client to the metadata, and tell what is missing`, async () => {
    await using issuer = await startTestIssuer({ audience: resource })
    const { port, close } = await serve(issuer, way)
    const nobody = await post(port)
    assert.equal(nobody.status, 401)
    const place = getOAuthProtectedResourceMetadataUrl(new URL(resource))
    assert.ok(nobody.headers['www-authenticate']!.includes(`resource_metadata="${place}"`))
    for (const [wanted, status] of [
      [{ audience: 'https://other.test', scopes: 'mcp:tools' }, 401],
      [{ lifetimeSeconds: -60, scopes: 'mcp:tools' }, 401],
      [{}, 403],
    ] as const) {
      const reply = await post(port, issuer.authorization(wanted))
      assert.equal(reply.status, status)
      assert.match(reply.headers['www-authenticate']!, status === 401 ? /invalid_token/ : /scope="mcp:tools"/)
    }
    issuer.fail({ keys: 503 })
    issuer.advance(100_000)
    const down = await post(port, issuer.authorization({ scopes: 'mcp:tools' }))
    assert.equal(down.status, way === 'guardMcp' ? 503 : 500)
    await close()
  })
}

test('a token of another audience is no token for this resource, whatever the guard takes', async () => {
  await using issuer = await startTestIssuer({ audience: 'https://other.test' })
  const verifier = mcpVerifier(issuer.guard(), { resource, InvalidTokenError })
  assert.equal((await verifier.verifyAccessToken(issuer.token())).resource, undefined)
  const both = issuer.token({ audience: ['https://other.test', resource] })
  assert.equal((await verifier.verifyAccessToken(both)).resource?.href, resource)
  await assert.rejects(verifier.verifyAccessToken('x'), (error) => error instanceof InvalidTokenError)
})

test('tools get the claims as the guard’s schema made them, and may act on behalf of who asks', async () => {
  await using issuer = await startTestIssuer()
  const guard = issuer.guard({ claims: tenants })
  const token = issuer.token({ actor: 'orders', claims: { tenant: 'acme', other: 'unread' } })
  const info = await mcpVerifier(guard, { resource, InvalidTokenError }).verifyAccessToken(token)
  assert.deepEqual(info.extra.claims, { tenant: 'acme' })
  assert.deepEqual(info.extra.actor, { subject: 'orders', issuer: undefined, actor: undefined })
  const auth = authOf(info, guard)
  assert.equal(auth.claims, info.extra.claims)
  assert.equal(shownToken(auth), token)
  assert.throws(() => authOf(info, issuer.guard()), { code: 'auth-missing' })
})

test('the token can be read, but is not printed', async () => {
  await using issuer = await startTestIssuer()
  const token = issuer.token()
  const info = await mcpVerifier(issuer.guard(), { resource, InvalidTokenError }).verifyAccessToken(token)
  assert.equal(info.token, token)
  for (const text of [JSON.stringify(info), inspect(info, { depth: 9 }), JSON.stringify({ ...info })]) {
    assert.ok(!text.includes(token))
  }
})

test('tools get the very token that was verified, wherever it stood', async () => {
  await using issuer = await startTestIssuer()
  const token = issuer.token()
  const headers = { authorization: 'Bearer unverified', token }
  const request = {
    method: 'POST',
    url: '/',
    originalUrl: '/',
    headers,
    rawHeaders: Object.entries(headers).flat(),
  }
  const passed = guardMcp(issuer.guard({ tokenFrom: [{ header: 'Token' }] }), 'authenticated')
  await new Promise<void>((next) => void passed(request as never, {} as never, () => next()))
  assert.equal((request as { auth?: { token: string } }).auth?.token, token)
})

async function serve(issuer: StartedTestIssuer, way: 'guardMcp' | 'requireBearerAuth') {
  const metadata = createResourceMetadata({ resource, issuers: [issuer.url], scopes: ['mcp:tools'] })
  const guard = issuer.guard({ resourceMetadata: metadata.url })
  const app = express()
  app.get(metadata.path, metadata.listener)
  const middleware: RequestHandler =
    way === 'guardMcp'
      ? guardMcp(guard, { scopes: 'mcp:tools' })
      : requireBearerAuth({
          verifier: mcpVerifier(guard, { resource, InvalidTokenError }),
          requiredScopes: ['mcp:tools'],
          resourceMetadataUrl: metadata.url,
          expectedResource: new URL(resource),
        })
  app.post('/mcp', middleware, express.json(), async (req, res) => {
    const server = new McpServer({ name: 'test', version: '1' })
    server.registerTool('whoami', {}, ({ authInfo }) => {
      const { clientId, scopes, extra, token } = authInfo!
      const { subject, actor, claims } = extra as McpAuthInfo['extra']
      const auth = authOf(authInfo!, guard)
      const told = { clientId, scopes, subject, actor, tenant: claims['tenant'], who: auth.subject }
      return { content: [{ type: 'text', text: JSON.stringify({ ...told, hasToken: token.length > 0 }) }] }
    })
    const transport = new StreamableHTTPServerTransport({ enableJsonResponse: true })
    await server.connect(transport as Transport)
    await transport.handleRequest(req, res, req.body)
  })
  const started = await listen(createServer(app))
  const document = await fetch(`http://127.0.0.1:${started.port}${metadata.path}`)
  assert.deepEqual(((await document.json()) as { authorization_servers: string[] }).authorization_servers, [
    issuer.url,
  ])
  return started
}

function post(port: number, authorization?: string): Promise<RawReply> {
  const headers = authorization === undefined ? [] : ['Authorization', authorization]
  return ask(port, { method: 'POST', target: '/mcp', headers, body: '{}' })
}
