import { createServer } from 'node:http'
import type { IncomingMessage, RequestListener } from 'node:http'
import { createServer as createHttp2Server } from 'node:http2'
import { create, createFileRegistry } from '@bufbuild/protobuf'
import { FileDescriptorProtoSchema, file_google_protobuf_wrappers } from '@bufbuild/protobuf/wkt'
import { ConnectError } from '@connectrpc/connect'
import type { HandlerContext } from '@connectrpc/connect'
import { connectNodeAdapter } from '@connectrpc/connect-node'
import * as grpc from '@grpc/grpc-js'
import { initTRPC, TRPCError } from '@trpc/server'
import { createHTTPHandler } from '@trpc/server/adapters/standalone'
import { buildSchema, graphql, GraphQLError } from 'graphql'
import { authKey, guardConnect } from '@countersign/sdk/connect'
import { guardGraphql } from '@countersign/sdk/graphql'
import { authOf, guardGrpc } from '@countersign/sdk/grpc'
import type { Guard } from '@countersign/sdk/guard'
import { readRoutes } from '@countersign/sdk/guard'
import { challengeHeaders, guardTrpc } from '@countersign/sdk/trpc'
import { maxHeaderBytes, requirements, who } from './adapter-contract.ts'
import type { ContractRoute } from './adapter-contract.ts'
import { testCalls } from './call-contract.ts'
import { http2 } from './http2-request.ts'
import { listen, listenHttp2 } from './listen.ts'
import { http1 } from './raw-request.ts'

type Service = { readonly guard: Guard; reached(operation: ContractRoute): void }

const operations = Object.keys(requirements) as ContractRoute[]
const guarded = operations.filter((name) => name !== 'open')
type Guarded = Exclude<ContractRoute, 'open'>
const json = ['content-type', 'application/json']

function serve(wire: typeof http1, listener: unknown) {
  if (wire === http2) return listenHttp2(createHttp2Server(listener as never))
  return listen(createServer({ maxHeaderSize: maxHeaderBytes }, listener as RequestListener))
}

for (const wire of [http1, http2]) {
  testCalls({
    name: 'trpc',
    wire,
    start: ({ guard, reached }) => {
      const needs = guardTrpc(guard, TRPCError)
      const t = initTRPC.context<{ req: IncomingMessage }>().create({ isDev: false })
      const procedures = guarded.map((name) => {
        const need = needs(requirements[name as Guarded])
        return [
          name,
          t.procedure
            .use(async ({ ctx, next }) => next({ ctx: { auth: await need(ctx.req) } }))
            .query(({ ctx }) => {
              reached(name)
              return who(ctx.auth)
            }),
        ] as const
      })
      const open = t.procedure.query(() => 'open')
      const router = t.router({ open, ...Object.fromEntries(procedures) })
      const handler = createHTTPHandler({
        router,
        createContext: ({ req }) => ({ req: req as IncomingMessage }),
        responseMeta: ({ errors }) => ({ headers: challengeHeaders(errors) }),
      })
      return serve(wire, handler)
    },
    request: (operation, headers) => ({ target: `/${operation}`, headers }),
    read: ({ status, body }) => {
      const { error, result } = JSON.parse(body) as {
        error?: { message: string }
        result?: { data: unknown }
      }
      return { status, text: error?.message ?? textOf(result?.data) }
    },
  })

  testCalls({
    name: 'graphql',
    wire,
    start: ({ guard, reached }) => {
      const needs = guardGraphql(guard, GraphQLError)
      const schema = buildSchema(`type Query { ${operations.map((name) => `${name}: String`).join(' ')} }`)
      const fields = guarded.map((name) => {
        const need = needs(requirements[name as Guarded])
        const resolve = async (_: unknown, { req }: { req: IncomingMessage }): Promise<string> => {
          const auth = await need(req)
          reached(name)
          return JSON.stringify(who(auth))
        }
        return [name, resolve] as const
      })
      const rootValue = { open: () => 'open', ...Object.fromEntries(fields) }
      return serve(wire, (async (req, res) => {
        const chunks: Buffer[] = []
        for await (const chunk of req) chunks.push(chunk as Buffer)
        const { query } = JSON.parse(Buffer.concat(chunks).toString()) as { query: string }
        const result = await graphql({ schema, rootValue, source: query, contextValue: { req } })
        for (const [name, value] of Object.entries(needs.answerHeaders(req))) res.setHeader(name, value)
        res.end(JSON.stringify(result))
      }) as RequestListener)
    },
    request: (operation, headers) => ({
      method: 'POST',
      headers,
      body: JSON.stringify({ query: `{ ${operation} }` }),
    }),
    read: ({ body }) => {
      const { data, errors } = JSON.parse(body) as {
        data?: Record<string, string>
        errors?: { message: string; extensions: { code: string } }[]
      }
      const [error] = errors ?? []
      if (error === undefined) return { status: 200, text: Object.values(data!)[0]! }
      return { status: graphqlStatuses[error.extensions.code] ?? 500, text: error.message }
    },
  })

  testCalls({
    name: 'connect',
    wire,
    isParsed: true,
    start: ({ guard, reached }) => {
      const answer = (name: ContractRoute) => (_: unknown, context: HandlerContext) => {
        if (name === 'open') return { value: 'open' }
        reached(name)
        return { value: JSON.stringify(who(context.values.get(authKey))) }
      }
      const implementation = Object.fromEntries(operations.map((name) => [name, answer(name)]))
      const interceptors = [guardConnect(guard, routes, ConnectError)]
      const listener = connectNodeAdapter({
        interceptors,
        routes: (router) => router.service(connectService(), implementation as never),
      })
      return serve(wire, listener)
    },
    request: (operation, headers) => ({
      method: 'POST',
      target: `/contract.Calls/${operation}`,
      headers: [...headers, ...json],
      body: '""',
    }),
    read: ({ status, body }) => {
      const answer = JSON.parse(body) as string | { code: string; message: string }
      if (typeof answer === 'string') return { status, text: answer }
      return { status: connectStatuses[answer.code] ?? status, text: answer.message }
    },
  })
}

testCalls({
  name: 'grpc',
  wire: http2,
  isParsed: true,
  start: (service) => serveGrpc(service),
  request: (operation, headers) => ({
    method: 'POST',
    target: `/contract.Calls/${operation}`,
    headers: [...headers, 'content-type', 'application/grpc', 'te', 'trailers'],
    // One message of one byte, not compressed.
    body: Buffer.from([0, 0, 0, 0, 1, 0x78]),
  }),
  read: ({ headers, body }) => {
    const code = Number(headers['grpc-status'])
    if (code === 0) return { status: 200, text: body.slice(5) }
    return { status: grpcStatuses[code] ?? 500, text: decodeURIComponent(headers['grpc-message'] ?? '') }
  },
})

async function serveGrpc({ guard, reached }: Service) {
  const server = new grpc.Server({
    interceptors: [guardGrpc(guard, routes, grpc)],
    'grpc.max_metadata_size': 64 * 1024,
  } as grpc.ServerOptions)
  const definition = Object.fromEntries(
    operations.map((name) => {
      const write = (text: string): Buffer => Buffer.from(text)
      const read = (bytes: Buffer): string => bytes.toString()
      return [
        name,
        {
          path: `/contract.Calls/${name}`,
          requestStream: false as const,
          responseStream: false as const,
          requestSerialize: write,
          requestDeserialize: read,
          responseSerialize: write,
          responseDeserialize: read,
        },
      ]
    }),
  )
  const answer =
    (name: ContractRoute) =>
    (call: grpc.ServerUnaryCall<string, string>, done: grpc.sendUnaryData<string>): void => {
      if (name === 'open') return done(null, 'open')
      reached(name)
      done(null, JSON.stringify(who(authOf(call.metadata))))
    }
  server.addService(definition, Object.fromEntries(operations.map((name) => [name, answer(name)])))
  const port = await new Promise<number>((resolve, reject) =>
    server.bindAsync('127.0.0.1:0', grpc.ServerCredentials.createInsecure(), (error, at) =>
      error === null ? resolve(at) : reject(error),
    ),
  )
  return { port, close: async () => server.forceShutdown() }
}

function connectService() {
  const type = '.google.protobuf.StringValue'
  const file = create(FileDescriptorProtoSchema, {
    name: 'contract.proto',
    package: 'contract',
    syntax: 'proto3',
    dependency: ['google/protobuf/wrappers.proto'],
    service: [
      {
        name: 'Calls',
        method: operations.map((name) => ({ name, inputType: type, outputType: type })),
      },
    ],
  })
  return createFileRegistry(file, () => file_google_protobuf_wrappers).getService('contract.Calls')!
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value)
}

const routes = readRoutes(
  Object.fromEntries(operations.map((name) => [`POST /contract.Calls/${name}`, requirements[name]])),
)
const graphqlStatuses: Readonly<Record<string, number>> = {
  BAD_REQUEST: 400,
  UNAUTHENTICATED: 401,
  FORBIDDEN: 403,
  SERVICE_UNAVAILABLE: 503,
}
const connectStatuses: Readonly<Record<string, number>> = {
  invalid_argument: 400,
  unauthenticated: 401,
  permission_denied: 403,
  unavailable: 503,
}
const grpcStatuses: Readonly<Record<number, number>> = { 3: 400, 16: 401, 7: 403, 14: 503 }
