import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readTrust } from '../trust/read.ts'
import type { Trust } from '../trust/trust.ts'
import { frozenChanges } from './frozen-changes.ts'

const file = `issuer: { url: http://localhost:8080, listen: 127.0.0.1:8080, store: sqlite:c.db, keys: { seal: { env: S } } }
gateway: { listen: 127.0.0.1:9001 }
services: { a: { audience: a, routes: { GET /: open } } }
`

test('nothing changed, or only what counts at once', () => {
  assert.deepEqual(frozenChanges(trustFrom(file), trustFrom(file)), [])
  assert.deepEqual(
    frozenChanges(trustFrom(file), trustFrom(file.replace('GET /: open', 'GET /x: authenticated'))),
    [],
  )
})

test('what counts after a restart is named', () => {
  const changes: [from: string, to: string, name: string][] = [
    ['url: http://localhost:8080', 'url: http://localhost:8081', 'issuer.url'],
    ['listen: 127.0.0.1:8080', 'listen: 127.0.0.1:8081', 'issuer.listen'],
    ['sqlite:c.db', 'sqlite:d.db', 'issuer.store'],
    ['seal: { env: S }', 'seal: { env: S }, algorithm: EdDSA', 'issuer.keys'],
    ['keys:', 'tokens: { lifetime: 1m }, keys:', 'issuer.tokens'],
    ['listen: 127.0.0.1:9001', 'listen: 127.0.0.1:9002', 'gateway.listen'],
    ['listen: 127.0.0.1:9001', 'workers: 2, listen: 127.0.0.1:9001', 'gateway.workers'],
  ]
  for (const [from, to, name] of changes) {
    assert.ok(file.includes(from))
    assert.deepEqual(frozenChanges(trustFrom(file), trustFrom(file.replace(from, to))), [name])
  }
})

function trustFrom(text: string): Trust {
  const reading = readTrust(text, { file: 'f', env: { S: 's'.repeat(32) }, readFile: () => '' })
  return reading.kind === 'trust' ? reading.trust : assert.fail(JSON.stringify(reading.mistakes))
}
