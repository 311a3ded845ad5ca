import assert from 'node:assert/strict'
import { IncomingMessage } from 'node:http'
import { Socket } from 'node:net'
import { test } from 'node:test'
import { fetchGuardRequest, nodeGuardRequest } from './guard-request.ts'

test('a message as it arrived, with the target that routers have changed by now', () => {
  const message = new IncomingMessage(new Socket())
  Object.assign(message, { method: 'GET', url: '/7', rawHeaders: ['Accept', '*/*', 'accept', 'x'] })
  assert.deepEqual(nodeGuardRequest(message, '/invoices/7'), {
    method: 'GET',
    target: '/invoices/7',
    rawHeaders: ['Accept', '*/*', 'accept', 'x'],
    peer: message.socket,
    waited: false,
  })
  const other = Object.assign(new IncomingMessage(new Socket()), { url: '/7' })
  assert.equal(nodeGuardRequest(other).target, '/7')
})

test('one request is one object, whoever asks', () => {
  const [one, other] = [new IncomingMessage(new Socket()), new IncomingMessage(new Socket())]
  assert.equal(nodeGuardRequest(one, '/a'), nodeGuardRequest(one))
  assert.notEqual(nodeGuardRequest(one), nodeGuardRequest(other))
  const request = new Request('http://127.0.0.1/a?b')
  assert.equal(fetchGuardRequest(request), fetchGuardRequest(request))
  assert.equal(fetchGuardRequest(request).target, '/a?b')
})
