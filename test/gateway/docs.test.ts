import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { test } from 'node:test'
import { identityHeaders, identityNames } from '../../packages/server/src/gateway/decision/identity.ts'
import { readTrust } from '../../packages/server/src/trust/read.ts'
import { readLimits } from '../../packages/server/src/gateway/front/limits.ts'
import { createGateway } from '../../packages/server/src/gateway/gateway.ts'
import { selfSigned } from './certificate.ts'
import { ask } from './stand.ts'

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

test('a gateway runs by each of the settings docs/gateway.md shows', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'countersign-docs-'))
  t.after(() => rmSync(folder, { recursive: true }))
  const { cert, key } = selfSigned()
  for (const [name, content] of Object.entries({
    'tls/gateway.pem': cert,
    'tls/gateway-key.pem': key,
    'tls/internal-ca.pem': cert,
    'secrets/edge': 's'.repeat(43),
  })) {
    mkdirSync(dirname(join(folder, name)), { recursive: true })
    writeFileSync(join(folder, name), content)
  }
  const file = join(folder, 'gateway.yaml')
  const readFile = (path: string): string => readFileSync(resolve(folder, path), 'utf8')
  let asked = 0
  for (const [, block = ''] of page.matchAll(/^```yaml\n([\s\S]*?)^```$/gm)) {
    const read = readTrust(block.startsWith('issuer:') ? block : `${issuer}${block}`, {
      file,
      env: {},
      readFile,
    })
    assert.ok(read.kind === 'trust', block)
    const gateway = createGateway({ trust: read.trust, limits: { drainMs: 0 } })
    gateway.server.listen(0, '127.0.0.1')
    await once(gateway.server, 'listening')
    const { port } = gateway.server.address() as AddressInfo
    try {
      if (read.trust.gateway?.tls !== undefined) continue
      const see = async (path: string, host = 'gateway.test'): Promise<number> =>
        (await ask(port, `GET ${path} HTTP/1.1\r\nHost: ${host}\r\n\r\n`)).status
      assert.equal(await see('/.well-known/countersign/livez'), 200)
      assert.equal(await see('/nowhere/at/all'), 404)
      for (const { at, host, routes } of read.trust.services.values()) {
        const place = at === undefined || at === '/' ? '' : at
        for (const { method, template, requirement } of routes ?? []) {
          if (method !== 'GET' || requirement === 'open') continue
          assert.equal(await see(`${place}${template.replaceAll(/\{.*?\}/g, '7')}`, host), 401, block)
          asked += 1
        }
      }
    } finally {
      await gateway.close()
    }
  }
  assert.ok(asked >= 6, `${asked} routes were asked for`)
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
