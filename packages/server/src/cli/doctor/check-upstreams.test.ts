import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { selfSigned } from '../../../../../test/gateway/certificate.ts'
import { listenOn, poolOf, standTrust } from '../../../../../test/gateway/stand.ts'
import { checkUpstreams } from './check-upstreams.ts'

test('each target by itself: there, gone', async (t) => {
  const server = createServer()
  t.after(() => server.close())
  const [here, gone] = [`http://127.0.0.1:${await listenOn(server)}`, 'http://127.0.0.1:1']
  const trust = standTrust(here, { service: poolOf([here, gone]) })
  assert.deepEqual(await checkUpstreams(trust), [
    { check: 'upstream billing', verdict: 'pass', text: `${here} can be reached` },
    {
      check: 'upstream billing',
      verdict: 'fail',
      text: `${gone}: ECONNREFUSED`,
      next: 'start the service, or correct services.billing.upstream',
    },
  ])
})

test('with TLS, a certificate that nobody vouches for is no way there', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'countersign-doctor-'))
  const made = selfSigned()
  const server = createTlsServer(made)
  t.after(() => {
    server.close()
    rmSync(folder, { recursive: true })
  })
  const url = `https://127.0.0.1:${await listenOn(server)}`
  const caFile = join(folder, 'ca.pem')
  writeFileSync(caFile, made.cert)
  const files = { certificateFile: undefined, keyFile: undefined, serverName: undefined }
  for (const [tls, expected] of [
    [{ caFile, ...files }, /^pass .* can be reached$/],
    [{ caFile, ...files, serverName: 'other.example' }, /^fail .*: ERR_TLS_CERT_ALTNAME_INVALID$/],
    [undefined, /^fail .*: DEPTH_ZERO_SELF_SIGNED_CERT$/],
  ] as const) {
    const trust = standTrust(url, { service: poolOf([url], { tls }) })
    const [found] = await checkUpstreams(trust)
    assert.match(`${found!.verdict} ${found!.text}`, expected)
  }
})
