import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import * as grpc from '@grpc/grpc-js'
import { guardGrpc } from '../guard/grpc.ts'
import { authOf } from '../guard/auth-of.ts'
import { startTestIssuer } from '../testing/loopback-issuer.ts'
import type { StartedTestIssuer } from '../testing/loopback-issuer.ts'
import { grpcCredentials } from './grpc.ts'
import { createTokenSource } from './token-source.ts'
import type { TokenSource } from './token-source.ts'

const write = (value: object): Buffer => Buffer.from(JSON.stringify(value))
const read = (bytes: Buffer): object => JSON.parse(bytes.toString()) as object
const service = {
  Read: {
    path: '/billing.Invoices/Read',
    requestStream: false as const,
    responseStream: false as const,
    requestSerialize: write,
    requestDeserialize: read,
    responseSerialize: write,
    responseDeserialize: read,
  },
}
const Client = grpc.makeGenericClientConstructor(service, 'Invoices')
const folder = mkdtempSync(join(tmpdir(), 'countersign-grpc-'))
const closing: (() => unknown)[] = [() => rmSync(folder, { recursive: true })]
let issuer: StartedTestIssuer
let port: number
let certificate: Buffer

before(async () => {
  issuer = await startTestIssuer({
    clients: { orders: { secret: 'orders-secret', roles: ['reader'] }, idle: 'idle' },
  })
  closing.push(() => issuer.close())
  const [key, cert] = [join(folder, 'key.pem'), join(folder, 'cert.pem')]
  const subject = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost']
  const kind = ['-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '1']
  execFileSync('openssl', ['req', ...kind, ...subject, '-keyout', key, '-out', cert], { stdio: 'ignore' })
  certificate = readFileSync(cert)
  const server = new grpc.Server({ interceptors: [guardGrpc(issuer.guard(), { roles: 'reader' }, grpc)] })
  server.addService(service, {
    Read: (call: grpc.ServerUnaryCall<object, object>, done: grpc.sendUnaryData<object>) =>
      done(null, { for: authOf(call.metadata).subject }),
  })
  const tls = grpc.ServerCredentials.createSsl(null, [
    { private_key: readFileSync(key), cert_chain: certificate },
  ])
  port = await new Promise<number>((resolve, reject) =>
    server.bindAsync('127.0.0.1:0', tls, (error, at) => (error === null ? resolve(at) : reject(error))),
  )
  closing.push(() => server.forceShutdown())
})
after(async () => {
  for (const close of closing) await close()
})

test('composed with TLS, each call carries a token', async () => {
  assert.deepEqual(await call('orders'), { for: 'orders' })
})

test('what a proof is for: the call’s own URL, as grpc-js knows it, without the port', async () => {
  const asked: string[] = []
  const headersFor = async (method: string, url: string) => {
    asked.push(`${method} ${url}`)
    return { Authorization: issuer.authorization({ roles: 'reader', clientId: 'x' }) }
  }
  assert.deepEqual(await callBy({ headersFor }), { for: 'x' })
  assert.deepEqual(asked, ['POST https://localhost/billing.Invoices/Read'])
})

test('what is missing is a status, and so is a token that cannot be had', async () => {
  assert.equal(await call('idle'), grpc.status.PERMISSION_DENIED)
  assert.equal(await call('orders', 'wrong'), grpc.status.UNAUTHENTICATED)
  issuer.fail({ token: 503 })
  assert.equal(await call('orders'), grpc.status.UNAVAILABLE)
  issuer.recover()
})

test('a deadline and a cancellation end the wait for a token', async () => {
  const source = { headersFor: () => new Promise<never>(() => {}) }
  assert.equal(await callBy(source, { deadline: Date.now() + 50 }), grpc.status.DEADLINE_EXCEEDED)
  const ended = callBy(source, {}, (call) => setTimeout(() => call.cancel(), 50))
  assert.equal(await ended, grpc.status.CANCELLED)
})

function call(clientId: string, clientSecret?: string): Promise<unknown> {
  const credentials = issuer.credentials(clientId)
  const source = createTokenSource(
    clientSecret === undefined ? credentials : { ...credentials, clientSecret },
  )
  return callBy(source)
}

function callBy(
  source: Pick<TokenSource, 'headersFor'>,
  options: grpc.CallOptions = {},
  then: (call: grpc.ClientUnaryCall) => unknown = () => {},
): Promise<unknown> {
  const channel = grpc.credentials.combineChannelCredentials(
    grpc.credentials.createSsl(certificate),
    grpcCredentials(source, grpc),
  )
  const client = new Client(`localhost:${port}`, channel, {
    'grpc.ssl_target_name_override': 'localhost',
  })
  return new Promise((resolve) => {
    const read = (client as unknown as Record<string, (...parameters: unknown[]) => grpc.ClientUnaryCall>)[
      'Read'
    ]!
    const done = (error: grpc.ServiceError | null, reply: unknown): void => {
      client.close()
      resolve(error === null ? reply : error.code)
    }
    then(read.call(client, {}, new grpc.Metadata(), options, done))
  })
}
