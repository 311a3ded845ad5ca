import assert from 'node:assert/strict'
import { connect } from 'node:http2'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { credentials, makeGenericClientConstructor } from '@grpc/grpc-js'
import type { ServiceError } from '@grpc/grpc-js'
import { openAuthzStand } from '../../../../../test/gateway/authz-stand.ts'
import type { AuthzStand } from '../../../../../test/gateway/authz-stand.ts'
import { bytesField, fieldsOf, numberField } from './protobuf.ts'
import { overrideNames } from '../upstream/header-names.ts'

test('a client of gRPC gets the decision, the headers, and what to take away', async (t) => {
  const { stand, check } = await open(t)
  const reply = read(await check(inquiry({ authorization: `Bearer ${stand.token()}` })))
  assert.deepEqual(reply.status, 0)
  assert.equal(reply.headers['countersign-subject'], 'orders')
  assert.deepEqual(reply.removed, ['countersign-scopes', 'countersign-actor', ...overrideNames])
})

test('what is refused comes with its status, challenge and text', async (t) => {
  const { check } = await open(t)
  for (const [request, status, code] of [
    [inquiry({}), 401, 16],
    [inquiry({}, { path: '/nowhere' }), 404, 7],
    [inquiry({}, { path: '/billing/x/../health' }), 400, 7],
    [inquiry({}, { host: 'a@b/c' }), 400, 7],
    [Buffer.alloc(0), 400, 7],
  ] as const) {
    const reply = read(await check(request))
    assert.deepEqual([reply.http, reply.status], [status, code])
  }
  const refused = read(await check(inquiry({})))
  assert.equal(refused.headers['www-authenticate'], 'Bearer realm="acme"')
  assert.equal(refused.body, 'No Authorization Token provided')
})

test('two tokens are refused, joined or not, on open routes as well', async (t) => {
  const { stand, check } = await open(t)
  const token = `Bearer ${stand.token()}`
  assert.equal(read(await check(inquiry({ authorization: `${token},${token}` }))).http, 400)
  const raw = Buffer.concat([header(13, token), header(13, token)])
  assert.equal(read(await check(inquiry({}, { path: '/billing/health' }, raw))).http, 400)
  assert.equal(read(await check(inquiry({}, {}, header(13, token)))).status, 0)
})

test('what is no inquiry is an error of gRPC, which Envoy takes for a no', async (t) => {
  const { stand, check } = await open(t)
  await assert.rejects(check(Buffer.from([0x0a, 0xff])), (error: ServiceError) => error.code === 3)
  await assert.rejects(check(Buffer.alloc(1024 * 1024 + 1)), (error: ServiceError) => error.code === 8)
  const other = client(stand, '/envoy.service.auth.v2.Authorization/Check')
  t.after(() => other.close())
  await assert.rejects(other.call(inquiry({})), (error: ServiceError) => error.code === 12)
  const health = client(stand, '/grpc.health.v1.Health/Check')
  t.after(() => health.close())
  assert.equal((await health.call(Buffer.alloc(0))).toString('hex'), '0801')
})

test('what is no gRPC, and who may not ask', async (t) => {
  const { stand } = await open(t)
  const session = connect(`http://127.0.0.1:${stand.authzPort}`)
  t.after(() => session.destroy())
  const stream = session.request({ ':path': '/envoy.service.auth.v3.Authorization/Check' })
  const status = await new Promise((resolve) =>
    stream.on('response', (headers) => resolve(headers[':status'])),
  )
  assert.equal(status, 405)
  const { check } = await open(t, ['10.0.0.0/8'])
  await assert.rejects(check(inquiry({})), (error: ServiceError) => error.code === 14)
})

async function open(t: TestContext, peers: readonly string[] = []) {
  const stand = await openAuthzStand('envoyGrpc', { peers })
  const { call, close } = client(stand, '/envoy.service.auth.v3.Authorization/Check')
  t.after(async () => {
    close()
    await stand.close()
  })
  return { stand, check: call }
}

/** A client made by gRPC's own library, for one method that takes and gives bytes. */
function client({ authzPort }: AuthzStand, path: string) {
  const bytes = (value: Buffer): Buffer => value
  const Client = makeGenericClientConstructor(
    {
      call: {
        path,
        requestStream: false,
        responseStream: false,
        requestSerialize: bytes,
        requestDeserialize: bytes,
        responseSerialize: bytes,
        responseDeserialize: bytes,
      },
    },
    'Authorization',
  )
  const made = new Client(`127.0.0.1:${authzPort}`, credentials.createInsecure())
  return {
    call: (message: Buffer) =>
      new Promise<Buffer>((resolve, reject) => {
        const deadline = { deadline: Date.now() + 60_000 }
        made['call']!(message, deadline, (error: ServiceError | null, reply?: Buffer) =>
          error === null ? resolve(reply!) : reject(error),
        )
      }),
    close: () => made.close(),
  }
}

/** A CheckRequest as Envoy writes it. */
function inquiry(
  headers: Readonly<Record<string, string>>,
  { path = '/billing/invoices/7?page=2', host = 'gateway.test' } = {},
  more: Buffer = Buffer.alloc(0),
): Buffer {
  const all = { ':path': '/billing/health', ':method': 'GET', ...headers }
  const http = Buffer.concat([
    bytesField(1, 'request-1'),
    bytesField(2, 'GET'),
    ...Object.entries(all).map(([name, value]) =>
      bytesField(3, Buffer.concat([bytesField(1, name), bytesField(2, value)])),
    ),
    bytesField(4, path),
    bytesField(5, host),
    numberField(9, 0),
    more,
  ])
  const address = bytesField(1, bytesField(1, bytesField(2, '203.0.113.9')))
  return bytesField(1, Buffer.concat([bytesField(1, address), bytesField(4, bytesField(2, http))]))
}

/** One Authorization header as it is sent with encode_raw_headers. */
function header(number: number, value: string): Buffer {
  return bytesField(
    number,
    bytesField(1, Buffer.concat([bytesField(1, 'authorization'), bytesField(3, value)])),
  )
}

function read(response: Buffer) {
  const status = numberIn(bytesIn(response, 1)[0]!, 1)
  const refused = bytesIn(response, 2)[0]
  const allowed = bytesIn(response, 3)[0]
  const headers: Record<string, string> = {}
  for (const option of bytesIn(refused ?? allowed!, 2)) {
    const [pair] = bytesIn(option, 1)
    assert.equal(numberIn(option, 3), 2)
    headers[bytesIn(pair!, 1)[0]!.toString()] = bytesIn(pair!, 2)[0]!.toString()
  }
  return {
    status,
    headers,
    http: refused && numberIn(bytesIn(refused, 1)[0]!, 1),
    body: refused && bytesIn(refused, 3)[0]!.toString(),
    removed: allowed && bytesIn(allowed, 5).map(String),
  }
}

function bytesIn(message: Buffer, number: number): Buffer[] {
  return [...fieldsOf(message)].flatMap((field) =>
    field.number === number && field.bytes ? [field.bytes] : [],
  )
}

function numberIn(message: Buffer, number: number): number {
  return [...fieldsOf(message)].find((field) => field.number === number)?.value ?? 0
}
