import { test } from 'node:test'
import assert from 'node:assert/strict'
import { readTrust } from '../trust/read.ts'
import { defaultPorts } from './settings.ts'
import { demoTrustText } from './trust-text.ts'

const env = { SECRET_KEY: 'k'.repeat(32), ORDERS_SECRET: 'o'.repeat(43), BACKOFFICE_SECRET: 'b'.repeat(43) }

test('it is a trust file without a mistake and without a warning', () => {
  const read = readTrust(demoTrustText(defaultPorts), { file: 'the demo', env, readFile: noFile })
  assert.deepEqual(read.kind === 'mistakes' ? read.mistakes : read.warnings, [])
})

test('every port stands where it belongs', () => {
  const ports = { issuer: 1001, gateway: 1002, provider: 1003, secret: 1004, billing: 1005 }
  const read = readTrust(demoTrustText(ports), { file: 'the demo', env, readFile: noFile })
  assert.ok(read.kind === 'trust')
  const { trust } = read
  assert.equal(trust.issuer?.url, 'http://localhost:1001')
  assert.deepEqual(trust.issuer?.listen, { host: '127.0.0.1', port: 1001 })
  assert.deepEqual(trust.gateway?.listen, { host: '127.0.0.1', port: 1002 })
  assert.equal(trust.trusted.get('people')?.issuer, 'http://localhost:1003')
  assert.equal(trust.services.get('secret')?.upstream, 'http://127.0.0.1:1004')
  assert.equal(trust.services.get('billing')?.upstream, 'http://127.0.0.1:1005')
})

test('a shared secret opens the tutorial’s service and no other', () => {
  const read = readTrust(demoTrustText(defaultPorts), { file: 'the demo', env, readFile: noFile })
  assert.ok(read.kind === 'trust')
  const accepting = [...read.trust.services.values()].filter(({ accepts }) => accepts.includes('tutorial'))
  assert.deepEqual(
    accepting.map(({ name, acceptsOwn }) => ({ name, acceptsOwn })),
    [{ name: 'secret', acceptsOwn: false }],
  )
})

function noFile(path: string): string {
  throw new Error(`the demo reads no file, not even ${path}`)
}
