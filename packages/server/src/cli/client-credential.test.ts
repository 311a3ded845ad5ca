import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { generateSigningKey, privateJwk } from '@countersign/sdk/jwt'
import { readCredential } from './client-credential.ts'
import type { CredentialOptions } from './client-credential.ts'
import type { Context } from './context.ts'

const cwd = mkdtempSync(join(tmpdir(), 'countersign-credential-'))
after(() => rmSync(cwd, { recursive: true }))
const key = generateSigningKey('ES256', { keyId: 'orders-1' })
for (const [name, text] of Object.entries({
  secret: 's3cr3t\n',
  empty: '\n',
  'key.json': privateJwk(key).revealText(),
  'key.pem': '-----BEGIN PRIVATE KEY-----\ns3cr3t\n-----END PRIVATE KEY-----\n',
  'public.json': '{"kty":"EC","crv":"P-256","alg":"ES256","x":"s3cr3t","y":"s3cr3t"}',
})) {
  writeFileSync(join(cwd, name), text)
}

test('a secret, a key, an assertion, or nothing', async () => {
  const secret = await read({ secretFile: 'secret' })
  assert.ok(secret !== undefined && 'clientSecret' in secret && secret.clientSecret.revealText() === 's3cr3t')
  const variable = await read({ secretEnv: 'ORDERS' })
  assert.ok(
    variable !== undefined && 'clientSecret' in variable && variable.clientSecret.revealText() === 'x',
  )
  const signing = await read({ keyFile: 'key.json' })
  assert.ok(signing !== undefined && 'privateKey' in signing)
  assert.deepEqual([signing.privateKey.algorithm, signing.privateKey.keyId], ['ES256', 'orders-1'])
  assert.deepEqual(await read({ assertionFile: 'token' }), { assertionFile: join(cwd, 'token') })
  assert.equal(await read({}), undefined)
})

for (const [options, message] of [
  [{ secretEnv: 'ORDERS', keyFile: 'key.json' }, /--secret-env and --key-file exclude each other/],
  [{ keyFile: 'key.pem' }, /key\.pem is no JWK/],
  [{ keyFile: 'public.json' }, /--key-file: public\.json: /],
  [{ keyFile: 'nowhere' }, /--key-file: cannot read nowhere/],
  [{ secretFile: 'empty' }, /is empty/],
  [{ secretEnv: 'UNSET' }, /is not set/],
] as const) {
  test(`${JSON.stringify(options)} is refused, without the secret`, async () => {
    await assert.rejects(read(options), (problem: Error & { code: string }) => {
      assert.equal(problem.code, 'usage')
      assert.match(problem.message, message)
      assert.ok(!problem.stack!.includes('s3cr3t'))
      return true
    })
  })
}

function read(options: CredentialOptions) {
  return readCredential({ cwd, env: { ORDERS: 'x' } } as unknown as Context, options)
}
