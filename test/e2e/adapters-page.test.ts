import { after, before, describe, test } from 'node:test'
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { RequestListener } from 'node:http'
import type { AddressInfo, Server } from 'node:net'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { create, createFileRegistry } from '@bufbuild/protobuf'
import { FileDescriptorProtoSchema, file_google_protobuf_wrappers } from '@bufbuild/protobuf/wkt'
import type { ConnectRouter } from '@connectrpc/connect'
import { connectNodeAdapter } from '@connectrpc/connect-node'
import * as grpc from '@grpc/grpc-js'
import { getRequestListener } from '@hono/node-server'
import { NestFactory } from '@nestjs/core'
import { createHTTPHandler } from '@trpc/server/adapters/standalone'
import { graphql } from 'graphql'
import { startTestIssuer } from '@countersign/sdk/testing'
import type { StartedTestIssuer } from '@countersign/sdk/testing'
import { root } from './demo-process.ts'

// The code of docs/adapters.md and of the pages under it, compiled as it stands there and run with real tokens.

const folder = join(root, '.cache/adapters-page')
const pages = ['adapters.md', ...readdirSync(join(root, 'docs/adapters')).map((name) => `adapters/${name}`)]
const page = pages.map((name) => readFileSync(join(root, 'docs', name), 'utf8')).join('\n')
const closing: (() => unknown)[] = []
let issuer: StartedTestIssuer

describe('docs/adapters.md', () => {
  before(async () => {
    compile()
    issuer = await startTestIssuer({ audience: 'https://billing.acme.example' })
    process.env['ISSUER'] = issuer.url
  })
  after(async () => {
    for (const close of closing) await close()
    await issuer.close()
    rmSync(folder, { recursive: true })
  })

  test('every adapter of the sdk has its page', () => {
    const { exports } = JSON.parse(readFileSync(join(root, 'packages/sdk/package.json'), 'utf8')) as {
      exports: Record<string, unknown>
    }
    const others = ['jwt', 'policy', 'guard', 'client', 'core', 'testing', 'package.json']
    const adapters = Object.keys(exports).map((name) => name.slice(2))
    assert.deepEqual(
      blocks()
        .map(({ name }) => name)
        .sort(),
      ['guard', 'route', ...adapters.filter((name) => !others.includes(name))].sort(),
    )
  })

  for (const [name, listenerOf] of Object.entries<(module: never) => unknown>({
    express: ({ app }: { app: RequestListener }) => app,
    fastify: async ({ app }: { app: { ready(): Promise<unknown>; routing: RequestListener } }) => {
      await app.ready()
      return app.routing
    },
    hono: ({ app }: { app: { fetch: (request: Request) => Response } }) => getRequestListener(app.fetch),
    node: ({ listener }: { listener: RequestListener }) => listener,
    fetch: ({ default: app }: { default: { fetch: (request: Request) => Promise<Response> } }) =>
      getRequestListener(app.fetch),
    koa: ({ app }: { app: { callback(): RequestListener } }) => app.callback(),
    nest: async ({ AppModule }: { AppModule: object }) => {
      const app = await NestFactory.create(AppModule as never, { logger: false })
      await app.init()
      return app.getHttpAdapter().getInstance() as RequestListener
    },
  })) {
    test(`${name}: open, allowed, forbidden, nobody`, async () => {
      const listener = (await listenerOf((await load(name)) as never)) as RequestListener
      const url = await listen(createServer(listener))
      assert.equal(await (await fetch(`${url}/health`)).text(), 'ok')
      const reply = await fetch(`${url}/invoices/7`, { headers: reader() })
      assert.deepEqual(await reply.json(), { id: '7', for: 'alice' })
      assert.equal((await fetch(`${url}/invoices/7`, { headers: nobody() })).status, 403)
      const refused = await fetch(`${url}/invoices/7`)
      assert.deepEqual(
        [refused.status, refused.headers.get('www-authenticate')],
        [401, 'Bearer realm="countersign"'],
      )
    })
  }

  test('a route handler of Next.js: allowed, forbidden, nobody', async () => {
    type Context = { readonly params: Promise<{ readonly id: string }> }
    const { GET } = (await load('route')) as {
      GET: (request: Request, context: Context) => Promise<Response>
    }
    const ask = (headers: Record<string, string>) =>
      GET(new Request('http://localhost/invoices/7', { headers }), { params: Promise.resolve({ id: '7' }) })
    assert.deepEqual(await (await ask(reader())).json(), { id: '7', for: 'alice' })
    assert.equal((await ask(nobody())).status, 403)
    assert.equal((await ask({})).status, 401)
  })

  test('trpc: open, allowed, forbidden, nobody', async () => {
    const { options } = (await load('trpc')) as { options: Parameters<typeof createHTTPHandler>[0] }
    const url = await listen(createServer(createHTTPHandler(options)))
    assert.equal((await fetch(`${url}/health`)).status, 200)
    const reply = await fetch(`${url}/invoice`, { headers: reader() })
    assert.deepEqual(await reply.json(), { result: { data: { for: 'alice' } } })
    assert.equal((await fetch(`${url}/invoice`, { headers: nobody() })).status, 403)
    const refused = await fetch(`${url}/invoice`)
    assert.deepEqual(
      [refused.status, refused.headers.get('www-authenticate')],
      [401, 'Bearer realm="countersign"'],
    )
  })

  test('graphql: a code beside the data', async () => {
    const { schema, rootValue } = (await load('graphql')) as Pick<
      Parameters<typeof graphql>[0],
      'schema' | 'rootValue'
    >
    const source = '{ health invoice(id: 7) }'
    const ask = (headers: Record<string, string>) =>
      graphql({ schema, rootValue, source, contextValue: { req: new Request('http://x/', { headers }) } })
    assert.deepEqual({ ...(await ask(reader())).data }, { health: 'ok', invoice: '7 for alice' })
    assert.equal((await ask(nobody())).errors?.[0]?.extensions['code'], 'FORBIDDEN')
    assert.equal((await ask({})).errors?.[0]?.extensions['code'], 'UNAUTHENTICATED')
  })

  test('grpc: statuses', async () => {
    const { server, implementation } = (await load('grpc')) as {
      server: grpc.Server
      implementation: grpc.UntypedServiceImplementation
    }
    const service = { Health: jsonMethod('Health'), Read: jsonMethod('Read') }
    server.addService(service, implementation)
    const port = await new Promise<number>((resolve, reject) =>
      server.bindAsync('127.0.0.1:0', grpc.ServerCredentials.createInsecure(), (error, at) =>
        error === null ? resolve(at) : reject(error),
      ),
    )
    const Client = grpc.makeGenericClientConstructor(service, 'Invoices')
    const client = new Client(`127.0.0.1:${port}`, grpc.credentials.createInsecure())
    closing.push(
      () => client.close(),
      () => server.forceShutdown(),
    )
    const call = (method: string, headers: Record<string, string>): Promise<unknown> =>
      new Promise((resolve) => {
        const metadata = new grpc.Metadata()
        for (const [name, value] of Object.entries(headers)) metadata.set(name, value)
        const done = (error: grpc.ServiceError | null, reply: unknown): void =>
          resolve(error === null ? reply : error.code)
        ;(client as unknown as Record<string, (...parameters: unknown[]) => void>)[method]!(
          {},
          metadata,
          done,
        )
      })
    assert.deepEqual(await call('Health', {}), { text: 'ok' })
    assert.deepEqual(await call('Read', reader()), { for: 'alice' })
    assert.equal(await call('Read', nobody()), grpc.status.PERMISSION_DENIED)
    assert.equal(await call('Read', {}), grpc.status.UNAUTHENTICATED)
  })

  test('connect: codes', async () => {
    const { interceptors, implementation } = (await load('connect')) as {
      interceptors: never[]
      implementation: never
    }
    const routes = (router: ConnectRouter): void => void router.service(connectService(), implementation)
    const listener = connectNodeAdapter({ interceptors, routes })
    const url = await listen(createServer(listener as RequestListener))
    const call = async (method: string, headers: Record<string, string>): Promise<unknown> => {
      const reply = await fetch(`${url}/billing.Invoices/${method}`, {
        method: 'POST',
        headers: { ...headers, 'content-type': 'application/json' },
        body: '"7"',
      })
      const answer = (await reply.json()) as { code?: string } | string
      return typeof answer === 'string' ? answer : answer.code
    }
    assert.equal(await call('Health', {}), 'ok')
    assert.equal(await call('Read', reader()), 'alice')
    assert.equal(await call('Read', nobody()), 'permission_denied')
    assert.equal(await call('Read', {}), 'unauthenticated')
  })

  test('mcp: a tool, and where to get a token', async () => {
    const { app } = (await load('mcp')) as { app: RequestListener }
    const url = await listen(createServer(app))
    const call = (headers: Record<string, string>): Promise<Response> =>
      fetch(`${url}/mcp`, {
        method: 'POST',
        headers: {
          ...headers,
          'content-type': 'application/json',
          accept: 'application/json, text/event-stream',
        },
        body: JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name: 'whoami' } }),
      })
    const good = { authorization: issuer.authorization({ clientId: 'shop', scopes: 'mcp:tools' }) }
    assert.match(await (await call(good)).text(), /"text":"shop"/)
    assert.equal((await call(nobody())).status, 403)
    const refused = await call({})
    const place = /resource_metadata="([^"]+)"/.exec(refused.headers.get('www-authenticate')!)![1]!
    const metadata = await fetch(url + new URL(place).pathname)
    const { authorization_servers: issuers } = (await metadata.json()) as { authorization_servers: string[] }
    assert.deepEqual(issuers, [issuer.url])
  })
})

function reader(): Record<string, string> {
  return { authorization: issuer.authorization({ subject: 'alice', roles: 'reader' }) }
}

/** Somebody, but with nothing. */
function nobody(): Record<string, string> {
  return { authorization: issuer.authorization() }
}

/** The code of the page by the file name in its first line. */
function blocks(): { readonly name: string; readonly code: string }[] {
  return [...page.matchAll(/^```ts\n\/\/ ([a-z]+)\.ts\n([\s\S]*?)^```$/gm)].map(([, name, code]) => ({
    name: name!,
    code: code!,
  }))
}

function compile(): void {
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(folder, { recursive: true })
  const all = [...page.matchAll(/^```ts$/gm)].length
  assert.equal(blocks().length, all, 'every block begins with the name of its file')
  for (const { name, code } of blocks()) writeFileSync(join(folder, `${name}.ts`), code)
  writeFileSync(
    join(folder, 'tsconfig.json'),
    JSON.stringify({
      extends: '../../tsconfig.json',
      compilerOptions: {
        noEmit: false,
        outDir: 'out',
        noUnusedParameters: false,
        // For Nest, whose users compile.
        experimentalDecorators: true,
        emitDecoratorMetadata: true,
      },
      include: ['*.ts'],
    }),
  )
  const tsc = join(root, 'node_modules/typescript/bin/tsc')
  const compiled = spawnSync(process.execPath, [tsc, '-p', folder], { encoding: 'utf8' })
  assert.equal(compiled.status, 0, compiled.stdout)
}

async function load(name: string): Promise<unknown> {
  return import(pathToFileURL(join(folder, 'out', `${name}.js`)).href)
}

async function listen(server: Server): Promise<string> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  closing.push(() => server.close())
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

function jsonMethod(name: string) {
  const write = (value: object): Buffer => Buffer.from(JSON.stringify(value))
  const read = (bytes: Buffer): object => JSON.parse(bytes.toString()) as object
  return {
    path: `/billing.Invoices/${name}`,
    requestStream: false,
    responseStream: false,
    requestSerialize: write,
    requestDeserialize: read,
    responseSerialize: write,
    responseDeserialize: read,
  }
}

function connectService() {
  const type = '.google.protobuf.StringValue'
  const file = create(FileDescriptorProtoSchema, {
    name: 'billing.proto',
    package: 'billing',
    syntax: 'proto3',
    dependency: ['google/protobuf/wrappers.proto'],
    service: [
      {
        name: 'Invoices',
        method: ['Health', 'Read'].map((name) => ({ name, inputType: type, outputType: type })),
      },
    ],
  })
  return createFileRegistry(file, () => file_google_protobuf_wrappers).getService('billing.Invoices')!
}
