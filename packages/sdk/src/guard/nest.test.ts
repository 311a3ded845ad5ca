import 'reflect-metadata'
import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { test } from 'node:test'
import {
  Catch,
  Controller,
  createParamDecorator,
  Delete,
  Get,
  HttpCode,
  HttpException,
  Module,
  Param,
  Post,
  Req,
  Res,
} from '@nestjs/common'
import type { ArgumentsHost, ExceptionFilter } from '@nestjs/common'
import { APP_FILTER, APP_GUARD, NestFactory, Reflector } from '@nestjs/core'
import { ExpressAdapter } from '@nestjs/platform-express'
import { FastifyAdapter } from '@nestjs/platform-fastify'
import express from 'express'
import type { Request, Response } from 'express'
import type { Principal } from '@countersign/sdk/policy'
import { createTestIssuer } from '@countersign/sdk/testing'
import { listen } from '../../../../test/guard/listen.ts'
import { maxHeaderBytes, requirements, testAdapter, who } from '../../../../test/guard/adapter-contract.ts'
import type { ContractRoute, ContractService } from '../../../../test/guard/adapter-contract.ts'
import { http2 } from '../../../../test/guard/http2-request.ts'
import { ask } from '../../../../test/guard/raw-request.ts'
import { createAuthContext } from './auth-context.ts'
import { authOf } from './auth-of.ts'
import { guardExpress } from './express.ts'
import { guardFastify } from './fastify.ts'
import type { Guard } from './guard.ts'
import { contextNest, guardNest, Needs, Public, readAuth, Roles, Scopes } from './nest.ts'
import type { NestContext } from './nest.ts'

const Auth = createParamDecorator(readAuth)

testAdapter({
  name: 'nest',
  isJsonOnly: true,
  start: (service) => serve(contractControllers(service), service.guard, service.isFronted),
})

for (const wire of [undefined, http2]) {
  testAdapter({
    name: 'nest on fastify',
    isJsonOnly: true,
    ...(wire === undefined ? {} : { wire }),
    start: async (service) => {
      const options = { http: { maxHeaderSize: maxHeaderBytes }, forceCloseConnections: true }
      const adapter = new FastifyAdapter(
        (wire === undefined ? options : { ...options, http2: true }) as object,
      )
      const server = adapter.getInstance()
      if (service.isFronted) await server.register(guardFastify(service.guard, { default: 'open' }))
      server.removeAllContentTypeParsers()
      server.addContentTypeParser(
        '*',
        (_: unknown, payload: unknown, done: (e: null, body: unknown) => void) => done(null, payload),
      )
      const app = await NestFactory.create(
        moduleOf(contractControllers(service), service.guard),
        adapter as never,
        { logger: false, bodyParser: false, abortOnError: false },
      )
      await app.listen(0, '127.0.0.1')
      const { port } = (server.server as Server).address() as AddressInfo
      return { port, close: () => app.close() }
    },
  })
}

/** Types are stripped here and decorators are not syntax yet, so they are called as a compiler would call them. */
function contractControllers({ reached }: ContractService): object[] {
  class Root {
    open(): string {
      reached('open')
      return 'open'
    }
    me(auth: Principal, request: Request): object {
      reached('me')
      return tell(auth, request)
    }
    tenant(auth: Principal, request: Request): object {
      reached('tenant')
      return tell(auth, request)
    }
    echo(request: Request, response: Response): void {
      reached('echo')
      // Fastify sends streams, and has the body from its parser.
      if ('pipe' in request) request.pipe(response)
      else response.send((request as Request).body)
    }
  }
  decorate(Root, [Controller()])
  decorateMethod(Root, 'open', [Get('open'), Public()])
  decorateMethod(Root, 'me', [Get('me')], [Auth(), Req()])
  decorateMethod(Root, 'tenant', [Get('tenant'), Needs(requirements.tenant)], [Auth(), Req()])
  decorateMethod(Root, 'echo', [Post('echo'), HttpCode(200)], [Req(), Res()])

  class Invoices {
    read(auth: Principal, request: Request, id: string): object {
      reached('read')
      return tell(auth, request, id)
    }
    remove(auth: Principal, request: Request, id: string): object {
      reached('remove')
      return tell(auth, request, id)
    }
  }
  decorate(Invoices, [Controller('invoices')])
  const parameters = [Auth(), Req(), Param('id')]
  decorateMethod(Invoices, 'read', [Get(':id'), Roles('reader')], parameters)
  const scopes = requirements.remove.scopes
  decorateMethod(Invoices, 'remove', [Delete(':id'), Roles('admin'), Scopes(...scopes)], parameters)
  return [Root, Invoices]
}

function tell(auth: Principal, request: Request, id?: string): object {
  assert.equal(auth, authOf(request))
  assert.equal((request as { auth?: unknown }).auth, auth)
  return who(auth, id)
}

function moduleOf(controllers: object[], guard: Guard, providers: object[] = []): object {
  class AppModule {}
  decorate(AppModule, [
    Module({
      controllers: controllers as never,
      providers: [
        { provide: APP_GUARD, useValue: guardNest(guard, HttpException) },
        ...(providers as never[]),
      ],
    }),
  ])
  return AppModule
}

async function serve(
  controllers: object[],
  guard: Guard,
  isFronted = false,
  providers: object[] = [],
  before?: express.RequestHandler,
) {
  const server = express()
  if (isFronted) server.use(guardExpress(guard, 'open'))
  if (before !== undefined) server.use(before)
  const app = await NestFactory.create(moduleOf(controllers, guard, providers), new ExpressAdapter(server), {
    logger: false,
    bodyParser: false,
    abortOnError: false,
  })
  await app.init()
  const started = await listen(createServer({ maxHeaderSize: maxHeaderBytes }, server))
  return {
    port: started.port,
    close: async () => {
      await started.close()
      await app.close()
    },
  }
}

test('what handler and controller say adds up, and nothing opens by accident', async () => {
  const issuer = createTestIssuer()
  const names = ['plain', 'open', 'admin', 'any'] as const
  const make = (decorators: readonly (ClassDecorator | ReturnType<typeof Public>)[], path: string) => {
    class Some {
      plain = (): string => 'x'
    }
    for (const name of names) {
      Object.defineProperty(Some.prototype, name, { value: () => name, configurable: true })
    }
    decorate(Some, [Controller(path), ...decorators])
    decorateMethod(Some, 'plain', [Get('plain')])
    decorateMethod(Some, 'open', [Get('open'), Public()])
    decorateMethod(Some, 'admin', [Get('admin'), Roles('admin')])
    decorateMethod(Some, 'any', [Get('any'), Needs('authenticated')])
    return Some
  }
  const { port, close } = await serve(
    [make([], 'none'), make([Public()], 'public'), make([Roles('reader')], 'roles')],
    issuer.guard(),
  )
  const statusOf = async (target: string, roles?: string[]): Promise<number> => {
    const headers = roles === undefined ? [] : ['Authorization', issuer.authorization({ roles })]
    return (await ask(port, { target, headers })).status
  }
  const rows: [string, number, number, number, number][] = [
    // path, nobody, no role, admin, admin and reader
    ['/none/plain', 401, 200, 200, 200],
    ['/none/open', 200, 200, 200, 200],
    ['/none/admin', 401, 403, 200, 200],
    ['/none/any', 401, 200, 200, 200],
    ['/public/plain', 200, 200, 200, 200],
    ['/public/open', 200, 200, 200, 200],
    ['/public/admin', 401, 403, 200, 200],
    ['/public/any', 401, 200, 200, 200],
    ['/roles/plain', 401, 403, 403, 200],
    ['/roles/open', 200, 200, 200, 200],
    ['/roles/admin', 401, 403, 403, 200],
    ['/roles/any', 401, 403, 403, 200],
  ]
  for (const [target, ...expected] of rows) {
    const seen = [
      await statusOf(target),
      await statusOf(target, []),
      await statusOf(target, ['admin']),
      await statusOf(target, ['admin', 'reader']),
    ]
    assert.deepEqual(seen, expected, target)
  }
  await close()
})

test('filters of the application see refusals as exceptions', async () => {
  class Filter implements ExceptionFilter {
    catch(exception: HttpException, host: ArgumentsHost): void {
      const response = host.switchToHttp().getResponse<Response>()
      response.status(exception.getStatus()).json({ mine: exception.getResponse() })
    }
  }
  decorate(Filter, [Catch(HttpException)])
  class Root {
    me(): string {
      return 'x'
    }
  }
  decorate(Root, [Controller()])
  decorateMethod(Root, 'me', [Get('me')])
  const provider = { provide: APP_FILTER, useClass: Filter }
  const { port, close } = await serve([Root], createTestIssuer().guard(), false, [provider])
  const reply = await ask(port, { target: '/me' })
  assert.equal(reply.status, 401)
  assert.equal((JSON.parse(reply.body) as { mine: { status: number } }).mine.status, 401)
  assert.equal(reply.headers['www-authenticate'], 'Bearer realm="countersign"')
  await close()
})

test('the requirement is metadata that Nest’s own Reflector reads', () => {
  class Root {
    remove(): void {}
  }
  decorateMethod(Root, 'remove', [Scopes('b'), Roles('a')])
  assert.deepEqual(new Reflector().get('countersign:requirement', Root.prototype.remove), {
    allOf: [{ scopes: ['b'] }, { roles: ['a'] }],
  })
})

test('what contradicts itself, or asks for nothing, is refused when the class is read', () => {
  class Root {
    one(): void {}
    other(): void {}
  }
  assert.throws(() => decorateMethod(Root, 'one', [Public(), Roles('a')]), { code: 'policy-invalid' })
  assert.throws(() => decorateMethod(Root, 'other', [Roles('a'), Public()]), { code: 'policy-invalid' })
  assert.throws(() => Roles(), { code: 'policy-invalid' })
  assert.throws(() => Needs({ role: 'a' } as object), { code: 'option-unknown' })
})

test('a body that a middleware has put on the request as its raw is not taken for the message', async () => {
  const issuer = createTestIssuer()
  class Some {
    me = (): string => 'x'
  }
  Object.defineProperty(Some.prototype, 'me', { value: () => 'served', configurable: true })
  decorate(Some, [Controller()])
  decorateMethod(Some, 'me', [Get('me')])
  const rawHeaders = ['authorization', issuer.authorization({ subject: 'mallory' })]
  const { port, close } = await serve([Some], issuer.guard(), false, [], (req, _, next) => {
    Object.assign(req, { raw: { method: 'GET', url: '/me', rawHeaders, socket: {} } })
    next()
  })
  assert.equal((await ask(port, { target: '/me' })).status, 401)
  await close()
})

test('what is not HTTP is not let through', async () => {
  const context = { getType: () => 'rpc' } as unknown as NestContext
  const { canActivate } = guardNest(createTestIssuer().guard(), HttpException)
  await assert.rejects(canActivate(context), { code: 'option-invalid' })
})

test('the interceptor leaves what is not HTTP alone, and guards without a context', () => {
  const issuer = createTestIssuer()
  const rpc = { getType: () => 'rpc' } as unknown as NestContext
  const tracking = contextNest(issuer.guard({ context: createAuthContext() }))
  assert.equal(tracking.intercept(rpc, { handle: () => 'answer' }), 'answer')
  const request = {}
  const http = {
    getType: () => 'http',
    switchToHttp: () => ({ getRequest: () => request }),
  } as unknown as NestContext
  assert.equal(contextNest(issuer.guard()).intercept(http, { handle: () => 'answer' }), 'answer')
})

test('a handler that asks who acts where nobody was asked', () => {
  const context = { switchToHttp: () => ({ getRequest: () => ({}) }) } as unknown as NestContext
  assert.throws(() => readAuth(undefined, context), { code: 'auth-missing' })
})

type Decorator = (target: never, key: never, descriptor: never) => unknown

/** Bottom up, as a compiler applies them. */
function decorate(target: object, decorators: readonly ((target: never) => unknown)[]): void {
  for (const decorator of [...decorators].reverse()) decorator(target as never)
}

function decorateMethod(
  of: { readonly prototype: object },
  name: ContractRoute | (string & {}),
  decorators: readonly Decorator[],
  parameters: readonly ((target: object, key: string, index: number) => void)[] = [],
): void {
  const descriptor = Object.getOwnPropertyDescriptor(of.prototype, name)
  parameters.forEach((parameter, index) => parameter(of.prototype, name, index))
  for (const decorator of [...decorators].reverse()) {
    decorator(of.prototype as never, name as never, descriptor as never)
  }
}
