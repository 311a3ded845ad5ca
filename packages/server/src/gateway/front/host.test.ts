import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readHost } from './host.ts'

test('reads names and addresses, with and without a port', () => {
  const cases: readonly (readonly [value: string, name: string])[] = [
    ['billing.acme.example', 'billing.acme.example'],
    ['Billing.ACME.example', 'billing.acme.example'],
    ['billing.acme.example.', 'billing.acme.example'],
    ['localhost:9001', 'localhost'],
    ['127.0.0.1:80', '127.0.0.1'],
    ['my_service:65535', 'my_service'],
    ['[::1]', '[::1]'],
    ['[2001:DB8::1]:443', '[2001:db8::1]'],
  ]
  for (const [value, name] of cases) assert.deepEqual(readHost(value), { authority: value, name }, value)
})

test('refuses what is no host, or one of two', () => {
  const values = [
    '',
    ':80',
    'a@b',
    'a@b/c?',
    'a/b',
    'a?b',
    'a#b',
    'a b',
    'a,b',
    'a:80:80',
    'a:',
    'a:x',
    'a:-1',
    'a:65536',
    'a:000080',
    'a%2eb',
    'a\\b',
    '.a',
    'a..b',
    '..',
    '[::1',
    '::1',
    '[::1]x',
    '[::1]:',
    '[fe80::1%eth0]',
    '[127.0.0.1]',
    '[]',
    'ä.example',
    `${'a'.repeat(300)}.example`,
    'http://a',
  ]
  for (const value of values) assert.equal(readHost(value), undefined, JSON.stringify(value))
})

test('gives the same object for the same text', () => {
  assert.equal(readHost('same.example'), readHost('same.example'))
})
