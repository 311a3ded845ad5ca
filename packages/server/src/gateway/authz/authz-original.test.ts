import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readOriginal } from './authz-original.ts'
import type { Inquiry } from './authz-original.ts'
import { readHost } from '../front/host.ts'

const nginx = [
  ['X-Original-Method', 'DELETE'],
  ['X-Original-URI', '/billing/invoices/7?page=2'],
  ['X-Original-Host', 'api.acme.example'],
  ['X-Original-Address', '203.0.113.9'],
] as const
const forwarded = [
  ['X-Forwarded-Method', 'DELETE'],
  ['X-Forwarded-Uri', '/billing/invoices/7?page=2'],
  ['X-Forwarded-Host', 'api.acme.example'],
  ['X-Forwarded-For', '198.51.100.1, 203.0.113.9'],
] as const

test('each proxy is read in its own words', () => {
  for (const [proxy, headers] of [
    ['nginx', nginx],
    ['traefik', forwarded],
    ['caddy', forwarded],
  ] as const) {
    assert.deepEqual(read(proxy, headers), said, proxy)
  }
  assert.deepEqual(
    read('envoy', [forwarded[3]], {
      method: 'DELETE',
      target: '/authz/billing/invoices/7?page=2',
      host: readHost('api.acme.example'),
    }),
    said,
  )
})

test('one proxy’s words mean nothing to another’s endpoint', () => {
  assert.match(read('nginx', forwarded) as string, /x-original-method, once/)
  assert.match(read('traefik', nginx) as string, /x-forwarded-method, once/)
  assert.match(read('caddy', nginx) as string, /x-forwarded-method, once/)
  // Beside the right ones they change nothing.
  const forged = [
    ['X-Forwarded-Uri', '/billing/health'],
    ['X-Forwarded-Method', 'GET'],
    ['X-Forwarded-For', '10.0.0.1'],
  ] as const
  assert.deepEqual(read('nginx', [...forged, ...nginx]), said)
  const others = [...forged, ['X-Original-URI', '/billing/health'] as const]
  assert.deepEqual(read('envoy', others, { target: '/authz/a', method: 'PUT' }), {
    method: 'PUT',
    target: '/a',
    host: 'proxy.internal',
    address: '10.0.0.1',
  })
})

test('what is missing, empty or there twice is no', () => {
  for (const headers of [
    nginx.slice(1),
    nginx.filter(([name]) => name !== 'X-Original-URI'),
    nginx.filter(([name]) => name !== 'X-Original-Host'),
    [...nginx, ['x-original-uri', '/billing/health'] as const],
    [...nginx.slice(1), ['X-Original-Method', ''] as const],
  ]) {
    assert.match(read('nginx', headers) as string, /^the proxy must say x-original/)
  }
  assert.match(read('nginx', [...nginx.slice(0, 2), ['X-Original-Host', 'a@b/c']]) as string, /is no host/)
})

test('decisions are asked for at their own path', () => {
  for (const target of ['/', '/authz/', '/authzilla', '/billing/invoices/7']) {
    assert.match(read('nginx', nginx, { target }) as string, /under \/authz/, target)
  }
  for (const target of ['/authz', '/billing', '/authzilla/x']) {
    assert.match(read('envoy', [], { target }) as string, /under \/authz/, target)
  }
  assert.match(read('envoy', [], { target: '/authz/x', host: undefined }) as string, /no Host/)
})

test('a query behind the path is nobody’s word on anything', () => {
  assert.deepEqual(read('caddy', forwarded, { target: '/authz?x-forwarded-uri=/billing/health' }), said)
})

test('without the client’s address there is the proxy’s', () => {
  const { address } = readOriginal('nginx', inquiry(nginx.slice(0, 3))) as { address: string }
  assert.equal(address, '127.0.0.1')
})

type Headers = readonly (readonly [name: string, value: string])[]

/** What was read, or the detail of the denial. */
function read(
  proxy: Parameters<typeof readOriginal>[0],
  headers: Headers,
  changes: Partial<Inquiry> = {},
): unknown {
  const original = readOriginal(proxy, { ...inquiry(headers), ...changes })
  if ('reason' in original) return original.detail
  const { method, target, host, address } = original
  // Which host it is says the name; envoy sends it as its own Host.
  return { method, target, host: host.name, address }
}

function inquiry(headers: Headers): Inquiry {
  return {
    method: 'GET',
    target: '/authz',
    host: readHost('proxy.internal'),
    rawHeaders: headers.flat(),
    address: '127.0.0.1',
  }
}

const said = {
  method: 'DELETE',
  target: '/billing/invoices/7?page=2',
  host: 'api.acme.example',
  address: '203.0.113.9',
}
