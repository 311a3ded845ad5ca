import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { playSession } from '../../../../../test/cli/session.ts'

const folder = mkdtempSync(join(tmpdir(), 'countersign-check-'))
after(() => rmSync(folder, { recursive: true }))

const good = `issuer: { url: http://localhost:8080, listen: 127.0.0.1:8080, store: 'memory:' }
gateway: { listen: 127.0.0.1:9001 }
trusted:
  login: { issuer: https://login.acme.example, audience: acme, algorithms: [RS256] }
services:
  billing:
    audience: https://billing.acme.example
    roles: [reader]
    accepts: [own, login]
    upstream: http://127.0.0.1:9101
    at: /billing
    routes: { GET /health: open, 'GET /invoices/{id}': { roles: reader } }
clients:
  orders: { authenticate: { secret: { env: ORDERS_SECRET } }, may: { billing: { roles: [reader] } } }
  idle: { authenticate: { secret: { env: ORDERS_SECRET } } }
`
const files: Record<string, string> = {
  'mistaken.yaml':
    'gateway: { lsten: 127.0.0.1:9001 }\nservices: { a: { audience: a, routes: { GET x: open } } }\n',
  'good.yaml': good,
  'good.env': `ORDERS_SECRET=${'o'.repeat(32)}\n`,
  'warned.yaml': 'gateway: { listen: 127.0.0.1:9001 }\nservices: { a: { audience: a } }\n',
  'unsafe.yaml':
    "issuer: { url: http://localhost:8080, listen: 127.0.0.1:8080, store: 'memory:', keys: { rotateEvery: 10m }, tokens: { lifetime: 1d } }\n",
}

test('check', async () => {
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text)
  await playSession(join(import.meta.dirname, '../golden/check.txt'), {
    cwd: folder,
    env: { COUNTERSIGN_GATEWAY_LISTN: 'x' },
  })
})
