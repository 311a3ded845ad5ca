import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { identityHeaders } from '../../packages/server/src/gateway/identity.ts'
import { readLimits } from '../../packages/server/src/gateway/limits.ts'

const page = readFileSync(new URL('../../docs/gateway.md', import.meta.url), 'utf8')

test('docs/gateway.md lists every limit with its value, and no other', () => {
  const rows = [...page.matchAll(/^\| `([a-zA-Z]+)` +\| +(\d+) \|/gm)].map(([, name, value]) => [
    name,
    Number(value),
  ])
  assert.deepEqual(rows.sort(), Object.entries(readLimits()).sort())
})

test('docs/gateway.md lists every header a service gets, and no other', () => {
  const lines = identityHeaders({
    kind: 'user',
    issuer: 'i',
    subject: 's',
    clientId: 'c',
    actor: { subject: 'a', issuer: undefined, actor: undefined },
    scopes: new Set(['x']),
    roles: new Set(['y']),
    tokenId: 't',
    expiresAtSeconds: 0,
    claims: {},
  })
  assert.ok(typeof lines === 'string')
  const names = lines.split('\r\n').flatMap((line) => (line === '' ? [] : [line.slice(0, line.indexOf(':'))]))
  assert.deepEqual(
    [...page.matchAll(/^\| `(Countersign-[A-Za-z-]+)` +\|/gm)].map(([, name]) => name),
    names,
  )
})
