import assert from 'node:assert/strict'
import { createHash, X509Certificate } from 'node:crypto'
import { after, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import * as grpc from '@grpc/grpc-js'
import { createTestIssuer, startTestIssuer } from '@countersign/sdk/testing'
import { selfSigned } from '../../../../test/gateway/certificate.ts'
import { createAuthContext } from './auth-context.ts'
import type { AuthContext } from './auth-context.ts'
import { authOf } from './auth-of.ts'
import type { Guard } from './guard.ts'
import { guardGrpc } from './grpc.ts'
import { readRoutes } from './routes.ts'

const clients: grpc.Client[] = []
const service = {
  Health: method('/billing.Invoices/Health'),
  Read: method('/billing.Invoices/Read'),
  Forgotten: method('/billing.Invoices/Forgotten'),
  Watch: method('/billing.Invoices/Watch', true),
}
const kindsService = {
  Unary: method('/billing.Kinds/Unary'),
  Down: method('/billing.Kinds/Down', false, true),
  Up: method('/billing.Kinds/Up', true, false),
  Both: method('/billing.Kinds/Both', true),
}
const issuer = createTestIssuer()
const routes = readRoutes({
  'POST /billing.Invoices/Health': 'open',
  'POST /billing.Invoices/Read': { roles: 'reader', scopes: 'invoices:read' },
  'POST /billing.Invoices/Watch': 'authenticated',
})
let reached: string[] = []
const { port, close } = await serve(issuer.guard({ realm: 'billing' }))
after(close)

test('a unary call with a good token reaches its handler, which learns who acts', async () => {
  const authorization = issuer.authorization({ subject: 'alice', roles: 'reader', scopes: 'invoices:read' })
  assert.deepEqual(await call(port, 'Read', { authorization }), { reply: { id: '7', for: 'alice' } })
})

test('an open method needs nothing', async () => {
  assert.deepEqual(await call(port, 'Health', {}), { reply: { for: null } })
})

test('a stream waits for the guard, and every message arrives', async () => {
  const messages = await watch(port, { authorization: issuer.authorization({ subject: 'bob' }) })
  assert.deepEqual(messages, { replies: ['1 bob', '2 bob', '3 bob'] })
  assert.equal((await watch(port, {})).code, grpc.status.UNAUTHENTICATED)
})

for (const [metadata, code, details, challenge] of [
  [{}, grpc.status.UNAUTHENTICATED, 'No Authorization Token provided', 'Bearer realm="billing"'],
  [
    { authorization: 'Bearer x' },
    grpc.status.UNAUTHENTICATED,
    'Invalid Token',
    'Bearer realm="billing", error="invalid_token", error_description="Invalid Token"',
  ],
  [
    { authorization: 'Bearer' },
    grpc.status.INVALID_ARGUMENT,
    'Malformed Authorization',
    'Bearer realm="billing", error="invalid_request", error_description="Malformed Authorization"',
  ],
  [
    { authorization: issuer.authorization({ roles: 'reader' }) },
    grpc.status.PERMISSION_DENIED,
    'Insufficient Scope',
    'Bearer realm="billing", error="insufficient_scope", error_description="Insufficient Scope", scope="invoices:read"',
  ],
] as const) {
  test(`refused with status ${code}: ${details}`, async () => {
    reached = []
    assert.deepEqual(await call(port, 'Read', metadata), { code, details, challenge })
    assert.deepEqual(reached, [])
  })
}

test('a method that no route names is not there, whoever asks', async () => {
  const authorization = issuer.authorization({ roles: 'reader' })
  assert.equal((await call(port, 'Forgotten', { authorization })).code, grpc.status.UNIMPLEMENTED)
  assert.deepEqual(reached, [])
})

test('keys that are slow make the call wait, keys that cannot be had end it as UNAVAILABLE', async (t) => {
  await using remote = await startTestIssuer()
  const own = await serve(remote.guard())
  t.after(own.close)
  remote.fail({ keys: 503 })
  const authorization = remote.authorization()
  assert.equal((await watch(own.port, { authorization })).code, grpc.status.UNAVAILABLE)
  remote.advance(60)
  remote.fail({ delayMs: 20 })
  assert.equal((await watch(own.port, { authorization })).replies?.length, 3)
})

test('a token that is bound to the client’s certificate (RFC 8705 §3), and one that is bound to another', async (t) => {
  const [server, client, other] = [selfSigned(), selfSigned(), selfSigned()]
  const pair = [{ private_key: Buffer.from(server.key), cert_chain: Buffer.from(server.cert) }]
  const guard = issuer.guard({ senderConstraint: 'required', publicUrl: 'https://billing.test' })
  const own = await serve(guard, grpc.ServerCredentials.createSsl(Buffer.from(client.cert), pair, true))
  t.after(own.close)
  const [authority, key, cert] = [server.cert, client.key, client.cert].map((pem) => Buffer.from(pem))
  const credentials = grpc.credentials.createSsl(authority, key, cert)
  for (const [bound, expected] of [
    [client, undefined],
    [other, grpc.status.UNAUTHENTICATED],
  ] as const) {
    const { raw } = new X509Certificate(bound.cert)
    const cnf = { 'x5t#S256': createHash('sha256').update(raw).digest('base64url') }
    const wanted = { roles: 'reader', scopes: 'invoices:read', claims: { cnf } }
    const metadata = { authorization: issuer.authorization(wanted) }
    assert.equal((await call(own.port, 'Read', metadata, credentials)).code, expected)
  }
})

test('all four kinds of calls run in the guard’s context, users’ calls interleaved', async (t) => {
  const context = createAuthContext()
  const own = await serveKinds(issuer.guard({ context }), context)
  t.after(own.close)
  const users = Array.from({ length: 24 }, (_, at) => [`user-${at % 5}`, kinds[at % kinds.length]!] as const)
  const answers = await Promise.all(
    users.map(([subject, kind]) => callKind(own.port, kind, issuer.authorization({ subject }))),
  )
  assert.deepEqual(
    answers,
    users.map(([subject, kind]) => Array.from({ length: answersOf[kind] }, () => subject)),
  )
})

test('a call waits for its keys in the context too, and an open one runs for nobody', async (t) => {
  await using remote = await startTestIssuer()
  remote.fail({ delayMs: 20 })
  const context = createAuthContext()
  const own = await serveKinds(remote.guard({ context }), context)
  t.after(own.close)
  const alice = remote.authorization({ subject: 'alice' })
  assert.deepEqual(await callKind(own.port, 'Both', alice), ['alice', 'alice', 'alice'])
  const open = await serveKinds(remote.guard({ context }), context, 'open')
  t.after(open.close)
  assert.deepEqual(await callKind(open.port, 'Unary', alice), ['auth-missing'])
})

test('behind an open guard that stands behind another one the earlier caller still acts', async (t) => {
  const context = createAuthContext()
  const [first, second] = [issuer.guard(), issuer.guard({ context })]
  // The first of them is asked first.
  const interceptors = [guardGrpc(first, 'authenticated', grpc), guardGrpc(second, 'open', grpc)]
  const own = await serveKinds(second, context, 'open', interceptors)
  t.after(own.close)
  for (const kind of kinds) {
    const answers = await callKind(own.port, kind, issuer.authorization({ subject: 'alice' }))
    assert.deepEqual([...new Set(answers)], ['alice'])
  }
})

test('what cannot be is refused when the service starts', () => {
  assert.throws(() => guardGrpc(issuer.guard(), {}, grpc), { code: 'policy-invalid' })
})

type Message = Record<string, unknown>

async function serve(
  guard: Guard,
  credentials = grpc.ServerCredentials.createInsecure(),
): ReturnType<typeof listen> {
  const server = new grpc.Server({ interceptors: [guardGrpc(guard, routes, grpc)] })
  const answer: grpc.handleUnaryCall<Message, Message> = ({ metadata, request }, done) => {
    reached.push('unary')
    done(null, { ...request, for: authOf(metadata).subject })
  }
  const stream: grpc.handleBidiStreamingCall<Message, string> = (both) => {
    both.on('data', ({ n }: Message) => both.write(`${n as number} ${authOf(both.metadata).subject}`))
    both.on('end', () => both.end())
  }
  server.addService(service, {
    Health: (_: unknown, done: grpc.sendUnaryData<Message>) => done(null, { for: null }),
    Read: answer,
    Forgotten: answer,
    Watch: stream,
  })
  return listen(server, credentials)
}

async function listen(
  server: grpc.Server,
  credentials: grpc.ServerCredentials,
): Promise<{ port: number; close(): Promise<void> }> {
  const bound = await new Promise<number>((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', credentials, (error, at) =>
      error === null ? resolve(at) : reject(error),
    )
  })
  return {
    port: bound,
    close: async () => {
      for (const client of clients.splice(0)) client.close()
      server.forceShutdown()
    },
  }
}

const answersOf = { Unary: 1, Down: 2, Up: 4, Both: 3 } as const
const kinds = ['Unary', 'Down', 'Up', 'Both'] as const

/** Handlers that know nothing of their calls, and wait here and there. */
function serveKinds(
  guard: Guard,
  context: AuthContext,
  requirement: 'authenticated' | 'open' = 'authenticated',
  interceptors = [guardGrpc(guard, requirement, grpc)],
) {
  const who = (): string => {
    try {
      return String(context.auth().subject)
    } catch (problem) {
      return (problem as { code: string }).code
    }
  }
  const later = async () => {
    await delay(Math.random() * 8)
    return who()
  }
  const implementation: grpc.UntypedServiceImplementation = {
    Unary: ((_, done) => void later().then((subject) => done(null, subject))) as grpc.handleUnaryCall<
      Message,
      string
    >,
    Down: (async (call) => {
      call.write(who())
      call.write(await later())
      call.end()
    }) as grpc.handleServerStreamingCall<Message, string>,
    // Each message is an event, and so is the end.
    Up: ((call, done) => {
      const seen: string[] = [who()]
      call.on('data', () => seen.push(who()))
      call.on('end', () => void later().then((subject) => done(null, [...seen, subject])))
    }) as grpc.handleClientStreamingCall<Message, string[]>,
    Both: ((call) => {
      const written: Promise<boolean>[] = []
      call.write(who())
      call.on('data', () => written.push(later().then((subject) => call.write(subject))))
      call.on('end', () => void Promise.all(written).then(() => call.end()))
    }) as grpc.handleBidiStreamingCall<Message, string>,
  }
  const server = new grpc.Server({ interceptors })
  server.addService(kindsService, implementation)
  return listen(server, grpc.ServerCredentials.createInsecure())
}

function callKind(at: number, kind: (typeof kinds)[number], authorization: string): Promise<string[]> {
  const client = clientOf(at, undefined, kindsService)
  const metadata = metadataOf({ authorization })
  return new Promise((resolve, reject) => {
    const done = (error: Error | null, reply?: string | string[]): void =>
      error === null ? resolve([reply!].flat()) : reject(error)
    const given = kind === 'Unary' || kind === 'Down' ? [{}] : []
    const call = client[kind]!(...given, metadata, done) as grpc.ClientDuplexStream<Message, string>
    if (kind === 'Down' || kind === 'Both') {
      const replies: string[] = []
      call.on('data', (reply: string) => replies.push(reply))
      call.on('error', reject)
      call.on('end', () => resolve(replies))
    }
    if (given.length > 0) return
    for (const n of [1, 2]) call.write({ n })
    call.end()
  })
}

type Outcome = { reply?: Message; code?: number; details?: string; challenge?: unknown }

function call(
  at: number,
  name: string,
  metadata: Record<string, string>,
  credentials?: grpc.ChannelCredentials,
): Promise<Outcome> {
  return new Promise((resolve) => {
    const done = (error: grpc.ServiceError | null, reply?: Message): void =>
      resolve(error === null ? { reply: reply! } : refusalOf(error))
    clientOf(at, credentials)[name]!({ id: '7' }, metadataOf(metadata), done)
  })
}

function watch(at: number, metadata: Record<string, string>): Promise<Outcome & { replies?: string[] }> {
  return new Promise((resolve) => {
    const both = clientOf(at)['Watch']!(metadataOf(metadata)) as unknown as grpc.ClientDuplexStream<
      Message,
      string
    >
    const replies: string[] = []
    both.on('data', (reply: string) => replies.push(reply))
    both.on('error', (error: grpc.ServiceError) => resolve(refusalOf(error)))
    both.on('end', () => resolve({ replies }))
    // All at once and closed, before the guard can have answered.
    for (const n of [1, 2, 3]) both.write({ n })
    both.end()
  })
}

function refusalOf({ code, details, metadata }: grpc.ServiceError): Outcome {
  return { code, details, challenge: metadata.get('www-authenticate')[0] }
}

function metadataOf(entries: Record<string, string>): grpc.Metadata {
  const metadata = new grpc.Metadata()
  for (const [name, value] of Object.entries(entries)) metadata.set(name, value)
  return metadata
}

function method(path: string, requestStream = false, responseStream = requestStream) {
  const write = (value: unknown): Buffer => Buffer.from(JSON.stringify(value))
  const read = (bytes: Buffer): unknown => JSON.parse(bytes.toString())
  return {
    path,
    requestStream,
    responseStream,
    requestSerialize: write,
    requestDeserialize: read,
    responseSerialize: write,
    responseDeserialize: read,
  }
}

type Method = (...parameters: unknown[]) => unknown

function clientOf(
  at: number,
  credentials = grpc.credentials.createInsecure(),
  described: grpc.ServiceDefinition = service,
): Record<string, Method> {
  const Client = grpc.makeGenericClientConstructor(described, 'Invoices')
  const client = new Client(`127.0.0.1:${at}`, credentials, {
    // An address is no server name in TLS (RFC 6066 §3).
    'grpc.ssl_target_name_override': 'localhost',
  })
  clients.push(client)
  return client as unknown as Record<string, Method>
}
