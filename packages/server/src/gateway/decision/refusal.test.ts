import assert from 'node:assert/strict'
import { test } from 'node:test'
import { deny } from '@countersign/sdk/core'
import { refusalAnswer } from './refusal.ts'

const nothing = {
  path: undefined,
  service: undefined,
  route: undefined,
  params: undefined,
  allow: undefined,
  ruled: undefined,
}

test('where no service is known, the gateway’s own realm', () => {
  const { status, headers } = refusalAnswer(deny('token-missing', 'x'), nothing, 'acme', [], 0, undefined)
  assert.deepEqual([status, headers['WWW-Authenticate']], [401, 'Bearer realm="acme"'])
})

test('the methods there are, what the rules add, and JSON for who wants it', () => {
  const asked = { ...nothing, allow: ['GET', 'HEAD'] }
  const reply = { 'Retry-After': '3' }
  const accept = ['Accept', 'application/json']
  const { status, headers, body } = refusalAnswer(
    deny('method-unknown', 'x'),
    asked,
    'acme',
    accept,
    0,
    reply,
  )
  assert.equal(status, 405)
  assert.deepEqual([headers['Allow'], headers['Retry-After']], ['GET, HEAD', '3'])
  assert.equal(JSON.parse(body).title, 'Method Not Allowed')
})
