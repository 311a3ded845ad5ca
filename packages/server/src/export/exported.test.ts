import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isProblem } from '@countersign/sdk/core'
import { standService, standTrust } from '../../../../test/gateway/stand.ts'
import type { AuthzSettings } from '../trust/trust.ts'
import { endpointFor, exportedServices, hostOf, listenPlace, pathOf, tokenHeaders } from './exported.ts'

test('what a proxy cannot be told is named for all services at once', () => {
  const cookie = { token: 'remove', tokenFrom: [{ kind: 'cookie', name: 's' }] } as const
  const websocket = { routes: [], connections: 1, idleSeconds: 1, outlivesToken: false }
  const other = standService('http://127.0.0.1:1', { name: 'other', websocket, bind: 'certificate' })
  const guarded = standService('', { name: 'guarded', upstream: undefined, at: undefined })
  const trust = standTrust('http://127.0.0.1:1', { service: cookie, services: [other, guarded] })
  assert.throws(
    () => exportedServices(trust, 'Squid', ({ name }) => [[name === 'other', 'upstream: not that one']]),
    (error) => {
      assert.ok(isProblem(error) && error.code === 'export-impossible')
      assert.deepEqual(error.message.split('\n').slice(1), [
        '  services.billing.token: Squid cannot take one cookie out of several',
        '  services.other.websocket: tunnels that end with their token are the gateway’s own',
        '  services.other.bind: whoever asks does not show us the client’s certificate',
        '  services.other.upstream: not that one',
      ])
      return true
    },
  )
})

test('where a proxy asks: the trust file’s address, unless that says nothing or another is given', () => {
  const at = (host: string, given?: string): string => {
    const authz: AuthzSettings[] = [{ proxy: 'haproxy', listen: { host, port: 9002 }, peers: [] }]
    return endpointFor(standTrust('http://127.0.0.1:1', { authz }), 'haproxy', 'HAProxy', given).authority
  }
  assert.equal(at('127.0.0.1'), '127.0.0.1:9002')
  assert.equal(at('::1'), '[::1]:9002')
  assert.equal(at('0.0.0.0', 'gateway.internal:9003'), 'gateway.internal:9003')
  for (const host of ['0.0.0.0', '::']) assert.throws(() => at(host), { code: 'export-impossible' })
  for (const given of ['x', 'x:0', 'x:70000', 'x:1 y', 'x:1\ny', '"x":1']) {
    assert.throws(() => at('127.0.0.1', given), { code: 'usage' }, given)
  }
  assert.throws(() => endpointFor(standTrust('http://127.0.0.1:1'), 'haproxy', 'HAProxy', undefined), {
    code: 'export-impossible',
  })
})

test('places and paths of targets', () => {
  assert.deepEqual(listenPlace('80'), { host: '0.0.0.0', port: 80 })
  assert.deepEqual(listenPlace('[::1]:8000'), { host: '::1', port: 8000 })
  assert.equal(hostOf('https://a.example/x'), 'a.example:443')
  assert.equal(hostOf('http://a.example'), 'a.example:80')
  assert.equal(pathOf('http://a.example/v2'), '/v2/')
  const service = standService('http://127.0.0.1:1', { tokenFrom: [{ kind: 'header', name: 'Token' }] })
  assert.deepEqual(tokenHeaders(service), ['Authorization', 'DPoP', 'Token'])
})
