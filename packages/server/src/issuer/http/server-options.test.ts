import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { connect } from 'node:net'
import { test } from 'node:test'
import { issuerServerOptions, protectServer } from './server-options.ts'

test('a server of these options gives up slow senders long before Node’s own five minutes', () => {
  const server = createServer(issuerServerOptions)
  protectServer(server)
  assert.ok(server.headersTimeout <= 10_000)
  assert.ok(server.requestTimeout <= 15_000 && server.requestTimeout >= server.headersTimeout)
  assert.ok(server.keepAliveTimeout > 60_000)
  assert.equal(server.maxHeadersCount, 64)
  assert.ok(server.timeout > 0 && server.timeout <= 60_000, 'a reply that nobody takes')
})

test('slow heads are cut off and leave the rest alone (slowloris)', async () => {
  // The same options with their times divided, so that the test need not wait.
  const server = createServer(
    { ...issuerServerOptions, headersTimeout: 1500, requestTimeout: 2000, connectionsCheckingInterval: 50 },
    (_request, response) => response.end('fine'),
  )
  protectServer(server)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  const slow = Array.from({ length: 20 }, () => connect(port, '127.0.0.1').on('error', () => {}))
  // Listened for from the start: they may be cut off while the quick one is still answered.
  const cutOff = slow.map((socket) => new Promise((resolve) => socket.once('close', resolve).resume()))
  const drip = setInterval(() => slow.forEach((socket) => socket.write('X')), 20)
  for (const socket of slow) socket.write('GET / HTTP/1.1\r\nHost: x\r\nX-Slow: ')
  assert.equal(await (await fetch(`http://127.0.0.1:${port}/`)).text(), 'fine')
  await Promise.all(cutOff)
  clearInterval(drip)
  server.closeAllConnections()
  server.close()
})

test('a request without a host, or with a head beyond the limit, is refused by the server itself', async () => {
  const server = createServer(issuerServerOptions, (_request, response) => response.end('fine'))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  const answer = async (head: string): Promise<string> => {
    const socket = connect(port, '127.0.0.1')
    socket.write(head)
    let received = ''
    for await (const chunk of socket) received += String(chunk)
    return received.slice(0, 12)
  }
  assert.equal(await answer('GET / HTTP/1.1\r\nConnection: close\r\n\r\n'), 'HTTP/1.1 400')
  assert.equal(await answer(`GET / HTTP/1.1\r\nHost: x\r\nX: ${'x'.repeat(17_000)}\r\n\r\n`), 'HTTP/1.1 431')
  server.close()
})
