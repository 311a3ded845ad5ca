import assert from 'node:assert/strict'
import { test } from 'node:test'
import { poolOf, standService, standTrust } from '../../../../test/gateway/stand.ts'
import type { Service, Trust } from '../trust/trust.ts'
import { exportHaproxy } from './haproxy.ts'

// What it does in the real HAProxy stands in test/interop/exports.test.ts.

test('a token that is exchanged is taken from the answer alone, and stands nowhere else', () => {
  const exchange = {
    token: { client: 'edge', secret: undefined },
    tokenFrom: [{ kind: 'header', name: 'Token' }],
  } as const
  const { config, lua } = exportHaproxy(trustOf(standService('http://127.0.0.1:1', exchange)))
  assert.match(lua, /local filled = \{ \["authorization"\] = true \}/)
  assert.match(config, /^backend countersign_billing\n(?: {4}.*\n)* {4}http-request del-header Token$/m)
  assert.doesNotMatch(config, /del-header Authorization/)
})

test('TLS towards a service is verified, by its name', () => {
  const tls = { caFile: '/ca.pem', certificateFile: undefined, keyFile: undefined, serverName: 'b.internal' }
  const given = poolOf(['https://10.0.0.1', 'https://10.0.0.2:8443'], { tls, balance: 'round-robin' })
  const { config } = exportHaproxy(trustOf(standService('https://10.0.0.1', given)))
  const how = 'ssl verify required ca-file /ca.pem sni str(b.internal) verifyhost b.internal'
  assert.ok(config.includes(`    balance roundrobin`))
  assert.ok(
    config.includes(`    server billing-1 10.0.0.1:443 ${how}\n    server billing-2 10.0.0.2:8443 ${how}`),
  )
  const { config: plain } = exportHaproxy(trustOf(standService('https://b.example')))
  assert.ok(plain.includes('ssl verify required ca-file @system-ca sni str(b.example) verifyhost b.example'))
})

test('what it cannot do is refused', () => {
  const tls = { caFile: undefined, certificateFile: '/c', keyFile: '/k', serverName: undefined }
  const h2 = poolOf(['https://a/x', 'https://b/y'], { tls, protocol: 'h2' })
  const service = standService('https://a/x', { ...h2, bodyLimitBytes: 1 })
  assert.throws(
    () => exportHaproxy(trustOf(service)),
    ({ message }: Error) => {
      assert.deepEqual(message.match(/services\.billing\.[a-zA-Z.]+/g), [
        'services.billing.bodyLimit',
        'services.billing.upstream',
        'services.billing.upstream.tls',
        'services.billing.upstream',
      ])
      return true
    },
  )
})

function trustOf(service: Service): Trust {
  const authz = [{ proxy: 'haproxy', listen: { host: '127.0.0.1', port: 9002 }, peers: [] }] as const
  return { ...standTrust('http://127.0.0.1:1', { authz }), services: new Map([[service.name, service]]) }
}
