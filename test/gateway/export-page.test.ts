import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { isProblem } from '@countersign/sdk/core'
import { exportEnvoy } from '../../packages/server/src/export/envoy.ts'
import { exportHaproxy } from '../../packages/server/src/export/haproxy.ts'
import { exportIstio } from '../../packages/server/src/export/istio.ts'
import { exportNginx } from '../../packages/server/src/export/nginx.ts'
import { exportTraefik } from '../../packages/server/src/export/traefik.ts'
import { readTrust } from '../../packages/server/src/trust/read.ts'
import type { Trust } from '../../packages/server/src/trust/trust.ts'
import { countersign } from '../cli/session.ts'

// What docs/proxies.md says of `countersign export`: its commands, and its table of what each proxy can be told.

const page = readFileSync(new URL('../../docs/proxies.md', import.meta.url), 'utf8')
const file = /^```yaml\n([\s\S]*?)^```$/m.exec(page)![1]!
const inCluster = file.replaceAll('127.0.0.1:9101', 'billing.shop.svc.cluster.local:9101')

test('the commands write what they say', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'countersign-export-'))
  t.after(() => rmSync(folder, { recursive: true }))
  writeFileSync(join(folder, 'countersign.yaml'), inCluster)
  const [, block = ''] = /^```sh\n(countersign export [\s\S]*?)^```$/m.exec(page)!
  const commands = block.split('\n').flatMap((line) => /^countersign ([^>#]*[^>#\s])/.exec(line)?.[1] ?? [])
  assert.equal(commands.length, 6)
  for (const command of commands) {
    const { code, stdout, stderr } = await countersign(command.split(' '), { cwd: folder })
    assert.deepEqual([code, stderr], [0, ''], command)
    assert.match(stdout, /^(?:#|--) Made by `countersign export/)
  }
})

test('the table says who can be told what', () => {
  const [, head = '', body = ''] = /\n(\|  +\| nginx .*)\n\|.*\n((?:\|.*\n)+)/.exec(page)!
  const names = cellsOf(head).slice(1)
  assert.deepEqual(names, Object.keys(exporters))
  const rows = body.trimEnd().split('\n').map(cellsOf)
  assert.equal(rows.length, Object.keys(changes).length)
  for (const [what = '', ...cells] of rows) {
    for (const [index, cell] of cells.entries()) {
      const name = names[index]!
      const told = changes[what]!.map((change) => isTold(exporters[name]!, change))
      const expected = { yes: [true], '–': [false], CA: [true, false] }[cell]
      assert.deepEqual([...new Set(told)], expected, `${what}: ${name}`)
    }
  }
})

function isTold(write: (trust: Trust) => unknown, change: string): boolean {
  const text = inCluster.replace(/^ {4}upstream: .*\n/m, change)
  const read = readTrust(text, { file: 'proxies.md', env: {}, readFile: () => 'PEM' })
  assert.ok(read.kind === 'trust', JSON.stringify(read))
  try {
    write(read.trust)
    return true
  } catch (error) {
    assert.ok(isProblem(error) && error.code === 'export-impossible')
    return false
  }
}

function cellsOf(line: string): string[] {
  return line
    .split('|')
    .slice(1, -1)
    .map((cell) => cell.trim())
}

const exporters: Readonly<Record<string, (trust: Trust) => unknown>> = {
  nginx: (trust) => exportNginx(trust, '80'),
  Envoy: (trust) => exportEnvoy(trust),
  Traefik: (trust) => exportTraefik(trust),
  HAProxy: (trust) => exportHaproxy(trust),
  Istio: (trust) => exportIstio(trust, { authz: 'a.b:1', gateway: 'a/b', host: 'x.example' }),
}

const plain = '    upstream: http://b.example\n'
const tlsFiles = (more: string) =>
  `    upstream: { targets: https://b.example, tls: { ca: { file: ca.pem }${more} } }\n`

const changes: Readonly<Record<string, readonly string[]>> = {
  '`cors`, `websocket`': [
    `${plain}    cors: { origins: '*' }\n`,
    `${plain}    websocket: { routes: GET /invoices/{id} }\n`.replace(
      '{ routes: GET /invoices/{id} }',
      "{ routes: 'GET /invoices/{id}' }",
    ),
  ],
  'a cookie as the token, taken out': [`${plain}    tokenFrom: [{ cookie: s }]\n    token: remove\n`],
  '`bodyLimit`': [`${plain}    bodyLimit: 1MiB\n`],
  'TLS towards a service': ['    upstream: https://b.example\n'],
  '… with a certificate or CA file': [
    tlsFiles(''),
    tlsFiles(', certificate: { file: c.pem }, key: { file: k.pem }'),
  ],
  '`protocol: h2`': ['    upstream: { targets: http://b.example, protocol: h2 }\n'],
  'several targets': [
    '    upstream: { targets: [http://b.example, http://c.example], balance: round-robin }\n',
  ],
  'several targets, `least-pending`': ['    upstream: [http://b.example, http://c.example]\n'],
}
