import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:https'
import type { IncomingMessage } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import type { TLSSocket } from 'node:tls'
import { selfSigned } from '../gateway/certificate.ts'
import { ask, get, listenOn, openStand, poolOf } from '../gateway/stand.ts'
import type { Stand } from '../gateway/stand.ts'
import type { Log } from '../../packages/server/src/log.ts'

test('a target that asks who we are is shown our certificate, and one of our authorities is believed', async (t) => {
  const { stand } = await open(t)
  const reply = await ask(stand.port, get('/billing/health'))
  assert.deepEqual([reply.status, reply.body], [200, 'for countersign test'])
})

const refusals: Readonly<Record<string, Partial<Opening> & { readonly failure?: string }>> = {
  'a certificate of nobody we believe': { caOfStranger: true },
  'a certificate for another name': { serverName: 'other.internal' },
  // Node's servers end the handshake first, and then close without a word.
  'a target that does not take our certificate': { ourCertificateIsUnknown: true, failure: 'closed' },
  'a target that asks for a certificate when we have none': { withoutCertificate: true },
}
for (const [what, { failure = 'tls-failed', ...opening }] of Object.entries(refusals)) {
  test(`${what}: 502, an allowed decision, and a line in the log`, async (t) => {
    const { stand, lines } = await open(t, opening)
    const reply = await ask(stand.port, get('/billing/health'))
    assert.equal(reply.status, 502)
    assert.ok(!reply.body.includes('certificate'), 'the client is not told more')
    assert.deepEqual(
      stand.decisions.map(({ outcome, service, route }) => [outcome, service, route]),
      [['allow', 'billing', 'GET /health']],
    )
    assert.deepEqual(lines, [`upstream failed ${failure}`])
  })
}

type Opening = {
  readonly caOfStranger: boolean
  readonly serverName: string
  readonly ourCertificateIsUnknown: boolean
  readonly withoutCertificate: boolean
}

async function open(
  t: TestContext,
  opening: Partial<Opening> = {},
): Promise<{ stand: Stand; lines: string[] }> {
  const folder = mkdtempSync(join(tmpdir(), 'countersign-'))
  const write = (name: string, text: string): string => {
    writeFileSync(join(folder, name), text)
    return join(folder, name)
  }
  const theirs = selfSigned()
  const ours = selfSigned()
  const server = createServer(
    {
      ...theirs,
      requestCert: true,
      ca: [opening.ourCertificateIsUnknown === true ? selfSigned().cert : ours.cert],
    },
    (request: IncomingMessage, response) => {
      response.end(`for ${(request.socket as TLSSocket).getPeerCertificate().subject.CN as string}`)
    },
  )
  server.on('tlsClientError', () => undefined)
  const url = `https://127.0.0.1:${await listenOn(server)}`
  const lines: string[] = []
  const log: Log = {
    debug: () => undefined,
    info: () => undefined,
    warn: (event, fields) => void lines.push(`${event} ${String(fields?.['failure'])}`),
    error: (event) => void lines.push(event),
  }
  const bare = opening.withoutCertificate === true
  const stand = await openStand(url, {
    gateway: { log },
    service: poolOf([url], {
      tls: {
        caFile: write('ca.pem', opening.caOfStranger === true ? selfSigned().cert : theirs.cert),
        certificateFile: bare ? undefined : write('cert.pem', ours.cert),
        keyFile: bare ? undefined : write('key.pem', ours.key),
        serverName: opening.serverName,
      },
    }),
  })
  t.after(async () => {
    await stand.close()
    server.closeAllConnections()
    server.close()
    rmSync(folder, { recursive: true })
  })
  return { stand, lines }
}
