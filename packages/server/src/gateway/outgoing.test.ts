import assert from 'node:assert/strict'
import { Socket } from 'node:net'
import { test } from 'node:test'
import type { ReadyService } from './decision/routes.ts'
import { ClientConnection } from './front/client-connection.ts'
import type { ClientRequest } from './front/client-connection.ts'
import { readLimits } from './front/limits.ts'
import { gateRequest } from './front/request-gate.ts'
import { outgoingFields, tokenSender } from './outgoing.ts'
import type { OutgoingCall } from './outgoing.ts'

const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'

test('what the client may say, then what only we may say', () => {
  const lines = fieldsFor(
    ['Accept', 'text/plain', 'Countersign-Subject', 'admin', 'X-Forwarded-For', '10.0.0.1'],
    'Countersign-Subject: orders\r\n',
  )
  assert.deepEqual(lines, [
    'Accept: text/plain',
    'X-Forwarded-For: unknown',
    'X-Forwarded-Proto: http',
    'X-Forwarded-Host: gateway.test',
    'Via: 1.1 countersign-test',
    'Countersign-Subject: orders',
  ])
})

test('a trace goes on if it is well formed', () => {
  assert.ok(fieldsFor(['traceparent', traceparent], '').includes(`traceparent: ${traceparent}`))
  assert.doesNotMatch(fieldsFor(['traceparent', 'nonsense'], '').join(), /traceparent/i)
})

test('what trusted proxies write down about certificates is never passed on', () => {
  const sent = ['X-Seen-Certificate', 'AAAA', 'Accept', '*/*']
  assert.match(fieldsFor(sent, '').join(), /X-Seen-Certificate/)
  assert.doesNotMatch(
    fieldsFor(sent, '', { certificateHeader: 'x-seen-certificate' }).join(),
    /X-Seen-Certificate/,
  )
})

test('nobody asks who sends a token where none is bound', () => {
  const gated = gateRequest(requestOf([]))
  assert.ok(gated.kind === 'request')
  const client = connection()
  assert.equal(tokenSender({ service: plain, client }, gated), undefined)
  const bound = { ...plain, senderCheck: {} as NonNullable<ReadyService['senderCheck']> }
  const sender = tokenSender({ service: bound, client }, gated)
  assert.deepEqual([sender?.method, sender?.target], ['GET', '/billing/health'])
})

const plain = { passing: undefined, senderCheck: undefined } as unknown as ReadyService

function fieldsFor(
  headers: readonly string[],
  identity: string,
  gateway: Partial<OutgoingCall['gateway']> = {},
): string[] {
  const request = requestOf(headers)
  const gated = gateRequest(request)
  assert.ok(gated.kind === 'request')
  const call: OutgoingCall = {
    gateway: { certificateHeader: undefined, proxies: undefined, viaName: 'countersign-test', ...gateway },
    client: connection(),
    request,
    service: plain,
    span: undefined,
    token: undefined,
  }
  return outgoingFields(call, gated, identity)
    .split('\r\n')
    .filter((line) => line !== '')
}

function connection(): ClientConnection {
  return new ClientConnection(new Socket(), readLimits())
}

function requestOf(headers: readonly string[]): ClientRequest {
  const rawHeaders = ['Host', 'gateway.test', ...headers]
  return {
    method: 'GET',
    url: '/billing/health',
    httpVersionMajor: 1,
    httpVersionMinor: 1,
    rawHeaders,
    headers: {},
  } as unknown as ClientRequest
}
