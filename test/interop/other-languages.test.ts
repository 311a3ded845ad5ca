/** Services in Go and Python with the libraries they usually have, unchanged, against a running issuer. */
import assert from 'node:assert/strict'
import { execFile, execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { generateKeyPairSync } from 'node:crypto'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { promisify } from 'node:util'
import { readJwk } from '@countersign/sdk/jwt'
import type { Client } from '../../packages/server/src/trust/trust.ts'
import { orders, ordersSecret, startIssuer, trust } from '../issuer/fixture.ts'

const here = import.meta.dirname
const cache = join(here, '../../.cache/interop')
const audience = 'https://billing.acme.example'
const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
const jwk = { ...publicKey.export({ format: 'jwk' }), alg: 'RS256' } as Parameters<typeof readJwk>[0]
const keyed: Client = {
  ...orders,
  id: 'keyed',
  secrets: [],
  assertion: { kind: 'own', keys: { kind: 'keys', keys: [readJwk(jwk)] }, legacyAudience: true },
}
const python = preparePython()
const go = prepareGo()
// Its clock runs: their assertions are of the real time, and good for a few seconds of difference alone.
const fixture = await startIssuer({ trust: trust([orders, keyed]), clock: () => Date.now() })
test.after(() => fixture.close())

test('Python: Authlib gets tokens three ways, PyJWT takes them', { skip: python.missing }, async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'countersign-python-'))
  t.after(() => rmSync(folder, { recursive: true }))
  const keyPath = join(folder, 'key.pem')
  writeFileSync(keyPath, privateKey.export({ format: 'pem', type: 'pkcs8' }), { mode: 0o600 })
  const report = await runClient(python.command, [
    join(here, 'python/client.py'),
    fixture.url,
    'orders',
    ordersSecret,
    keyPath,
    audience,
  ])
  assert.deepEqual(report, {
    client_secret_basic: 'orders',
    client_secret_post: 'orders',
    private_key_jwt: 'keyed',
    forged: 'refused',
  })
})

test('Go: x/oauth2 gets tokens, golang-jwt takes them', { skip: go.missing }, async () => {
  const report = await runClient(go.command, [fixture.url, 'orders', ordersSecret, audience])
  assert.deepEqual(report, { detected: 'orders', header: 'orders', params: 'orders' })
})

/** Never in this process's own thread: the issuer that is asked lives here. */
async function runClient(command: string, given: readonly string[]): Promise<unknown> {
  const { stdout } = await promisify(execFile)(command, given, { timeout: 100_000 })
  return JSON.parse(stdout)
}

type Tool = { readonly command: string; readonly missing: string | false }

/** An environment of its own, made once; without Python, or without a way to its packages, there is none. */
function preparePython(): Tool {
  const folder = join(cache, 'python')
  const command = join(folder, 'bin/python')
  const works = (): boolean => attempt(command, ['-c', 'import jwt, authlib, requests, cryptography'])
  if (!existsSync(command)) {
    mkdirSync(cache, { recursive: true })
    attempt('python3', ['-m', 'venv', folder])
    const packages = ['PyJWT[crypto]', 'Authlib', 'requests']
    if (existsSync(command)) {
      attempt(command, ['-m', 'pip', 'install', '--quiet', '--retries', '0', '--timeout', '5', ...packages])
    }
  }
  return { command, missing: works() ? false : 'no Python with PyJWT and Authlib on this machine' }
}

function prepareGo(): Tool {
  const command = join(cache, 'go/client')
  mkdirSync(join(cache, 'go'), { recursive: true })
  const isBuilt = attempt('go', ['build', '-o', command, '.'], join(here, 'go'))
  return { command, missing: isBuilt ? false : 'no Go, or no way to its modules, on this machine' }
}

function attempt(command: string, given: readonly string[], cwd = here): boolean {
  try {
    execFileSync(command, given, { cwd, stdio: 'ignore', timeout: 90_000 })
    return true
  } catch {
    return false
  }
}
