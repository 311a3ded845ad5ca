import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startServers } from '../../packages/server/src/serve/start.ts'
import { readTrust } from '../../packages/server/src/trust/read.ts'
import { freePort } from '../machine/free-port.ts'

export { freePort } from '../machine/free-port.ts'

/** A folder with a trust file, and the issuer it declares, running on a port of its own. */
export type IssuerStand = {
  readonly folder: string
  readonly url: string
  readonly env: Readonly<Record<string, string>>
  close(): Promise<void>
}

export async function openIssuer(): Promise<IssuerStand> {
  const folder = mkdtempSync(join(tmpdir(), 'countersign-issuer-'))
  const port = await freePort()
  const url = `http://localhost:${port}`
  const env = { ORDERS_SECRET: 'orders-secret-orders-secret-orders' }
  const text = `issuer: { url: '${url}', listen: 127.0.0.1:${port}, store: 'memory:' }
services:
  billing:
    audience: https://billing.acme.example
    roles: [reader, admin]
    routes: { GET /invoices: { roles: reader } }
  other:
    audience: https://other.acme.example
    routes: { GET /: authenticated }
  open:
    audience: https://open.acme.example
    accepts: []
    routes: { GET /: open }
clients:
  orders: { authenticate: { secret: { env: ORDERS_SECRET } }, may: { billing: { roles: reader } } }
`
  writeFileSync(join(folder, 'countersign.yaml'), text)
  const reading = readTrust(text, { file: join(folder, 'countersign.yaml'), env, readFile: () => '' })
  const trust = reading.kind === 'trust' ? reading.trust : assert.fail(JSON.stringify(reading.mistakes))
  const servers = await startServers({ trust, drainMs: 200 })
  return {
    folder,
    url,
    env,
    async close() {
      await servers.close()
      rmSync(folder, { recursive: true })
    },
  }
}
