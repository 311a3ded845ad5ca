import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { after, test } from 'node:test'
import { Secret } from '@countersign/sdk/core'
import { generateSigningKey, publicJwk } from '@countersign/sdk/jwt'
import type { Log } from '../../log.ts'
import { silentLog } from '../../log.ts'
import type { TrustedIssuer } from '../../trust/trust.ts'
import { createRemoteKeys } from './remote-keys.ts'

const key = generateSigningKey('ES256')
let fails = false
const server = createServer((request, response) => {
  const { port } = server.address() as AddressInfo
  const origin = `http://127.0.0.1:${port}`
  const document =
    request.url === '/jwks.json'
      ? { keys: [publicJwk(key)] }
      : { issuer: origin, jwks_uri: `${origin}/jwks.json` }
  response.writeHead(fails ? 500 : 200, { 'Content-Type': 'application/json' })
  response.end(JSON.stringify(document))
})
await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
after(() => server.close())
const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
const nowMs = 1_800_000_000_000
const clock = (): number => nowMs

test('one set for what means the same, another for anything else', () => {
  const keys = createRemoteKeys({ clock, log: silentLog })
  const source = { url: `${origin}/jwks.json`, algorithms: ['ES256'] as const }
  assert.equal(keys.at('a', source), keys.at('a', { ...source }))
  assert.notEqual(keys.at('a', source), keys.at('b', source))
  assert.notEqual(keys.at('a', source), keys.at('a', { ...source, algorithms: ['ES384'] }))
  assert.notEqual(keys.at('a', source), keys.at('a', { ...source, url: `${origin}/other.json` }))
})

test('a thousand sets are kept, and the one used longest ago goes first', () => {
  const keys = createRemoteKeys({ clock, log: silentLog })
  const at = (owner: string) => keys.at(owner, { url: `${origin}/jwks.json`, algorithms: ['ES256'] })
  const [used, unused] = [at('used'), at('unused')]
  for (let index = 0; index < 998; index++) at(`client-${index}`)
  assert.equal(at('used'), used)
  at('one more')
  assert.equal(at('used'), used)
  assert.notEqual(at('unused'), unused)
})

test('keys are found at their URL and by discovery', async () => {
  const keys = createRemoteKeys({ clock, log: silentLog })
  for (const [owner, url] of [
    ['client', `${origin}/jwks.json`],
    [origin, undefined],
  ] as const) {
    const keySet = keys.at(owner, { url, algorithms: ['ES256'] })
    assert.equal(keySet.find(key.keyId, 'ES256', nowMs), 'fetch')
    await keySet.load(nowMs)
    assert.equal(typeof keySet.find(key.keyId, 'ES256', nowMs), 'object')
  }
})

test('the keys of a trusted issuer are those its section says', async () => {
  const keys = createRemoteKeys({ clock, log: silentLog })
  const trusted: TrustedIssuer = {
    name: 'login',
    issuer: origin,
    audience: 'x',
    algorithms: ['ES256'],
    type: 'at+jwt',
    keys: { kind: 'discovery' },
    roles: undefined,
  }
  const url = `${origin}/jwks.json`
  for (const source of [trusted, { ...trusted, keys: { kind: 'jwks', url } } as const]) {
    const keySet = keys.ofTrusted(source)
    assert.equal(keys.ofTrusted({ ...source }), keySet)
    await keySet.load(nowMs)
    assert.equal(typeof keySet.find(key.keyId, 'ES256', nowMs), 'object')
  }
  const secret = Secret.fromText('s'.repeat(32))
  const shared = keys.ofTrusted({
    ...trusted,
    algorithms: ['HS256'],
    keys: { kind: 'secret', secret, dangerouslyShort: false },
  })
  assert.equal(typeof shared.find(undefined, 'HS256', nowMs), 'object')
  assert.equal(shared.find(undefined, 'ES256', nowMs), 'mismatch')
})

test('what became of a fetch is told', async () => {
  const told: string[] = []
  const tell = (event: string): void => void told.push(event)
  const log: Log = { ...silentLog, info: tell, warn: tell }
  const keySet = createRemoteKeys({ clock, log }).at('x', {
    url: `${origin}/jwks.json`,
    algorithms: ['ES256'],
  })
  await keySet.load(nowMs)
  fails = true
  const failing = createRemoteKeys({ clock, log }).at('y', {
    url: `${origin}/jwks.json`,
    algorithms: ['ES256'],
  })
  await assert.rejects(failing.load(nowMs), { code: 'keys-unavailable' })
  fails = false
  assert.deepEqual(told, ['keys.refreshed', 'keys.failed'])
})
