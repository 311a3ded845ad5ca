import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:tls'
import { test } from 'node:test'
import { dial, isTlsError, standsEvent } from './dial.ts'
import { selfSigned } from '../../../../../test/gateway/certificate.ts'
import { listenOn, openUpstream } from '../../../../../test/gateway/stand.ts'
import { readOrigin } from './upstream-origin.ts'

test('plain where the URL says http', async (t) => {
  const server = await openUpstream()
  t.after(() => server.close())
  const origin = readOrigin(server.url, 'test')
  const socket = dial(origin, 'http/1.1', undefined, 0)
  await once(socket, standsEvent(origin))
  socket.destroy()
})

test('over TLS a certificate of nobody we know is an error of TLS', async (t) => {
  const server = createServer({ ...selfSigned(), ALPNProtocols: ['h2'] })
  server.on('tlsClientError', () => undefined)
  const origin = readOrigin(`https://localhost:${await listenOn(server)}`, 'test')
  t.after(() => server.close())
  const socket = dial(origin, 'h2', undefined, 0)
  const [error] = (await once(socket, 'error')) as [NodeJS.ErrnoException]
  assert.equal(isTlsError(error), true)
})

test('errors of the network are none of TLS', () => {
  for (const code of ['ECONNREFUSED', 'ECONNRESET', 'EAI_AGAIN', 'ENOTFOUND']) {
    assert.equal(isTlsError(Object.assign(new Error(code), { code })), false, code)
  }
})
