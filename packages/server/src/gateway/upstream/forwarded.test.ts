import assert from 'node:assert/strict'
import { Socket } from 'node:net'
import { test } from 'node:test'
import { createTrustedProxies } from '../../net/address.ts'
import { forwardedLines, senderOf } from './forwarded.ts'

const proxies = createTrustedProxies(['10.0.0.0/8'])
const socket = new Socket()
const headers = ['X-Forwarded-For', '6.6.6.6', 'x-forwarded-for', '203.0.113.9', 'X-Forwarded-Proto', 'HTTPS']

test('a client is not heard about who it is', () => {
  const sender = { address: '198.51.100.1', protocol: 'http' }
  assert.deepEqual(senderOf(proxies, { address: '198.51.100.1', socket }, headers), sender)
  assert.deepEqual(senderOf(undefined, { address: '198.51.100.1', socket }, headers), sender)
})

test('a trusted proxy is', () => {
  const client = { address: '10.0.0.1', socket }
  assert.deepEqual(senderOf(proxies, client, headers), { address: '203.0.113.9', protocol: 'https' })
  for (const protocol of ['ftp', 'http,https', '', 'https\r\nX: y']) {
    const sender = senderOf(proxies, client, ['X-Forwarded-Proto', protocol])
    assert.deepEqual(sender, { address: '10.0.0.1', protocol: 'http' }, protocol)
  }
})

test('the lines', () => {
  assert.equal(
    forwardedLines({ address: '203.0.113.9', protocol: 'https' }, 'acme.example'),
    'X-Forwarded-For: 203.0.113.9\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: acme.example\r\n',
  )
  assert.equal(
    forwardedLines({ address: '::1', protocol: 'http' }, undefined),
    'X-Forwarded-For: ::1\r\nX-Forwarded-Proto: http\r\n',
  )
})
