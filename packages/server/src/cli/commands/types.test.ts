import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { playSession } from '../../../../../test/cli/session.ts'

const folder = mkdtempSync(join(tmpdir(), 'countersign-types-'))
after(() => rmSync(folder, { recursive: true }))

const shop = `issuer: { url: http://localhost:8080, listen: 127.0.0.1:8080, store: 'memory:' }
services:
  billing:
    audience: https://billing.acme.example
    roles: [reader]
    routes: { 'GET /invoices/{id}': { roles: reader } }
  stock:
    audience: https://stock.acme.example
    routes: { GET /: authenticated }
clients:
  orders: { authenticate: { secret: { env: ORDERS_SECRET } }, may: { billing: { roles: [reader] } } }
`

test('types', async () => {
  writeFileSync(join(folder, 'shop.yaml'), shop)
  writeFileSync(join(folder, 'changed.yaml'), shop.replace('GET /invoices/{id}', 'GET /invoice/{id}'))
  const conditional = shop.replace('{ roles: reader }', '{ roles: reader, when: params.id == claims.id }')
  writeFileSync(join(folder, 'conditional.yaml'), conditional)
  writeFileSync(join(folder, 'own.ts'), '// of my own\n')
  await playSession(join(import.meta.dirname, '../golden/types.txt'), { cwd: folder })
})
