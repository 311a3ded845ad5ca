import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import * as grpc from '@grpc/grpc-js'
import { authOf } from '../guard/auth-of.ts'
import type { Guard } from '../guard/guard.ts'
import { guardGrpc } from '../guard/grpc.ts'
import { createDpopNonces } from '../jwt/dpop-nonce.ts'
import { createDpopKey, createDpopProof } from '../jwt/dpop-proof.ts'
import type { Requirement } from '../policy/policy.ts'
import { startTestIssuer } from '../testing/loopback-issuer.ts'
import { grpcInterceptor } from './grpc-interceptor.ts'
import { createTokenSource } from './token-source.ts'
import type { TokenSource } from './token-source.ts'

const write = (text: string): Buffer => Buffer.from(text)
const read = (bytes: Buffer): string => bytes.toString()
const serialization = {
  requestSerialize: write,
  requestDeserialize: read,
  responseSerialize: write,
  responseDeserialize: read,
}
const service = {
  Read: { path: '/b.I/Read', requestStream: false, responseStream: false, ...serialization },
  Watch: { path: '/b.I/Watch', requestStream: false, responseStream: true, ...serialization },
} as const
const Client = grpc.makeGenericClientConstructor(service, 'I')
const closing: (() => unknown)[] = []
after(() => {
  for (const close of closing) close()
})

test('a call carries the token, and is made once more when that one is good no longer', async () => {
  await using issuer = await startTestIssuer()
  const source = createTokenSource({ ...issuer.credentials('test-client'), clock: issuer.clock })
  const { client, seen } = await serve(issuer.guard(), source)
  assert.deepEqual(await ask(client, 'hello'), { reply: 'hello to test-client' })
  issuer.revoke({ clientId: 'test-client' })
  issuer.advance(10)
  assert.deepEqual(await ask(client, 'again'), { reply: 'again to test-client' })
  assert.equal(issuer.requests.token, 2)
  assert.deepEqual(seen, ['hello', 'again'])
})

test('nonces that the service asks for are learnt', async () => {
  await using issuer = await startTestIssuer()
  const [nonces, key] = [createDpopNonces(), createDpopKey()]
  const publicUrl = 'https://billing.test'
  const guard = issuer.guard({ senderConstraint: 'required', publicUrl, proofs: { nonces } })
  const accessToken = issuer.token({ clientId: 'orders', claims: { cnf: { jkt: key.thumbprint } } })
  const proven = (nonce?: string) => {
    const proof = { key, method: 'POST', url: `${publicUrl}/b.I/Read`, accessToken }
    const header = createDpopProof(nonce === undefined ? proof : { ...proof, nonce })
    return { Authorization: `DPoP ${accessToken}`, DPoP: header }
  }
  const first = proven()
  const { client, seen } = await serve(guard, {
    headersFor: async () => first,
    headersAgain: async (method, url, sent, { status, headers }) => {
      assert.equal(`${method} ${new URL(url).pathname}`, 'POST /b.I/Read')
      assert.deepEqual([sent, status], [first, 401])
      assert.match(headers.get('www-authenticate')!, /error="use_dpop_nonce"/)
      return proven(headers.get('dpop-nonce')!)
    },
  })
  assert.deepEqual(await ask(client, 'hello'), { reply: 'hello to orders' })
  assert.deepEqual(seen, ['hello'])
})

test('what a second try cannot mend is the caller’s to see, and was sent once', async () => {
  // The clock stands still, so that its token stays brand-new for however long the calls take.
  await using issuer = await startTestIssuer({ nowMs: 1_800_000_000_000 })
  const tries: string[] = []
  const counted = (source: TokenSource): Pick<TokenSource, 'headersFor' | 'headersAgain'> => ({
    headersFor: async (method, url) => {
      tries.push(method)
      return source.headersFor(method, url)
    },
    headersAgain: (...parameters) => source.headersAgain(...parameters),
  })
  const source = createTokenSource({ ...issuer.credentials('test-client'), clock: issuer.clock })
  const forbidding = await serve(issuer.guard(), counted(source), { roles: 'admin' })
  assert.deepEqual(await ask(forbidding.client, 'x'), { code: grpc.status.PERMISSION_DENIED })
  assert.equal(tries.length, 1)
  // A token that is brand-new is not renewed for a service that refuses every one.
  await using another = await startTestIssuer()
  const other = await serve(another.guard(), source)
  assert.deepEqual(await ask(other.client, 'x'), { code: grpc.status.UNAUTHENTICATED })
  assert.equal(issuer.requests.token, 1)
  issuer.fail({ token: 503 })
  const none = createTokenSource({ ...issuer.credentials('test-client') })
  const unable = await serve(issuer.guard(), none)
  assert.deepEqual(await ask(unable.client, 'x'), { code: grpc.status.UNAVAILABLE })
  assert.deepEqual([...forbidding.seen, ...other.seen, ...unable.seen], [])
})

test('a second try for which there is no token leaves the refusal', async () => {
  await using issuer = await startTestIssuer()
  const { client } = await serve(issuer.guard(), {
    headersFor: async () => ({ Authorization: 'Bearer old' }),
    headersAgain: () => Promise.reject(new Error('no token')),
  })
  assert.deepEqual(await ask(client, 'x'), { code: grpc.status.UNAUTHENTICATED })
})

test('a stream carries the token, and is its caller’s to repeat', async () => {
  await using issuer = await startTestIssuer()
  const source = createTokenSource({ ...issuer.credentials('test-client'), clock: issuer.clock })
  const { client } = await serve(issuer.guard(), source)
  assert.deepEqual(await watch(client), ['1', '2'])
  issuer.revoke({ clientId: 'test-client' })
  issuer.advance(10)
  assert.equal(await watch(client), grpc.status.UNAUTHENTICATED)
})

test('a call that is given up while a new token is on its way is not made again', async () => {
  await using issuer = await startTestIssuer()
  let asked = 0
  let give: (() => void) | undefined
  const source = {
    headersFor: async () => ({ Authorization: 'Bearer old' }),
    headersAgain: () => {
      asked++
      return new Promise<Record<string, string>>((resolve) => {
        give = () => resolve({ Authorization: issuer.authorization() })
      })
    },
  }
  const { client, seen } = await serve(issuer.guard(), source)
  const ended = new Promise((resolve) => {
    const call = method(client, 'Read').call(client, 'x', (error: grpc.ServiceError | null) =>
      resolve(error?.code),
    ) as grpc.ClientUnaryCall
    const look = setInterval(() => {
      if (asked === 0) return
      clearInterval(look)
      call.cancel()
    }, 2)
  })
  assert.equal(await ended, grpc.status.CANCELLED)
  give!()
  await new Promise((resolve) => setTimeout(resolve, 20))
  assert.deepEqual([asked, seen], [1, []])
})

test('a call keeps its deadline while a new token is on its way', async () => {
  await using issuer = await startTestIssuer()
  const { client, seen } = await serve(issuer.guard(), {
    headersFor: async () => ({ Authorization: 'Bearer old' }),
    headersAgain: () => new Promise<never>(() => {}),
  })
  const code = await new Promise((resolve) => {
    const deadline = Date.now() + 300
    const done = (error: grpc.ServiceError | null): void => resolve(error?.code)
    method(client, 'Read').call(client, 'x', new grpc.Metadata(), { deadline }, done)
  })
  assert.equal(code, grpc.status.DEADLINE_EXCEEDED)
  assert.deepEqual(seen, [])
})

type Source = Pick<TokenSource, 'headersFor' | 'headersAgain'>

async function serve(guard: Guard, source: Source, requirement: Requirement = 'authenticated') {
  const seen: string[] = []
  const server = new grpc.Server({ interceptors: [guardGrpc(guard, requirement, grpc)] })
  server.addService(service, {
    Read: (call: grpc.ServerUnaryCall<string, string>, done: grpc.sendUnaryData<string>) => {
      seen.push(call.request)
      done(null, `${call.request} to ${authOf(call.metadata).clientId}`)
    },
    Watch: (call: grpc.ServerWritableStream<string, string>) => {
      for (const text of ['1', '2']) call.write(text)
      call.end()
    },
  })
  const port = await bind(server)
  const client = new Client(`127.0.0.1:${port}`, grpc.credentials.createInsecure(), {
    interceptors: [grpcInterceptor(source, grpc)],
  })
  closing.push(
    () => client.close(),
    () => server.forceShutdown(),
  )
  return { client, seen }
}

function bind(server: grpc.Server): Promise<number> {
  return new Promise((resolve, reject) =>
    server.bindAsync('127.0.0.1:0', grpc.ServerCredentials.createInsecure(), (error, at) =>
      error === null ? resolve(at) : reject(error),
    ),
  )
}

function method(client: grpc.Client, name: string): (...parameters: unknown[]) => unknown {
  return (client as unknown as Record<string, (...parameters: unknown[]) => unknown>)[name]!
}

function ask(client: grpc.Client, text: string): Promise<object> {
  return new Promise((resolve) => {
    method(client, 'Read').call(client, text, (error: grpc.ServiceError | null, reply: string) =>
      resolve(error === null ? { reply } : { code: error.code }),
    )
  })
}

function watch(client: grpc.Client): Promise<string[] | number> {
  return new Promise((resolve) => {
    const texts: string[] = []
    const stream = method(client, 'Watch').call(client, 'x') as grpc.ClientReadableStream<string>
    stream.on('data', (text: string) => texts.push(text))
    stream.on('error', (error: grpc.ServiceError) => resolve(error.code))
    stream.on('end', () => resolve(texts))
  })
}
