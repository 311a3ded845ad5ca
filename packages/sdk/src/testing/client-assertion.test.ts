import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { createTokenSource } from '../client/token-source.ts'
import { generateSigningKey, verificationKey } from '../jwt/key-readers.ts'
import { createProofReplays } from '../jwt/proof-replays.ts'
import { createSigner } from '../jwt/signer.ts'
import { createAssertionCheck } from './client-assertion.ts'
import { startTestIssuer } from './loopback-issuer.ts'
import { createTestIssuer } from './memory-issuer.ts'
import type { TestToken } from './mint.ts'
import { readClients } from './test-client.ts'

const folder = mkdtempSync(join(tmpdir(), 'countersign-assertion-'))
after(() => rmSync(folder, { recursive: true }))

const key = generateSigningKey('ES256')
const nowMs = 1_800_000_000_000
const platform = createTestIssuer({ issuer: 'https://platform.test', nowMs })
const clients = readClients(
  { orders: { publicKey: verificationKey(key) }, pod: { federated: { issuer: platform, subject: 'pod' } } },
  'x',
)
const issuer = 'https://issuer.test'
const options = { issuer, clock: () => nowMs, replays: createProofReplays() }
const isOwn = createAssertionCheck('orders', clients.get('orders')!, options)!
const isPlatforms = createAssertionCheck('pod', clients.get('pod')!, options)!

test('a token source with a private key', async () => {
  await using started = await startTestIssuer({ clients: { orders: { publicKey: verificationKey(key) } } })
  const credentials = started.credentials('orders')
  assert.equal('clientSecret' in credentials, false)
  const source = createTokenSource({ ...credentials, privateKey: key })
  assert.match(await source.authHeader(), /^Bearer /)
  const other = createTokenSource({ ...credentials, privateKey: generateSigningKey('ES256') })
  await assert.rejects(other.token(), { code: 'token-refused', message: /invalid_client/ })
})

test('a token source with a file of its platform, on a port or in memory', async () => {
  await using remote = await startTestIssuer()
  for (const from of [remote, createTestIssuer({ issuer: 'https://platform.test' })]) {
    await using started = await startTestIssuer({
      clients: { orders: { federated: { issuer: from, subject: 'system:serviceaccount:shop:orders' } } },
    })
    const file = join(folder, 'token')
    const source = () => createTokenSource({ ...started.credentials('orders'), assertionFile: file })
    const write = (subject: string): void =>
      writeFileSync(file, from.token({ subject, audience: started.url, dangerouslyType: 'JWT' }))
    write('system:serviceaccount:shop:orders')
    assert.match(await source().authHeader(), /^Bearer /)
    write('system:serviceaccount:shop:other')
    await assert.rejects(source().token(), { code: 'token-refused' })
  }
})

test('a platform whose keys cannot be had is no refusal', async () => {
  await using remote = await startTestIssuer()
  await using started = await startTestIssuer({
    clients: { orders: { federated: { issuer: remote, subject: 'pod' } } },
  })
  const file = join(folder, 'other')
  writeFileSync(file, remote.token({ subject: 'pod', audience: started.url, dangerouslyType: 'JWT' }))
  remote.fail({ keys: 503 })
  const source = createTokenSource({ ...started.credentials('orders'), assertionFile: file })
  await assert.rejects(source.token(), { code: 'token-unavailable' })
})

test('each assertion of a client’s own counts once, for a short time, for this issuer alone', async () => {
  const one = signed({})
  assert.equal(await isOwn(one), true)
  assert.equal(await isOwn(one), false, 'used before')
  for (const claims of [
    { iss: 'other' },
    { sub: 'other' },
    { aud: 'https://other.test' },
    { aud: [issuer, 'https://other.test'] },
    { exp: nowMs / 1000 - 60 },
    { exp: nowMs / 1000 + 2 * 3600 },
    { jti: undefined },
    { jti: '' },
  ]) {
    assert.equal(await isOwn(signed(claims)), false, JSON.stringify(claims))
  }
  assert.equal(await isOwn(signed({}, 'at+jwt')), false, 'made for something else')
  assert.equal(await isOwn(signed({}, 'application/client-authentication+jwt')), true)
})

test('a platform’s token counts as often as it is shown, for one subject and one audience', async () => {
  const good: TestToken = { subject: 'pod', audience: issuer, dangerouslyType: 'JWT' }
  const one = platform.token(good)
  for (let time = 0; time < 2; time++) assert.equal(await isPlatforms(one), true)
  for (const other of [
    { dangerouslyHeader: { typ: undefined } },
    { dangerouslyType: 'JOSE' },
    { dangerouslyType: 'application/jwt' },
    { lifetimeSeconds: 24 * 3600 },
  ] as TestToken[]) {
    assert.equal(await isPlatforms(platform.token({ ...good, ...other })), true, JSON.stringify(other))
  }
  for (const other of [
    { subject: 'other' },
    { audience: 'https://other.test' },
    { audience: [issuer, 'https://other.test'] },
    { lifetimeSeconds: -60 },
    { dangerouslySignature: 'foreign' },
    { dangerouslyType: 'at+jwt' },
    { dangerouslyType: 'application/jose' },
    { lifetimeSeconds: 24 * 3600 + 60 },
  ] as TestToken[]) {
    assert.equal(await isPlatforms(platform.token({ ...good, ...other })), false, JSON.stringify(other))
  }
})

let count = 0
function signed(claims: Record<string, unknown>, type = 'client-authentication+jwt'): string {
  const exp = nowMs / 1000 + 60
  const usual = { iss: 'orders', sub: 'orders', aud: issuer, exp, jti: `id-${count++}` }
  return createSigner({ key, type }).sign({ ...usual, ...claims })
}
