import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { get } from 'node:https'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { silentLog } from '../log.ts'
import { readTrust } from '../trust/read.ts'
import type { Trust } from '../trust/trust.ts'
import { addressText } from './listen.ts'
import { startServers } from './start.ts'
import { certify } from '../../../../test/gateway/certificate.ts'

test('the admin API has a listener of its own, and its code is gone with the process', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'countersign-serve-admin-'))
  t.after(() => rmSync(folder, { recursive: true }))
  const trust = read(folder, "admin: { listen: '127.0.0.1:0' }")
  const servers = await startServers({ trust, drainMs: 200 })
  t.after(() => servers.close())
  const { admin, issuer } = servers.addresses
  const codeFile = join(folder, 'countersign-admin.code')
  const body = JSON.stringify({ code: readFileSync(codeFile, 'utf8').trim() })
  const headers = { 'Content-Type': 'application/json' }
  const post = (at: string) => fetch(`http://${at}/admin/bootstrap`, { method: 'POST', headers, body })
  // What everybody can reach knows nothing of it.
  assert.equal((await post(addressText(issuer!))).status, 404)
  const made = await post(addressText(admin!))
  assert.equal(made.status, 201)
  const { id, secret } = (await made.json()) as { id: string; secret: string }
  const token = await fetch(`http://${addressText(issuer!)}/token`, {
    method: 'POST',
    body: new URLSearchParams({ grant_type: 'client_credentials', client_id: id, client_secret: secret }),
  })
  const { access_token: text } = (await token.json()) as { access_token: string }
  const listed = (at: string) =>
    fetch(`http://${at}/admin/clients`, { headers: { Authorization: `Bearer ${text}` } })
  assert.equal((await listed(addressText(admin!))).status, 200)
  assert.equal((await listed(addressText(issuer!))).status, 404)
  await servers.close()
  await assert.rejects(listed(addressText(admin!)))
})

test('what is asked of it is counted and logged', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'countersign-serve-admin-'))
  t.after(() => rmSync(folder, { recursive: true }))
  const lines: unknown[] = []
  const info = (event: string, fields?: object): void => void lines.push({ event, ...fields })
  const trust = read(
    folder,
    "admin: { listen: '127.0.0.1:0' }",
    "operations: { listen: '127.0.0.1:0', accessLog: on }\n",
  )
  const servers = await startServers({ trust, drainMs: 200, log: { ...silentLog, info } })
  t.after(() => servers.close())
  const { admin, operations } = servers.addresses
  assert.equal((await fetch(`http://${addressText(admin!)}/admin/keys?limit=1`)).status, 401)
  const metrics = async () => (await fetch(`http://${addressText(operations!)}/metrics`)).text()
  const line = 'countersign_admin_requests_total{method="GET",status="4xx"} 1'
  while (!(await metrics()).includes(line)) await new Promise((resolve) => setTimeout(resolve, 5))
  const [access] = lines.filter((entry) => (entry as { event: string }).event === 'access')
  const { part, path, status } = access as { part: string; path: string; status: number }
  assert.deepEqual([part, path, status], ['admin', '/admin/keys', 401])
})

test('with a certificate it speaks TLS, and without a good one nothing starts', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'countersign-serve-admin-'))
  t.after(() => rmSync(folder, { recursive: true }))
  const { cert, key } = certify({ subject: [['CN', 'admin']], names: { ip: ['127.0.0.1'] } })
  writeFileSync(join(folder, 'tls.crt'), cert)
  writeFileSync(join(folder, 'tls.key'), 'no key')
  const trust = read(
    folder,
    "admin: { listen: '127.0.0.1:0', tls: { certificate: { file: tls.crt }, key: { file: tls.key } } }",
  )
  await assert.rejects(startServers({ trust }), { code: 'tls-files-unusable' })
  assert.equal(existsSync(join(folder, 'countersign-admin.code')), false)
  writeFileSync(join(folder, 'tls.key'), key)
  const servers = await startServers({ trust, drainMs: 200 })
  t.after(() => servers.close())
  const { admin } = servers.addresses
  const status = await new Promise((resolve, reject) => {
    const { host, port } = admin!
    get({ host, port, path: '/admin/clients', ca: cert, agent: false }, (response) => {
      resolve(response.resume().statusCode)
    }).on('error', reject)
  })
  assert.equal(status, 401)
  await assert.rejects(fetch(`http://${addressText(admin!)}/admin/clients`))
})

test('no admin API without its section, and no file is left', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'countersign-serve-admin-'))
  t.after(() => rmSync(folder, { recursive: true }))
  const plain = await startServers({ trust: read(folder, ''), drainMs: 200 })
  assert.equal(plain.addresses.admin, undefined)
  await plain.close()
  const servers = await startServers({
    trust: read(folder, "admin: { listen: '127.0.0.1:0' }"),
    drainMs: 200,
  })
  t.after(() => servers.close())
  assert.ok(existsSync(join(folder, 'countersign-admin.code')))
  await servers.close()
  assert.ok(!existsSync(join(folder, 'countersign-admin.code')))
})

function read(folder: string, admin: string, more = ''): Trust {
  const text = `issuer: { url: http://localhost:8080, listen: '127.0.0.1:0', store: 'memory:', ${admin} }\n${more}`
  const reading = readTrust(text, { file: join(folder, 'countersign.yaml'), env: {}, readFile: () => '' })
  return reading.kind === 'trust' ? reading.trust : assert.fail(JSON.stringify(reading.mistakes))
}
