import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { inspectToken, privateJwk } from '@countersign/sdk/jwt'
import type { Context } from '../context.ts'
import { run } from './token.ts'
import { keyedClient } from '../../../../../test/issuer/assertion.ts'
import { startIssuer, trust } from '../../../../../test/issuer/fixture.ts'
import { openIssuer } from '../../../../../test/cli/issuer.ts'
import { countersign, playSession } from '../../../../../test/cli/session.ts'

test('token', async (t) => {
  const { folder, url, env, close } = await openIssuer()
  t.after(close)
  await playSession(join(import.meta.dirname, '../golden/token.txt'), {
    cwd: folder,
    env: { ...env, WRONG_SECRET: 'wrong-secret-wrong-secret-wrong-secret' },
    input: `${env['ORDERS_SECRET']}\n`,
    names: [[url, 'ISSUER']],
    hide: [
      [/eyJ[\w-]+\.eyJ[\w-]+\.[\w-]{86}/g, 'TOKEN'],
      // Counted from before it was asked for; the machine may be busy meanwhile.
      [/"expires_in": (29\d|300)/g, '"expires_in": 300'],
    ],
  })
})

test('token, by a key and bound to another', async (t) => {
  const { client, key } = keyedClient('keyed')
  const issuer = await startIssuer({ trust: trust([client]) })
  const cwd = mkdtempSync(join(tmpdir(), 'countersign-token-'))
  t.after(async () => {
    await issuer.close()
    rmSync(cwd, { recursive: true })
  })
  writeFileSync(join(cwd, 'key.json'), privateJwk(key).revealText())
  const printed: string[] = []
  const terminal = { print: (text: string) => printed.push(text) }
  const context = { cwd, env: {}, json: true, terminal } as unknown as Context
  await run(context, { client: 'keyed', issuer: issuer.url, keyFile: 'key.json', dpop: true })
  const { access_token: token, token_type: type } = JSON.parse(printed.join('')) as Record<string, string>
  assert.equal(type, 'DPoP')
  assert.ok('jkt' in (inspectToken(token!).claims!['cnf'] as object))
})

test('token, where something is missing: what to say is said, before anybody is asked', async (t) => {
  const cwd = mkdtempSync(join(tmpdir(), 'countersign-token-'))
  t.after(() => rmSync(cwd, { recursive: true }))
  writeFileSync(
    join(cwd, 'countersign.yaml'),
    `issuer: { url: http://localhost:1, listen: 127.0.0.1:1, store: 'sqlite:x.db', keys: { seal: { env: NOT_HERE } }, clientCertificates: { header: Client-Cert } }
trustedProxies: [10.0.0.7]
services:
  billing: { audience: https://billing.acme.example, roles: [reader] }
  stock: { audience: https://stock.acme.example, roles: [reader] }
clients:
  shop: { authenticate: { secret: { env: SHOP_SECRET } }, may: { billing: { roles: [reader] }, stock: { roles: [reader] } } }
  other: { authenticate: { secret: { env: OTHER_SECRET } }, may: { stock: { roles: [reader] } } }
  keyed: { authenticate: { keys: { jwks: https://keyed.acme.example/keys } }, may: { stock: { roles: [reader] } } }
  pod: { authenticate: { federated: { preset: kubernetes, issuer: https://k8s.acme.example, subject: 'system:serviceaccount:shop:pod' } }, may: { stock: { roles: [reader] } } }
  certified: { authenticate: { certificate: { thumbprint: '${'ab'.repeat(32)}' } }, may: { stock: { roles: [reader] } } }
`,
  )
  const env = { SHOP_SECRET: 'shop-secret-shop-secret-shop-secret-shop' }
  for (const [args, code, said] of [
    [['shop'], 2, /"shop" may call several services\n {2}next: say --service billing \| stock\n/],
    [['shop', '--service', 'stok'], 2, /has no service "stok"\n {2}next: did you mean stock\?\n/],
    // Only its own secret is looked for, and not the seal.
    [['other'], 3, /has a mistake\n.*OTHER_SECRET is not set\n.*\n$/],
    [['shop', '--service', 'https://stock.acme.example'], 4, /localhost:1/],
    [['keyed'], 2, /no private key for the client "keyed"\n {2}next: say --key-file/],
    [['pod'], 2, /nothing for the client "pod" to show\n {2}next: say --assertion-file/],
    [
      ['certified'],
      2,
      /shows a TLS certificate, which this command has not\n {2}next: ask with `curl --cert/,
    ],
  ] as const) {
    const { stdout, stderr, code: ended } = await countersign(['token', '--client', ...args], { cwd, env })
    assert.deepEqual([ended, stdout], [code, ''], stderr)
    assert.match(stderr, said)
  }
})
