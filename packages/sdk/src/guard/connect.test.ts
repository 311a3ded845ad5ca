import assert from 'node:assert/strict'
import { createHash, X509Certificate } from 'node:crypto'
import { createSecureServer, createServer } from 'node:http2'
import type { AddressInfo } from 'node:net'
import { after, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { create, createFileRegistry } from '@bufbuild/protobuf'
import type { DescService } from '@bufbuild/protobuf'
import { FileDescriptorProtoSchema, file_google_protobuf_wrappers } from '@bufbuild/protobuf/wkt'
import { Code, ConnectError, createClient, createContextValues } from '@connectrpc/connect'
import type { HandlerContext } from '@connectrpc/connect'
import {
  connectNodeAdapter,
  createConnectTransport,
  createGrpcTransport,
  createGrpcWebTransport,
} from '@connectrpc/connect-node'
import type { ConnectNodeAdapterOptions } from '@connectrpc/connect-node'
import { createDpopKey, createDpopNonces, createDpopProof } from '@countersign/sdk/jwt'
import { createTestIssuer, startTestIssuer } from '@countersign/sdk/testing'
import { selfSigned } from '../../../../test/gateway/certificate.ts'
import type { RequestPeer } from '../policy/client-certificate.ts'
import { createAuthContext } from './auth-context.ts'
import type { AuthContext } from './auth-context.ts'
import { authOf } from './auth-of.ts'
import { authKey, guardConnect, peerKey } from './connect.ts'
import type { Guard } from './guard.ts'
import { readRoutes } from './routes.ts'

/** Compiled by hand, since a compiler for protocol buffers is not at hand: methods from StringValue to StringValue. */
const service = describeService('Invoices', [
  { name: 'Health' },
  { name: 'Read' },
  { name: 'Forgotten' },
  { name: 'Watch', serverStreaming: true },
])
const kindsService = describeService('Kinds', [
  { name: 'Unary' },
  { name: 'Down', serverStreaming: true },
  { name: 'Up', clientStreaming: true },
  { name: 'Both', clientStreaming: true, serverStreaming: true },
])
const issuer = createTestIssuer()
const routes = readRoutes({
  'POST /billing.Invoices/Health': 'open',
  'POST /billing.Invoices/Read': { roles: 'reader', scopes: 'invoices:read' },
  'POST /billing.Invoices/Watch': 'authenticated',
})
let reached = 0
const { port, close } = await serve(issuer.guard({ realm: 'billing' }))
after(close)

const transports = {
  connect: createConnectTransport,
  grpc: createGrpcTransport,
  'grpc-web': createGrpcWebTransport,
}

for (const protocol of Object.keys(transports) as (keyof typeof transports)[]) {
  test(`${protocol}: calls and streams with a good token, and handlers learn who acts`, async () => {
    const authorization = issuer.authorization({ subject: 'alice', roles: 'reader', scopes: 'invoices:read' })
    assert.equal(await read(port, protocol, { authorization }), '7 for alice')
    assert.deepEqual(await watch(port, protocol, { authorization }), ['7 1 alice', '7 2 alice'])
    assert.equal(await call(port, protocol, 'health', {}), 'open')
  })

  for (const [headers, code, message] of [
    [{}, Code.Unauthenticated, 'No Authorization Token provided'],
    [{ authorization: 'Bearer x' }, Code.Unauthenticated, 'Invalid Token'],
    [{ authorization: 'Bearer a, Bearer b' }, Code.InvalidArgument, 'Malformed Authorization'],
    [
      { authorization: issuer.authorization({ roles: 'reader' }) },
      Code.PermissionDenied,
      'Insufficient Scope',
    ],
  ] as const) {
    test(`${protocol}: refused with ${Code[code]}: ${message}`, async () => {
      reached = 0
      await assert.rejects(read(port, protocol, headers), (error: ConnectError) => {
        assert.equal(error.code, code)
        assert.equal(error.rawMessage, message)
        assert.match(error.metadata.get('www-authenticate')!, /^Bearer realm="billing"/)
        return true
      })
      assert.equal(reached, 0)
    })
  }

  test(`${protocol}: a stream without a token, a method without a route`, async () => {
    await assert.rejects(watch(port, protocol, {}), { code: Code.Unauthenticated })
    const authorization = issuer.authorization({ roles: 'reader' })
    await assert.rejects(call(port, protocol, 'forgotten', { authorization }), { code: Code.Unimplemented })
  })
}

test('keys that cannot be had are unavailable', async () => {
  await using remote = await startTestIssuer()
  remote.fail({ keys: 503 })
  const own = await serve(remote.guard())
  await assert.rejects(watch(own.port, 'connect', { authorization: remote.authorization() }), {
    code: Code.Unavailable,
  })
  await own.close()
})

test('a refusal tells the nonce to use, and an answer the next one', async () => {
  const [nonces, key] = [createDpopNonces(), createDpopKey()]
  const still = createTestIssuer({ nowMs: 1_800_000_000_000 })
  const own = await serve(
    still.guard({ senderConstraint: 'required', publicUrl: 'https://billing.test', proofs: { nonces } }),
  )
  const scopes = 'invoices:read'
  const token = still.token({ roles: 'reader', scopes, claims: { cnf: { jkt: key.thumbprint } } })
  const headersWith = (nonce?: string) => {
    const proof = {
      key,
      method: 'POST',
      url: 'https://billing.test/billing.Invoices/Read',
      accessToken: token,
      nowMs: still.clock(),
    }
    const dpop = createDpopProof(nonce === undefined ? proof : { ...proof, nonce })
    return { authorization: `DPoP ${token}`, dpop }
  }
  let nonce = ''
  await assert.rejects(read(own.port, 'connect', headersWith()), (error: ConnectError) => {
    nonce = error.metadata.get('dpop-nonce')!
    return error.code === Code.Unauthenticated
  })
  still.advance(61)
  let next: string | null = ''
  const onHeader = (headers: Headers): void => void (next = headers.get('dpop-nonce'))
  const options = { headers: headersWith(nonce), onHeader }
  await clientOf(own.port, 'connect')['read']!({ value: '7' }, options)
  assert.equal(next, nonces.current(still.clock()))
  await own.close()
})

test('a token that is bound to the client’s certificate (RFC 8705 §3), where the connection is told', async () => {
  const [server, own, stranger] = [selfSigned(), selfSigned(), selfSigned()]
  const x5t = createHash('sha256').update(new X509Certificate(own.cert).raw).digest('base64url')
  const wanted = { roles: 'reader', scopes: 'invoices:read', claims: { cnf: { 'x5t#S256': x5t } } }
  const headers = { authorization: issuer.authorization(wanted) }
  const guard = issuer.guard({ senderConstraint: 'certificate', publicUrl: 'https://billing.test' })
  const told = (req: { socket: object }) => createContextValues().set(peerKey, req.socket as RequestPeer)
  for (const [contextValues, shown, expected] of [
    [told, own, '7 for test-client'],
    [told, stranger, Code.Unauthenticated],
    [told, undefined, Code.Unauthenticated],
    [undefined, own, Code.Unauthenticated],
  ] as const) {
    const listener = connectNodeAdapter({ ...adapterOf(guard), ...(contextValues && { contextValues }) })
    const secure = createSecureServer({ ...server, requestCert: true, rejectUnauthorized: false }, listener)
    await new Promise<void>((resolve) => secure.listen(0, '127.0.0.1', resolve))
    const transport = createConnectTransport({
      baseUrl: `https://127.0.0.1:${(secure.address() as AddressInfo).port}`,
      httpVersion: '2',
      nodeOptions: { rejectUnauthorized: false, ...shown },
      idleConnectionTimeoutMs: 50,
    })
    const client = createClient(service, transport) as unknown as Client
    const reply = client['read']!({ value: '7' }, { headers })
    if (typeof expected === 'string') assert.equal((await reply).value, expected)
    else await assert.rejects(reply, { code: expected })
    await new Promise((resolve) => secure.close(resolve))
  }
})

for (const protocol of Object.keys(transports) as (keyof typeof transports)[]) {
  test(`${protocol}: all four kinds of calls run in the guard’s context, users’ calls interleaved`, async (t) => {
    const context = createAuthContext()
    const own = await serveKinds(issuer.guard({ context }), context)
    t.after(own.close)
    const asked = Array.from(
      { length: 12 },
      (_, at) => [`user-${at % 5}`, kinds[at % kinds.length]!] as const,
    )
    const answers = await Promise.all(
      asked.map(([subject, kind]) => callKind(own.port, protocol, kind, issuer.authorization({ subject }))),
    )
    assert.deepEqual(
      answers,
      asked.map(([subject, kind]) => (kind === 'Unary' || kind === 'Up' ? [subject] : [subject, subject])),
    )
  })
}

test('a stream that ends early cleans up in the context; an open one runs for nobody', async () => {
  const context = createAuthContext()
  const guard = issuer.guard({ context })
  const asked = (header: Headers, contextValues = createContextValues()) => ({
    ...{ url: 'http://127.0.0.1/billing.Invoices/Watch', requestMethod: 'POST', header, contextValues },
    message: streamOf([1]),
  })
  const request = asked(new Headers({ authorization: issuer.authorization({ subject: 'alice' }) }))
  const ended: string[] = []
  const handler = async (given: typeof request) => {
    assert.equal(given.message, request.message, 'what comes in is as it came')
    return { stream: true, header: new Headers(), message: lasting() }
  }
  async function* lasting() {
    try {
      for (;;) yield subjectIn(context)
    } catch {
      yield subjectIn(context)
    } finally {
      ended.push(subjectIn(context))
    }
  }
  for (const end of ['return', 'throw'] as const) {
    const { message } = await guardConnect(guard, 'authenticated', ConnectError)(handler)(request)
    const steps = message[Symbol.asyncIterator]()
    assert.equal((await steps.next()).value, 'alice')
    const last = await steps[end](undefined)
    assert.equal(last.value, end === 'throw' ? 'alice' : undefined)
    if (end === 'throw') await steps.next()
  }
  assert.deepEqual(ended, ['alice', 'alice'])

  // Without the optional steps Connect must not think there are any.
  const { message } = await guardConnect(
    guard,
    'open',
    ConnectError,
  )(async () => ({
    stream: true,
    message: streamOf([() => subjectIn(context)]),
  }))(asked(new Headers()))
  const steps = message[Symbol.asyncIterator]()
  assert.deepEqual([steps.return, steps.throw], [undefined, undefined])
  assert.equal((await steps.next()).value!(), 'auth-missing')
})

test('what cannot be is refused when the service starts', () => {
  assert.throws(() => guardConnect(issuer.guard(), {}, ConnectError), { code: 'policy-invalid' })
  assert.throws(() => guardConnect(issuer.guard(), 'open', undefined as never), { code: 'option-invalid' })
})

const kinds = ['Unary', 'Down', 'Up', 'Both'] as const

/** Handlers that know nothing of their calls, and wait here and there. */
function serveKinds(guard: Guard, context: AuthContext) {
  const who = async () => {
    await delay(Math.random() * 8)
    return { value: subjectIn(context) }
  }
  const implementation = {
    unary: who,
    async *down() {
      yield await who()
      yield await who()
    },
    async up(messages: AsyncIterable<Text>) {
      for await (const _ of messages);
      return who()
    },
    async *both(messages: AsyncIterable<Text>) {
      for await (const _ of messages) yield await who()
    },
  }
  return serve(guard, {
    interceptors: [guardConnect(guard, 'authenticated', ConnectError)],
    routes: (router) => router.service(kindsService, implementation as never),
  })
}

async function callKind(
  at: number,
  protocol: keyof typeof transports,
  kind: (typeof kinds)[number],
  authorization: string,
): Promise<string[]> {
  const client = clientOf(at, protocol, kindsService) as unknown as Record<
    string,
    (given: unknown, options: object) => Promise<Text> | AsyncIterable<Text>
  >
  const sendsMany = kind === 'Up' || kind === 'Both'
  const given = sendsMany ? two() : { value: '' }
  const answer = client[kind.toLowerCase()]!(given, { headers: { authorization } })
  if (answer instanceof Promise) return [(await answer).value]
  const values: string[] = []
  for await (const { value } of answer) values.push(value)
  return values
}

async function* two(): AsyncGenerator<Text> {
  yield { value: '1' }
  yield { value: '2' }
}

function subjectIn(context: AuthContext): string {
  try {
    return String(context.auth().subject)
  } catch (problem) {
    return (problem as { code: string }).code
  }
}

/** An iterable whose iterator has what it must have, and no more. */
function streamOf<Value>(values: readonly Value[]): AsyncIterable<Value> {
  return {
    [Symbol.asyncIterator]() {
      const rest = values[Symbol.iterator]()
      return { next: async () => rest.next() }
    },
  }
}

async function serve(
  guard: Guard,
  adapter: ConnectNodeAdapterOptions = adapterOf(guard),
): Promise<{ port: number; close(): Promise<void> }> {
  const server = createServer(connectNodeAdapter(adapter))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    port: (server.address() as AddressInfo).port,
    close: () => new Promise((resolve) => server.close(() => resolve())),
  }
}

function adapterOf(guard: Guard): Pick<ConnectNodeAdapterOptions, 'interceptors' | 'routes'> {
  const answer = ({ value }: Text, context: HandlerContext): { value: string } => {
    reached++
    assert.equal(context.values.get(authKey), authOf(context.values))
    return { value: `${value} for ${authOf(context.values).subject}` }
  }
  return {
    interceptors: [guardConnect(guard, routes, ConnectError)],
    routes: (router) =>
      router.service(service, {
        health: (_: Text, context: HandlerContext) => ({
          value: context.values.get(authKey) === undefined ? 'open' : 'not open',
        }),
        read: answer,
        forgotten: answer,
        async *watch({ value }: Text, context: HandlerContext) {
          for (const n of [1, 2]) yield { value: `${value} ${n} ${authOf(context.values).subject}` }
        },
      } as never),
  }
}

type Text = { readonly value: string }
type Client = Record<string, (request: Text, options: { headers: Record<string, string> }) => Promise<Text>>

function clientOf(at: number, protocol: keyof typeof transports, described = service): Client {
  const options = { baseUrl: `http://127.0.0.1:${at}`, httpVersion: '2', nodeOptions: {} } as const
  const transport = transports[protocol]({ ...options, idleConnectionTimeoutMs: 50 })
  return createClient(described, transport) as unknown as Client
}

async function call(
  at: number,
  protocol: keyof typeof transports,
  name: string,
  headers: Record<string, string>,
) {
  return (await clientOf(at, protocol)[name]!({ value: '7' }, { headers })).value
}

function read(at: number, protocol: keyof typeof transports, headers: Record<string, string>) {
  return call(at, protocol, 'read', headers)
}

async function watch(at: number, protocol: keyof typeof transports, headers: Record<string, string>) {
  const values: string[] = []
  const stream = clientOf(at, protocol)['watch']!(
    { value: '7' },
    { headers },
  ) as unknown as AsyncIterable<Text>
  for await (const { value } of stream) values.push(value)
  return values
}

type Method = { readonly name: string; readonly serverStreaming?: true; readonly clientStreaming?: true }

function describeService(name: string, methods: readonly Method[]): DescService {
  const type = '.google.protobuf.StringValue'
  const file = create(FileDescriptorProtoSchema, {
    name: 'billing.proto',
    package: 'billing',
    syntax: 'proto3',
    dependency: ['google/protobuf/wrappers.proto'],
    service: [{ name, method: methods.map((method) => ({ ...method, inputType: type, outputType: type })) }],
  })
  return createFileRegistry(file, () => file_google_protobuf_wrappers).getService(`billing.${name}`)!
}
