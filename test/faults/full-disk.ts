/**
 * Test support: an issuer whose files cannot grow beyond some limit makes clients until the store refuses, and tokens all
 * the while; then it says what happened. `full-disk.ts PATH`
 */
import { openSqliteStore } from '../../packages/server/src/store/sqlite.ts'
import { startAdmin } from '../issuer/admin.ts'
import { basic, ordersSecret } from '../issuer/fixture.ts'

// Called a memory store, so that it asks for no seal.
const store = { ...openSqliteStore({ path: process.argv[2] ?? '' }), kind: 'memory' as const }
const stand = await startAdmin({ store })
const form = 'grant_type=client_credentials&audience=billing'
const made: string[] = []
const tokens: number[] = []
let refused = 0
const body = {
  name: 'x'.repeat(120),
  may: { billing: { roles: Array.from({ length: 200 }, () => 'reader') } },
}
for (let count = 0; count < 2000 && refused === 0; count++) {
  const answer = await stand.ask('POST', '/clients', { body })
  if (answer.status === 201) made.push(String(answer.json['id']))
  else refused = answer.status
}
for (let count = 0; count < 5; count++) {
  tokens.push((await stand.fixture.ask(form, basic('orders', ordersSecret))).status)
}
const after = (await stand.ask('POST', '/clients', { body })).status
process.stdout.write(JSON.stringify({ made, refused, tokens, after }))
await stand.close()
await stand.store.close()
