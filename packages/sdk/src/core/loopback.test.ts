import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isLoopbackHost } from './loopback.ts'

for (const [host, expected] of [
  ['localhost', true],
  ['issuer.localhost', true],
  ['127.0.0.1', true],
  ['127.255.255.254', true],
  ['::1', true],
  ['[::1]', true],
  ['localhost.', false],
  ['localhost.example', false],
  ['notlocalhost', false],
  ['127.0.0.1.example', false],
  ['127.evil.example.com', false],
  ['127.0.0.256', false],
  ['128.0.0.1', false],
  ['0.0.0.0', false],
  ['[::]', false],
  ['[::ffff:127.0.0.1]', false],
  ['', false],
] as const) {
  test(`${JSON.stringify(host)} is ${expected ? '' : 'not '}a name of this machine`, () => {
    assert.equal(isLoopbackHost(host), expected)
  })
}
