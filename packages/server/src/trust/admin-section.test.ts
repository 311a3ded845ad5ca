import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readTrust } from './read.ts'
import type { TrustReading } from './read.ts'

test('no admin API unless the file says so', () => {
  assert.equal(settings(read('')), undefined)
})

test('on this machine only, unless said otherwise', () => {
  assert.deepEqual(settings(read('admin: {}')), {
    listen: { host: '127.0.0.1', port: 8090 },
    codeFile: '/etc/acme/countersign-admin.code',
  })
})

test('where others can reach it, it is with TLS, or with the danger spelled', () => {
  const open = read("admin: { listen: '0.0.0.0:9000', codeFile: /run/code }")
  assert.ok(open.kind === 'mistakes')
  assert.match(open.mistakes[0]?.message ?? '', /in the clear/)
  const tls = 'tls: { certificate: { file: tls.crt }, key: { file: /run/tls.key } }'
  const listen = { host: '0.0.0.0', port: 9000 }
  const codeFile = '/run/code'
  assert.deepEqual(settings(read(`admin: { listen: '0.0.0.0:9000', codeFile: /run/code, ${tls} }`)), {
    listen,
    tls: { certificateFile: '/etc/acme/tls.crt', keyFile: '/run/tls.key' },
    codeFile,
  })
  const plain = read("admin: { listen: '0.0.0.0:9000', codeFile: /run/code, dangerouslyPlain: true }")
  assert.deepEqual(settings(plain), { listen, codeFile })
  assert.deepEqual(settings(read("admin: { listen: '[::1]:9000', codeFile: /run/code }"))?.listen, {
    host: '::1',
    port: 9000,
  })
})

test('a declared client may be given scopes of the admin API, as long as there is one', () => {
  const client =
    'clients: { ops: { authenticate: { secret: { env: S } }, may: { countersign: { scopes: clients:read } } } }'
  const reading = read('admin: {}', client)
  assert.ok(reading.kind === 'trust', JSON.stringify(reading))
  assert.deepEqual(reading.trust.clients.get('ops')?.may, [
    { service: 'countersign', roles: [], scopes: ['clients:read'] },
  ])
  const without = read('', client)
  assert.ok(without.kind === 'mistakes')
  assert.match(without.mistakes[0]!.message, /unknown service "countersign"/)
})

test('no service can take the admin API’s name', () => {
  const reading = read('admin: {}', 'services: { countersign: { audience: x } }')
  assert.ok(reading.kind === 'mistakes')
  assert.match(reading.mistakes[0]!.message, /taken/)
})

test('no service can take its audience, with scopes that it makes up', () => {
  const service = 'services: { ops: { audience: https://issuer.acme.example/admin, scopes: [keys:write] } }'
  const reading = read('admin: {}', service)
  assert.ok(reading.kind === 'mistakes')
  assert.deepEqual(
    reading.mistakes.map(({ path, message }) => [path, message]),
    [['services.ops.audience', 'the audience of the admin API']],
  )
  assert.equal(read('', service).kind, 'trust')
})

function read(admin: string, rest = ''): TrustReading {
  const issuer = `issuer: { url: https://issuer.acme.example, listen: '127.0.0.1:0', store: 'memory:', ${admin} }`
  return readTrust(`${issuer}\n${rest}\n`, {
    file: '/etc/acme/countersign.yaml',
    env: { S: 's'.repeat(40) },
    readFile: () => '',
  })
}

function settings(reading: TrustReading) {
  assert.ok(reading.kind === 'trust', JSON.stringify(reading))
  return reading.trust.issuer?.admin
}
