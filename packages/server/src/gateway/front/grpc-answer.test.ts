import assert from 'node:assert/strict'
import { test } from 'node:test'
import { plainAnswer } from './answer.ts'
import type { ClientReply, ClientRequest } from './client-connection.ts'
import { grpcAnswer } from './grpc-answer.ts'

test('a call of gRPC gets its status in the head, and nothing behind it', () => {
  const response = overHttp2()
  const answer = grpcAnswer(
    plainAnswer(503, false, { 'Retry-After': '1' }),
    asking('application/grpc+proto'),
    response,
  )
  assert.deepEqual(answer, {
    status: 200,
    headers: {
      'Retry-After': '1',
      'Cache-Control': 'no-store',
      'content-type': 'application/grpc',
      'grpc-status': '14',
      'grpc-message': 'Service Unavailable%2C please try again',
    },
    body: '',
  })
  assert.equal(response.trailing?.ended, true)
})

test('all else is left as it is', () => {
  const answer = plainAnswer(503)
  for (const [type, response] of [
    ['application/json', overHttp2()],
    ['application/grpc-web', overHttp2()],
    [undefined, overHttp2()],
    ['application/grpc', {} as ClientReply],
  ] as const) {
    assert.equal(grpcAnswer(answer, asking(type), response), answer)
  }
})

function asking(type: string | undefined): ClientRequest {
  return { headers: { 'content-type': type } } as ClientRequest
}

function overHttp2(): ClientReply {
  return { trailing: { ended: false, wanted: false, lines: [] } } as unknown as ClientReply
}
