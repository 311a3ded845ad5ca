import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { identityHeaders, identityNames } from '../../packages/server/src/gateway/decision/identity.ts'
import { readTrust } from '../../packages/server/src/trust/read.ts'
import { readLimits } from '../../packages/server/src/gateway/front/limits.ts'

const issuer = "issuer: { url: http://localhost:8080, listen: 127.0.0.1:8080, store: 'memory:' }\n"
const page = readFileSync(new URL('../../docs/gateway.md', import.meta.url), 'utf8')

test('docs/gateway.md lists every limit with its value, and no other', () => {
  const rows = [...page.matchAll(/^\| `([a-zA-Z]+)` +\| +(\d+) \|/gm)].map(([, name, value]) => [
    name,
    Number(value),
  ])
  assert.deepEqual(rows.sort(), Object.entries(readLimits()).sort())
})

test('the settings docs/gateway.md shows are read without a mistake', () => {
  const blocks = [...page.matchAll(/^```yaml\n([\s\S]*?)^```$/gm)].map((match) => match[1]!)
  assert.ok(blocks.length > 0)
  for (const block of blocks) {
    const text = block.startsWith('issuer:') ? block : `${issuer}${block}`
    const read = readTrust(text, { file: 'gateway.md', env: {}, readFile: () => 'PEM-'.repeat(10) })
    assert.deepEqual(read.kind === 'mistakes' ? read.mistakes : read.warnings, [], block)
  }
})

test('the values docs/gateway.md shows for several targets are what is meant without them', () => {
  const blocks = [...page.matchAll(/^```yaml\n([\s\S]*?)^```$/gm)].map((match) => match[1]!)
  const [bare, full] = ['upstream: [', 'upstream:\n'].map((start) => {
    const text = `${issuer}${blocks.find((block) => block.includes(start))}`
    const read = readTrust(text, { file: 'gateway.md', env: {}, readFile: () => 'PEM-'.repeat(10) })
    assert.ok(read.kind === 'trust')
    return read.trust.services.get('billing')!.upstreamSettings!
  })
  const { balance, eject, retries } = bare!
  assert.deepEqual(
    { balance, eject, retries },
    { balance: full!.balance, eject: full!.eject, retries: full!.retries },
  )
  const { timeouts, connections, waiting } = full!
  const limits = readLimits()
  assert.deepEqual(
    [timeouts.connectSeconds, timeouts.replySeconds, timeouts.stallSeconds, timeouts.idleSeconds].map(
      (seconds) => seconds! * 1000,
    ),
    [limits.connectMs, limits.replyHeadMs, limits.replyStallMs, limits.upstreamKeepAliveMs],
  )
  assert.deepEqual([connections, waiting], [limits.upstreamConnections, limits.upstreamWaiting])
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

const proxies = readFileSync(new URL('../../docs/proxies.md', import.meta.url), 'utf8')

test('the trust file of docs/proxies.md has no mistake', () => {
  const text = /^```yaml\n([\s\S]*?)^```$/m.exec(proxies)![1]!
  const reading = readTrust(text, { file: 'proxies.md', env: {}, readFile: () => '' })
  assert.ok(reading.kind === 'trust', JSON.stringify(reading))
  assert.deepEqual(reading.warnings, [])
  assert.deepEqual(
    reading.trust.gateway!.authz!.map(({ proxy }) => proxy),
    ['nginx', 'traefik', 'envoyGrpc', 'haproxy'],
  )
})

test('docs/proxies.md has nginx and Caddy set every identity header, and no other', () => {
  const set = [...proxies.matchAll(/proxy_set_header (Countersign-[A-Za-z-]+) (\S+);/g)]
  assert.deepEqual(set.map(([, name]) => name!.toLowerCase()).sort(), [...identityNames].sort())
  for (const [, name, variable] of set) {
    const asVariable = name!.toLowerCase().replaceAll('-', '_')
    assert.equal(variable, `$${asVariable}`)
    assert.ok(proxies.includes(`auth_request_set $${asVariable} $upstream_http_${asVariable};`), name!)
  }
  const [, copied] = /copy_headers (.+)/.exec(proxies)!
  assert.deepEqual(copied!.toLowerCase().split(' ').sort(), [...identityNames].sort())
})
