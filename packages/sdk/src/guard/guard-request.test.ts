import assert from 'node:assert/strict'
import { IncomingMessage } from 'node:http'
import { Socket } from 'node:net'
import { test } from 'node:test'
import { fetchGuardRequest, nodeGuardRequest } from './guard-request.ts'

test('a message as it arrived, with the target that routers have changed by now', () => {
  const message = new IncomingMessage(new Socket())
  Object.assign(message, { method: 'GET', url: '/7', rawHeaders: ['Accept', '*/*', 'accept', 'x'] })
  assert.deepEqual(nodeGuardRequest({}, message, '/invoices/7'), {
    method: 'GET',
    target: '/invoices/7',
    rawHeaders: ['Accept', '*/*', 'accept', 'x'],
    peer: message.socket,
  })
  assert.equal(nodeGuardRequest({}, message).target, '/7')
})

test('one request is one object, whoever asks', () => {
  const message = new IncomingMessage(new Socket())
  const [one, other] = [{}, {}]
  assert.equal(nodeGuardRequest(one, message), nodeGuardRequest(one, message))
  assert.notEqual(nodeGuardRequest(one, message), nodeGuardRequest(other, message))
  const request = new Request('http://127.0.0.1/a?b')
  const context = {}
  assert.equal(fetchGuardRequest(context, request), fetchGuardRequest(context, request))
  assert.equal(fetchGuardRequest(context, request).target, '/a?b')
})
