import assert from 'node:assert/strict'
import { createHash, X509Certificate } from 'node:crypto'
import { createSecureServer, createServer } from 'node:http2'
import type { AddressInfo } from 'node:net'
import { after, test } from 'node:test'
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
import { authOf } from './auth-of.ts'
import { authKey, guardConnect, peerKey } from './connect.ts'
import type { Guard } from './guard.ts'
import { readRoutes } from './routes.ts'

/** Compiled by hand, since a compiler for protocol buffers is not at hand: methods from StringValue to StringValue. */
const service = describeService()
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

test('what cannot be is refused when the service starts', () => {
  assert.throws(() => guardConnect(issuer.guard(), {}, ConnectError), { code: 'policy-invalid' })
  assert.throws(() => guardConnect(issuer.guard(), 'open', undefined as never), { code: 'option-invalid' })
})

async function serve(guard: Guard): Promise<{ port: number; close(): Promise<void> }> {
  const server = createServer(connectNodeAdapter(adapterOf(guard)))
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

function clientOf(at: number, protocol: keyof typeof transports): Client {
  const options = { baseUrl: `http://127.0.0.1:${at}`, httpVersion: '2', nodeOptions: {} } as const
  const transport = transports[protocol]({ ...options, idleConnectionTimeoutMs: 50 })
  return createClient(service, transport) as unknown as Client
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

function describeService(): DescService {
  const type = '.google.protobuf.StringValue'
  const methods = ['Health', 'Read', 'Forgotten', 'Watch'].map((name) => ({
    name,
    inputType: type,
    outputType: type,
    serverStreaming: name === 'Watch',
  }))
  const file = create(FileDescriptorProtoSchema, {
    name: 'billing.proto',
    package: 'billing',
    syntax: 'proto3',
    dependency: ['google/protobuf/wrappers.proto'],
    service: [{ name: 'Invoices', method: methods }],
  })
  return createFileRegistry(file, () => file_google_protobuf_wrappers).getService('billing.Invoices')!
}
