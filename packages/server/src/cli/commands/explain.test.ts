import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { Secret } from '@countersign/sdk/core'
import { createSigner, readSecretSigningKey } from '@countersign/sdk/jwt'
import { playSession } from '../../../../../test/cli/session.ts'

const folder = mkdtempSync(join(tmpdir(), 'countersign-explain-'))
after(() => rmSync(folder, { recursive: true }))

const secret = 's'.repeat(32)
const signer = createSigner({
  key: readSecretSigningKey(Secret.fromText(secret), { algorithm: 'HS256' }),
  type: 'JWT',
})
const claims = { iss: 'login', aud: 'acme', sub: 'alice', azp: 'web', groups: ['reader'] }

test('explain', async () => {
  writeFileSync(
    join(folder, 'countersign.yaml'),
    `issuer: { url: http://localhost:1, listen: 127.0.0.1:1, store: 'memory:' }
trusted:
  login: { issuer: login, audience: acme, secret: { env: SECRET }, roles: /groups }
services:
  billing:
    audience: https://billing.acme.example
    roles: [reader, admin]
    accepts: [own, login]
    upstream: http://127.0.0.1:9101
    at: /billing
    routes:
      GET /health: open
      GET /invoices/{id}: { roles: reader }
      POST /invoices: { roles: admin, anyOf: [{ scopes: write }, { claims: { /level: { equals: 5 } } }] }
      DELETE /invoices/{id}: { roles: admin, claims: { /tenant: { equals: acme } } }
      GET /accounts/{id}: { roles: reader, when: params.id == claims.azp }
      GET /drafts: { require: { roles: admin }, dangerouslyDryRun: true }
  other:
    audience: other
    upstream: [http://127.0.0.1:9102, http://127.0.0.1:9103]
    at: /other
    routes: { GET /: authenticated }
clients:
  orders: { authenticate: { secret: { env: UNSET } }, may: { billing: { roles: reader } } }
  office: { authenticate: { secret: { env: UNSET } }, may: { billing: { roles: [reader, admin], scopes: write } } }
`,
  )
  const exp = Math.floor(Date.now() / 1000) + 600
  await playSession(join(import.meta.dirname, '../golden/explain.txt'), {
    cwd: folder,
    env: { SECRET: secret, COUNTERSIGN_TOKEN: signer.sign({ ...claims, exp }) },
    input: `Bearer ${signer.sign({ ...claims, exp: 1_700_000_000 })}\n`,
    hide: [[/exp passed \d+ s ago/g, 'exp passed N s ago']],
  })
})
