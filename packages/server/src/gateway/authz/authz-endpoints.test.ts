import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect } from 'node:http2'
import { test } from 'node:test'
import { openAuthzStand } from '../../../../../test/gateway/authz-stand.ts'
import { ask, get, RawClient } from '../../../../../test/gateway/stand.ts'

test('without a section there is none', async () => {
  const stand = await openAuthzStand('nginx')
  const { createAuthzEndpoints } = await import('./authz-endpoints.ts')
  assert.deepEqual(createAuthzEndpoints({} as never), [])
  await stand.close()
})

test('a closing gateway says so, answers what is at hand, and lets go of idle proxies', async () => {
  const stand = await openAuthzStand('nginx')
  const idle = new RawClient(stand.authzPort).send(get('/.well-known/countersign/readyz'))
  assert.equal((await idle.reply()).status, 200)
  const closing = stand.gateway.close({ announceMs: 3_000 })
  assert.equal((await ask(stand.authzPort, get('/.well-known/countersign/readyz'))).status, 503)
  await closing
  assert.equal(await idle.end(), '')
  await assert.rejects(ask(stand.authzPort, get('/')))
})

test('connections of HTTP/2 end as well', async () => {
  const stand = await openAuthzStand('envoyGrpc')
  const session = connect(`http://127.0.0.1:${stand.authzPort}`)
  await once(session, 'connect')
  const closed = once(session, 'close')
  await stand.gateway.close()
  await closed
})
