import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { playSession } from '../../../../../test/cli/session.ts'

const folder = mkdtempSync(join(tmpdir(), 'countersign-export-'))
after(() => rmSync(folder, { recursive: true }))

const trust = `issuer: { url: http://localhost:8080, listen: 127.0.0.1:8080, store: 'memory:' }
gateway:
  listen: 127.0.0.1:9001
  authz: { envoyGrpc: { listen: 127.0.0.1:9002 } }
services:
  billing:
    audience: https://billing.acme.example
    roles: [reader]
    upstream: http://billing.shop.svc.cluster.local:8080
    at: /billing
    claimHeaders: { X-Tenant: tenant }
    token: remove
    routes: { GET /health: open, 'GET /invoices/{id}': { roles: reader } }
`

test('export istio', async () => {
  writeFileSync(join(folder, 'countersign.yaml'), trust)
  writeFileSync(join(folder, 'none.yaml'), trust.replace(/^ {2}authz.*\n/m, ''))
  writeFileSync(
    join(folder, 'anywhere.yaml'),
    trust.replace('127.0.0.1:9002 }', '0.0.0.0:9002, peers: [10.0.0.0/8] }'),
  )
  writeFileSync(
    join(folder, 'cors.yaml'),
    trust.replace('    token:', '    cors: { origins: "*" }\n    token:'),
  )
  await playSession(join(import.meta.dirname, '../golden/export-istio.txt'), { cwd: folder })
})
