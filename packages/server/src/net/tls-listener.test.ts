import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { connect, createServer } from 'node:tls'
import type { TLSSocket } from 'node:tls'
import { silentLog } from '../log.ts'
import { createTlsListener } from './tls-listener.ts'
import { certificateAuthority, certify } from '../../../../test/gateway/certificate.ts'
import type { Certified } from '../../../../test/gateway/certificate.ts'

const folder = mkdtempSync(join(tmpdir(), 'countersign-tls-'))
after(() => rmSync(folder, { recursive: true }))
const [certificateFile, keyFile, authoritiesFile] = ['cert', 'key', 'ca'].map((name) =>
  join(folder, name),
) as [string, string, string]
const authority = certificateAuthority()
const server = certify({ subject: [['CN', 'one']], names: { ip: ['127.0.0.1'] } })

test('the certificate of the files, and another when they change; a bad pair changes nothing', async () => {
  put(server)
  await using running = await start()
  assert.equal(await shownBy(running.port), 'CN=one')
  const other = certify({ subject: [['CN', 'other']] })
  put({ cert: other.cert, key: server.key })
  await settle()
  assert.equal(await shownBy(running.port), 'CN=one')
  put(other)
  await settle()
  assert.equal(await shownBy(running.port), 'CN=other')
  put(certify({ subject: [['CN', 'expired']], untilMs: Date.now() - 1000 }))
  await settle()
  assert.equal(await shownBy(running.port), 'CN=other')
})

test('clients are asked for a certificate only where it is wanted, and nobody is turned away', async () => {
  put(server)
  writeFileSync(authoritiesFile, authority.cert)
  const signed = certify({ subject: [['CN', 'orders']], purpose: 'clientAuth' }, authority)
  const ownSigned = certify({ subject: [['CN', 'orders']] })
  const forServers = certify({ subject: [['CN', 'orders']], purpose: 'serverAuth' }, authority)
  await using running = await start({ authoritiesFile })
  assert.deepEqual(await seen(running, signed), ['CN=orders', true])
  assert.deepEqual(await seen(running, ownSigned), ['CN=orders', false])
  assert.deepEqual(await seen(running, forServers), ['CN=orders', false])
  assert.deepEqual(await seen(running), [undefined, false])
  await using asksNobody = await start()
  assert.deepEqual(await seen(asksNobody, signed), [undefined, false])
})

test('files that are no good: nothing is started', () => {
  put({ cert: server.cert, key: certify({ subject: [['CN', 'x']] }).key })
  assert.throws(() => open(), { code: 'tls-files-unusable' })
  put({ cert: 'no PEM', key: server.key })
  assert.throws(() => open(), { code: 'tls-files-unusable' })
  rmSync(keyFile)
  assert.throws(() => open(), { code: 'tls-files-unusable' })
})

function put({ cert, key }: Certified): void {
  writeFileSync(certificateFile, cert)
  writeFileSync(keyFile, key)
}

function open(clientCertificates?: { readonly authoritiesFile: string }) {
  const tls = { certificateFile, keyFile }
  return createTlsListener({ tls, clientCertificates, where: 'issuer.tls', log: silentLog, lookEveryMs: 10 })
}

async function start(clientCertificates?: { readonly authoritiesFile: string }) {
  const tls = open(clientCertificates)
  const sockets: TLSSocket[] = []
  const listening = createServer(
    tls.options,
    (socket) => void sockets.push(socket.on('error', () => undefined)),
  )
  tls.follow(listening)
  listening.listen(0, '127.0.0.1')
  await once(listening, 'listening')
  return {
    port: (listening.address() as AddressInfo).port,
    sockets,
    [Symbol.asyncDispose]: async () => {
      tls.close()
      for (const socket of sockets) socket.destroy()
      listening.close()
    },
  }
}

async function dial(port: number, certificate?: Certified): Promise<TLSSocket> {
  const socket = connect({ port, host: '127.0.0.1', rejectUnauthorized: false, ...certificate })
  socket.on('error', () => undefined)
  await once(socket, 'secureConnect')
  return socket
}

async function shownBy(port: number): Promise<string | undefined> {
  const socket = await dial(port)
  const subject = socket.getPeerX509Certificate()?.subject
  socket.destroy()
  return subject
}

/** Whom the server takes the client for, and whether an authority has signed that. */
async function seen({ port, sockets }: Awaited<ReturnType<typeof start>>, certificate?: Certified) {
  const socket = await dial(port, certificate)
  while (sockets.length === 0) await new Promise((resolve) => setTimeout(resolve, 2))
  const [accepted] = sockets.splice(0)
  const result = [accepted!.getPeerX509Certificate()?.subject, accepted!.authorized]
  socket.destroy()
  accepted!.destroy()
  return result
}

async function settle(): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, 60))
}
