/**
 * A contestant of bench/gateway.ts in a process of its own: `gateway-processes.ts NAME UPSTREAM_PORT`. Its parent sends
 * whose tokens to take; it answers with its port.
 */
import { once } from 'node:events'
import { Agent, createServer } from 'node:http'
import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import fastifyProxy from '@fastify/http-proxy'
import fastifyJwt from '@fastify/jwt'
import express from 'express'
import { expressjwt } from 'express-jwt'
import fastify from 'fastify'
import { createProxyMiddleware } from 'http-proxy-middleware'
import { createKeySet, readJwk } from '@countersign/sdk/jwt'
import type { Jwk } from '@countersign/sdk/jwt'
import { createGateway } from '../packages/server/src/gateway/gateway.ts'
import { readTrust } from '../packages/server/src/trust/read.ts'
import { smallBody } from './gateway-configurations.ts'

/** Whose tokens a contestant takes. */
export type Trusted = {
  readonly issuer: string
  readonly audience: string
  readonly jwk: Jwk
  readonly publicPem: string
  readonly secret: string
}

type Start = (trusted: Trusted, upstreamPort: number) => Promise<Server>

const contestants: Readonly<Record<string, Start>> = {
  countersign: async ({ issuer, audience, jwk }, upstreamPort) => {
    const text = `
issuer: { url: ${issuer}, listen: 127.0.0.1:0, store: 'memory:' }
gateway: { listen: 127.0.0.1:0 }
services:
  billing:
    audience: ${audience}
    roles: [reader]
    upstream: http://127.0.0.1:${upstreamPort}
    at: /billing
    routes:
      GET /invoices/{id}: { roles: reader }
      POST /invoices/{id}: { roles: reader }
      GET /files/{**}: { roles: reader }
`
    const read = readTrust(text, { file: 'bench', env: {}, readFile: () => '' })
    if (read.kind !== 'trust') throw new Error(read.mistakes.map(({ message }) => message).join('\n'))
    const keySet = createKeySet([readJwk(jwk)])
    const { server } = createGateway({ trust: read.trust, ownIssuer: { issuer, keySet } })
    server.listen(0, '127.0.0.1')
    return server
  },
  'fastify ES256': ({ issuer, audience, publicPem }, upstreamPort) =>
    fastifyGateway({ secret: { public: publicPem }, algorithm: 'ES256', issuer, audience }, upstreamPort),
  'fastify HS256': ({ issuer, audience, secret }, upstreamPort) =>
    fastifyGateway({ secret, algorithm: 'HS256', issuer, audience }, upstreamPort),
  express: async ({ issuer, audience, secret }, upstreamPort) => {
    const app = express()
    app.use(expressjwt({ secret, algorithms: ['HS256'], issuer, audience }))
    app.use(
      '/billing',
      createProxyMiddleware({
        target: `http://127.0.0.1:${upstreamPort}`,
        agent: new Agent({ keepAlive: true, maxSockets: 256 }),
      }),
    )
    return app.listen(0, '127.0.0.1')
  },
  /** The static upstream of machines without nginx. */
  upstream: async (_, upstreamPort) => {
    const large = 'x'.repeat(100 * 1024)
    const server = createServer((request, response) => {
      const body = request.url?.startsWith('/files') === true ? large : smallBody
      response.writeHead(200, ['Content-Type', 'application/json', 'Content-Length', String(body.length)])
      response.end(body)
      request.resume()
    })
    server.keepAliveTimeout = 60_000
    return server.listen(upstreamPort, '127.0.0.1')
  },
}

async function fastifyGateway(
  check: {
    readonly secret: string | { readonly public: string }
    readonly algorithm: 'ES256' | 'HS256'
    readonly issuer: string
    readonly audience: string
  },
  upstreamPort: number,
): Promise<Server> {
  const app = fastify()
  await app.register(fastifyJwt, {
    secret: check.secret,
    verify: { algorithms: [check.algorithm], allowedIss: check.issuer, allowedAud: check.audience },
  } as never)
  app.addHook('onRequest', async (request) => void (await (request as unknown as JwtRequest).jwtVerify()))
  await app.register(fastifyProxy, { upstream: `http://127.0.0.1:${upstreamPort}`, prefix: '/billing' })
  await app.listen({ port: 0, host: '127.0.0.1' })
  return app.server
}

type JwtRequest = { jwtVerify(): Promise<unknown> }

const [name = '', upstreamPort = '0'] = process.argv.slice(2)
process.once('message', (trusted) => void serve(trusted as Trusted))
process.once('disconnect', () => process.exit())

async function serve(trusted: Trusted): Promise<void> {
  const server = await contestants[name]!(trusted, Number(upstreamPort))
  if (!server.listening) await once(server, 'listening')
  process.send!((server.address() as AddressInfo).port)
}
