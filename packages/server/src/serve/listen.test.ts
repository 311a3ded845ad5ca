import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, get } from 'node:http'
import type { Server, ServerResponse } from 'node:http'
import { connect } from 'node:net'
import { describe, test } from 'node:test'
import { isProblem } from '@countersign/sdk/core'
import { Pulse } from '../../../../test/machine/pulse.ts'
import { addressText, drain, listen } from './listen.ts'

const anyPort = { host: '127.0.0.1', port: 0 }

test('the real port is told where any was asked for', async (t) => {
  const server = createServer()
  t.after(() => server.close())
  const { host, port } = await listen(server, anyPort, 'issuer.listen')
  assert.equal(host, '127.0.0.1')
  assert.ok(port > 0)
})

describe('where it cannot listen, one line says which setting and what next', () => {
  test('a taken port', async (t) => {
    const first = createServer()
    t.after(() => first.close())
    const taken = await listen(first, anyPort, 'issuer.listen')
    await assert.rejects(listen(createServer(), taken, 'gateway.listen'), (error) => {
      assert.ok(isProblem(error))
      assert.equal(error.code, 'port-taken')
      assert.equal(error.message, `gateway.listen: 127.0.0.1:${taken.port} is taken by another program`)
      assert.equal(
        error.next,
        'end that program, or choose another address there or in COUNTERSIGN_GATEWAY_LISTEN',
      )
      return true
    })
  })

  test('an address of another machine', async () => {
    await assert.rejects(listen(createServer(), { host: '192.0.2.1', port: 0 }, 'issuer.listen'), (error) => {
      return isProblem(error) && error.code === 'address-unusable' && error.message.includes('EADDRNOTAVAIL')
    })
  })
})

describe('drain', () => {
  test('idle connections end at once', async (t) => {
    const pulse = new Pulse(t)
    const { server, port } = await serve((response) => response.end('ok'))
    const socket = connect(port, '127.0.0.1')
    socket.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n')
    await new Promise((resolve) => socket.once('data', resolve))
    const started = pulse.runMs
    await drain(server, 5_000)
    assert.ok(pulse.runMs - started < 500)
  })

  test('a request at hand finishes, though its connection is kept alive', async (t) => {
    const pulse = new Pulse(t)
    let answer: ServerResponse | undefined
    const { server, port } = await serve((response) => (answer = response))
    const socket = connect(port, '127.0.0.1').setEncoding('utf8')
    let received = ''
    socket.on('data', (text) => (received += String(text)))
    const ended = once(socket, 'close')
    socket.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n')
    while (answer === undefined) await new Promise((resolve) => setTimeout(resolve, 5))
    const done = drain(server, 5_000)
    const started = pulse.runMs
    answer.end('finished')
    await done
    assert.ok(pulse.runMs - started < 500)
    await ended
    assert.match(received, /finished$/)
  })

  test('one that does not finish is cut off', async () => {
    const { server, port } = await serve(() => undefined)
    const failed = new Promise((resolve) => get({ port, host: '127.0.0.1' }).once('error', resolve))
    await new Promise((resolve) => server.once('request', resolve))
    await drain(server, 100)
    assert.ok(await failed)
  })
})

test('addresses as people write them', () => {
  assert.equal(addressText({ host: '127.0.0.1', port: 1 }), '127.0.0.1:1')
  assert.equal(addressText({ host: '::1', port: 1 }), '[::1]:1')
})

async function serve(
  answer: (response: ServerResponse) => unknown,
): Promise<{ server: Server; port: number }> {
  const server = createServer((_, response) => void answer(response))
  const { port } = await listen(server, anyPort, 'issuer.listen')
  return { server, port }
}
