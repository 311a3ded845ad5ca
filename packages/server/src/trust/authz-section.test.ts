import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readTrust } from './read.ts'
import type { AuthzSettings } from './trust.ts'

test('each kind of proxy has an address of its own', () => {
  assert.deepEqual(authzOf('{ nginx: { listen: 127.0.0.1:9002 }, envoyGrpc: { listen: "[::1]:9003" } }'), [
    { proxy: 'nginx', listen: { host: '127.0.0.1', port: 9002 }, peers: [] },
    { proxy: 'envoyGrpc', listen: { host: '::1', port: 9003 }, peers: [] },
  ])
  assert.equal(authzOf(undefined), undefined)
})

test('an address others can reach names who may', () => {
  assert.deepEqual(authzOf('{ traefik: { listen: 0.0.0.0:9002, peers: [10.0.0.0/8] } }'), [
    { proxy: 'traefik', listen: { host: '0.0.0.0', port: 9002 }, peers: ['10.0.0.0/8'] },
  ])
  for (const [text, message] of [
    ['{ traefik: { listen: 0.0.0.0:9002 } }', /whoever reaches this address is believed/],
    ['{ traefik: { listen: 0.0.0.0:9002, peers: [0.0.0.0/0] } }', /everybody is in this network/],
    ['{ traefik: { listen: 0.0.0.0:9002, peers: [] } }', /at least 1/],
    ['{ nginx: { listen: 127.0.0.1:9001 } }', /something else of the gateway listens there/],
    ['{ nginx: { listen: 127.0.0.1:9002 }, caddy: { listen: 127.0.0.1:9002 } }', /something else/],
    ['{ nginx: {} }', /missing/],
    ['{ apache: { listen: 127.0.0.1:9002 } }', /unknown key "apache"/],
  ] as const) {
    assert.match(String(authzOf(text)), message, text)
  }
})

/** The settings, or the mistakes. */
function authzOf(section: string | undefined): readonly AuthzSettings[] | string | undefined {
  const text = `gateway:\n  listen: 127.0.0.1:9001\n${section === undefined ? '' : `  authz: ${section}\n`}`
  const reading = readTrust(text, { file: 'test.yaml', env: {}, readFile: () => '' })
  return reading.kind === 'mistakes'
    ? reading.mistakes.map(({ message }) => message).join()
    : reading.trust.gateway!.authz
}
