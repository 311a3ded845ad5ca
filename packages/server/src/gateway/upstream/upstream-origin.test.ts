import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readOrigin } from './upstream-origin.ts'

test('reads where an upstream is', () => {
  assert.deepEqual(readOrigin('http://127.0.0.1:9101', 'u'), {
    key: 'http://127.0.0.1:9101',
    tls: false,
    host: '127.0.0.1',
    port: 9101,
    serverName: '',
    authority: '127.0.0.1:9101',
    basePath: '',
  })
  assert.deepEqual(readOrigin('https://Billing.acme.example/api/', 'u'), {
    key: 'https://billing.acme.example:443',
    tls: true,
    host: 'billing.acme.example',
    port: 443,
    serverName: 'billing.acme.example',
    authority: 'billing.acme.example',
    basePath: '/api',
  })
  const six = readOrigin('http://[::1]:80', 'u')
  assert.deepEqual([six.host, six.port, six.authority], ['::1', 80, '[::1]'])
})

test('refuses what is none, naming the place and not the credentials', () => {
  for (const url of [
    'orders:8080',
    'ftp://a',
    '',
    '/path',
    'unix:/run/x',
    'http://a?x',
    'http://a#x',
    'http://a/?',
  ]) {
    assert.throws(() => readOrigin(url, 'services.billing.upstream'), {
      code: 'upstream-invalid',
      message: /^services\.billing\.upstream: /,
    })
  }
  assert.throws(
    () => readOrigin('http://user:hunter2@a', 'u'),
    (problem: Error) => !problem.message.includes('hunter2'),
  )
})
