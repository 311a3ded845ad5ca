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
import { playSession } from '../../../../../test/cli/session.ts'

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
      [/"expires_in": (299|300)/g, '"expires_in": 300'],
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
