/** Test support: a session with `countersign export PROXY`, on a trust file and on three that the proxy's export refuses. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { playSession } from './session.ts'

/**
 * Plays `golden/export-PROXY.txt` beside `countersign.yaml`, `none.yaml` (no endpoint to ask at), `anywhere.yaml` (one that
 * listens on every address) and `cors.yaml`.
 *
 * @param endpoint the kind of `/authz` endpoint that the proxy asks
 */
export async function playExport(
  t: TestContext,
  proxy: string,
  { endpoint = proxy, upstream = 'http://127.0.0.1:9101' }: { endpoint?: string; upstream?: string } = {},
): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'countersign-export-'))
  t.after(() => rmSync(folder, { recursive: true }))
  const trust = `issuer: { url: http://localhost:8080, listen: 127.0.0.1:8080, store: 'memory:' }
gateway:
  listen: 127.0.0.1:9001
  authz: { ${endpoint}: { listen: 127.0.0.1:9002 } }
services:
  billing:
    audience: https://billing.acme.example
    roles: [reader]
    upstream: ${upstream}
    at: /billing
    claimHeaders: { X-Tenant: tenant }
    token: remove
    routes: { GET /health: open, 'GET /invoices/{id}': { roles: reader } }
`
  const files = {
    'countersign.yaml': trust,
    'none.yaml': trust.replace(/^ {2}authz.*\n/m, ''),
    'anywhere.yaml': trust.replace('127.0.0.1:9002 }', '0.0.0.0:9002, peers: [10.0.0.0/8] }'),
    'cors.yaml': trust.replace('    token:', '    cors: { origins: "*" }\n    token:'),
  }
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text)
  const golden = join(import.meta.dirname, '../../packages/server/src/cli/golden')
  await playSession(join(golden, `export-${proxy}.txt`), { cwd: folder })
}
