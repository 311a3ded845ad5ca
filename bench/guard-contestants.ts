/**
 * A contestant of bench/guard.ts, in a process of its own: `guard-contestants.ts NAME`. Its parent sends whose tokens to
 * take; it answers with its port, and then with what each batch of requests costs that it makes to itself.
 */
import { createPublicKey } from 'node:crypto'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { createRequire } from 'node:module'
import type { RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import fastifyJwt from '@fastify/jwt'
import { getRequestListener } from '@hono/node-server'
import express from 'express'
import type { RequestHandler } from 'express'
import { expressjwt } from 'express-jwt'
import { auth } from 'express-oauth2-jwt-bearer'
import fastify from 'fastify'
import type { FastifyInstance } from 'fastify'
import { Hono } from 'hono'
import { jwk } from 'hono/jwk'
import { guardExpress } from '@countersign/sdk/express'
import { guardFastify } from '@countersign/sdk/fastify'
import { createGuard } from '@countersign/sdk/guard'
import type { Guard } from '@countersign/sdk/guard'
import { guardHono } from '@countersign/sdk/hono'
import { createKeySet, createVerifier, readJwk } from '@countersign/sdk/jwt'
import type { Jwk } from '@countersign/sdk/jwt'
import { guardNode } from '@countersign/sdk/node'
import { inProcess } from './in-process.ts'
import { cpuMicrosOf } from './measure.ts'
import type { Contestant } from './measure.ts'

/** Whose tokens the guarded ones take. */
export type Trusted = { readonly issuer: string; readonly audience: string; readonly jwk: Jwk }

/** A round of requests that a contestant makes to itself. */
export type Batch = { readonly how: 'repeated' | 'distinct'; readonly times: number }

/** How many verified tokens our guard may remember here: so few that nearly every new one is new. */
const cacheEntries = 64
const hello = { hello: 'world' }

type Make = (trusted: Trusted) => RequestListener | Promise<RequestListener>

export const contestants: Readonly<Record<string, Make>> = {
  'node:http': () => (_, response) => {
    response.setHeader('Content-Type', 'application/json').end(JSON.stringify(hello))
  },
  'node:http, guardNode': (trusted) =>
    guardNode(guardOf(trusted), { roles: 'reader' }, (_, response) => {
      response.setHeader('Content-Type', 'application/json').end(JSON.stringify(hello))
    }),
  Express: () => expressWith(),
  'Express, guardExpress': (trusted) => expressWith(guardExpress(guardOf(trusted), { roles: 'reader' })),
  'Express, express-jwt': ({ issuer, audience, jwk }) =>
    expressWith(expressjwt({ secret: publicKey(jwk), algorithms: ['RS256'], issuer, audience })),
  'Express, express-oauth2-jwt-bearer': async ({ issuer, audience, jwk: key }) => {
    const jwksUri = await serveKeys(key)
    return expressWith(auth({ issuer, audience, jwksUri, tokenSigningAlg: 'RS256' }))
  },
  'Express, passport-jwt': (trusted) => expressWith(passportJwt(trusted)),
  Fastify: () => ready(fastify()),
  'Fastify, guardFastify': async (trusted) => {
    const app = fastify()
    await app.register(guardFastify(guardOf(trusted), { default: { roles: 'reader' } }))
    return ready(app)
  },
  'Fastify, @fastify/jwt': (trusted) => fastifyJwtWith(trusted, false),
  'Fastify, @fastify/jwt with its cache': (trusted) => fastifyJwtWith(trusted, true),
  Hono: () => getRequestListener(new Hono().get('/', (c) => c.json(hello)).fetch),
  'Hono, guardHono': (trusted) => {
    const app = new Hono()
    app.get('/', guardHono(guardOf(trusted), { roles: 'reader' }), (c) => c.json(hello))
    return getRequestListener(app.fetch)
  },
  'Hono, hono/jwk': ({ issuer, audience, jwk: key }) => {
    const app = new Hono()
    const verification = { iss: issuer, aud: audience, typ: 'at+jwt' }
    app.get('/', jwk({ keys: [key as never], alg: ['RS256'], verification }), (c) => c.json(hello))
    return getRequestListener(app.fetch)
  },
}

function guardOf({ issuer, audience, jwk: key }: Trusted): Guard {
  const keySet = createKeySet([readJwk(key)])
  return createGuard({
    verifier: createVerifier({ issuer, audience, keySet, cache: { entries: cacheEntries } }),
  })
}

function expressWith(...middleware: readonly RequestHandler[]): RequestListener {
  const app = express()
  app.disable('x-powered-by').disable('etag')
  app.get('/', ...middleware, (_, response) => void response.json(hello))
  return app
}

/** Its types are another package's, which would give every request of Express in here a user. */
function passportJwt({ issuer, audience, jwk: key }: Trusted): RequestHandler {
  const require = createRequire(import.meta.url)
  const passport = require('passport') as Passport
  const { ExtractJwt, Strategy } = require('passport-jwt') as PassportJwt
  const secretOrKey = publicKey(key).export({ type: 'spki', format: 'pem' })
  const jwtFromRequest = ExtractJwt.fromAuthHeaderAsBearerToken()
  const options = { jwtFromRequest, secretOrKey, issuer, audience, algorithms: ['RS256'] }
  passport.use(new Strategy(options, (claims, done) => done(null, claims)))
  return passport.authenticate('jwt', { session: false })
}

type Passport = {
  use(strategy: object): void
  authenticate(name: string, options: object): RequestHandler
}

type PassportJwt = {
  readonly ExtractJwt: { fromAuthHeaderAsBearerToken(): unknown }
  readonly Strategy: new (
    options: object,
    verify: (claims: object, done: (error: null, user: object) => void) => void,
  ) => object
}

async function fastifyJwtWith(
  { issuer, audience, jwk: key }: Trusted,
  cache: boolean,
): Promise<RequestListener> {
  const app = fastify()
  const pem = publicKey(key).export({ type: 'spki', format: 'pem' }) as string
  await app.register(fastifyJwt, {
    secret: { public: pem },
    verify: { algorithms: ['RS256'], allowedIss: issuer, allowedAud: audience, cache },
  } as never)
  app.addHook('onRequest', async (request) => void (await (request as unknown as JwtRequest).jwtVerify()))
  return ready(app)
}

/** For those who take a key from nowhere else; they fetch it once. */
async function serveKeys(key: Jwk): Promise<string> {
  const server = createServer((_, response) => response.end(JSON.stringify({ keys: [key] })))
  server.listen(0, '127.0.0.1').unref()
  await once(server, 'listening')
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/`
}

type JwtRequest = { jwtVerify(): Promise<unknown> }

async function ready(app: FastifyInstance): Promise<RequestListener> {
  app.get('/', () => hello)
  await app.ready()
  return (request, response) => app.routing(request, response)
}

function publicKey(key: Jwk) {
  return createPublicKey({ key: key as never, format: 'jwk' })
}

if (import.meta.main) {
  const [trusted, tokens] = ((await once(process, 'message')) as [[Trusted, readonly string[]]])[0]
  const listener = await contestants[process.argv[2]!]!(trusted)
  const server = createServer(listener)
  server.keepAliveTimeout = 60_000
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const batches: Readonly<Record<Batch['how'], Contestant>> = {
    repeated: inProcess('repeated', listener, tokens.slice(0, 1)),
    distinct: inProcess('distinct', listener, tokens),
  }
  process.on('message', (batch) => void answer(batch as Batch))
  process.send!((server.address() as AddressInfo).port)

  async function answer({ how, times }: Batch): Promise<void> {
    process.send!(await cpuMicrosOf(batches[how], times))
  }
}
