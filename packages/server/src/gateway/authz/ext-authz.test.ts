import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { checkResponse, readCheckRequest } from './ext-authz.ts'
import { bytesField } from './protobuf.ts'

const http = (...fields: Buffer[]): Buffer =>
  bytesField(1, bytesField(4, bytesField(2, Buffer.concat(fields))))

test('the query is part of the path; the fields for query and fragment are not believed', () => {
  const original = readCheckRequest(
    http(
      bytesField(2, 'GET'),
      bytesField(4, '/a?x=1'),
      bytesField(5, 'Api.Acme.example:8443'),
      bytesField(7, 'y=2'),
      bytesField(8, '/../b'),
    ),
    '10.0.0.1',
  )
  assert.ok('target' in original)
  assert.deepEqual(
    [original.target, original.host.name, original.address],
    ['/a?x=1', 'api.acme.example', '10.0.0.1'],
  )
})

test('without a method, a host or a request it is nothing', () => {
  for (const message of [
    Buffer.alloc(0),
    http(bytesField(4, '/a'), bytesField(5, 'a')),
    http(bytesField(2, 'GET'), bytesField(4, '/a')),
  ]) {
    assert.ok('reason' in readCheckRequest(message, 'x'))
  }
})

test('property: noise is refused or no message, and never anything else', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      try {
        readCheckRequest(Buffer.from(bytes), 'x')
      } catch (error) {
        assert.ok(error instanceof RangeError)
      }
    }),
  )
})

test('the bytes of an answer, field by field', () => {
  const identity = new Map([['countersign-subject', 'a']])
  assert.equal(
    checkResponse({ kind: 'allow', identity, absent: ['b'], ...place }).toString('hex'),
    // status {}; ok_response { headers { header { key, value }, append_action: 2 }, headers_to_remove: b }
    `0a00${'1a21'}${'121c'}${'0a18'}${'0a13'}${Buffer.from('countersign-subject').toString('hex')}${'120161'}${'1802'}${'2a0162'}`,
  )
  assert.equal(
    checkResponse({ kind: 'allow', identity: new Map(), absent: [], nextNonce: 'n', ...place }).toString(
      'hex',
    ),
    // ok_response { response_headers_to_add { header { dpop-nonce, n }, append_action: 2 } }
    `0a00${'1a15'}${'3213'}${'0a0f'}${'0a0a'}${Buffer.from('dpop-nonce').toString('hex')}${'12016e'}${'1802'}`,
  )
  const answer = { status: 401, headers: { A: 'b' }, body: 'no' }
  assert.equal(
    checkResponse({ kind: 'refuse', answer }).toString('hex'),
    // status { code: 16 }; denied_response { status { code: 401 }, headers { … }, body }
    `0a020810${'1215'}${'0a03089103'}${'120a'}${'0a06'}${'0a0161'}${'120162'}${'1802'}${'1a026e6f'}`,
  )
})

/** Envoy finds the service by itself. */
const place = { service: 'billing', target: '/' }
