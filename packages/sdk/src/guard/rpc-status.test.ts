import assert from 'node:assert/strict'
import { test } from 'node:test'
import { status } from '@grpc/grpc-js'
import { Code } from '@connectrpc/connect'
import { rpcStatus } from './rpc-status.ts'

test('each status of a refusal has one of gRPC, and Connect counts as gRPC does', () => {
  const expected = {
    400: [status.INVALID_ARGUMENT, Code.InvalidArgument],
    401: [status.UNAUTHENTICATED, Code.Unauthenticated],
    403: [status.PERMISSION_DENIED, Code.PermissionDenied],
    404: [status.UNIMPLEMENTED, Code.Unimplemented],
    405: [status.UNIMPLEMENTED, Code.Unimplemented],
    503: [status.UNAVAILABLE, Code.Unavailable],
    500: [status.INTERNAL, Code.Internal],
  }
  for (const [http, [grpc, connect]] of Object.entries(expected)) {
    assert.equal(rpcStatus(Number(http)), grpc, http)
    assert.equal(rpcStatus(Number(http)), connect, http)
  }
})
