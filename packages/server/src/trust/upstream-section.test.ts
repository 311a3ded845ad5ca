import assert from 'node:assert/strict'
import { test } from 'node:test'
import { mistakesText } from './mistake.ts'
import { readTrust } from './read.ts'
import type { Service } from './trust.ts'

test('one URL says it all', () => {
  const service = read('http://127.0.0.1:1')
  assert.deepEqual([service.upstream, service.upstreamSettings], ['http://127.0.0.1:1', undefined])
})

test('several URLs, with what they mean unless more is said', () => {
  const service = read('[http://127.0.0.1:1, http://127.0.0.1:2]')
  assert.equal(service.upstream, 'http://127.0.0.1:1')
  assert.deepEqual(service.upstreamSettings, {
    targets: ['http://127.0.0.1:1', 'http://127.0.0.1:2'],
    balance: 'least-pending',
    protocol: 'http/1.1',
    timeouts: {
      connectSeconds: undefined,
      replySeconds: undefined,
      stallSeconds: undefined,
      idleSeconds: undefined,
    },
    connections: undefined,
    waiting: undefined,
    eject: { after: 5, forSeconds: 10 },
    probe: undefined,
    retries: { most: 1, percent: 20 },
    tls: undefined,
  })
})

test('all there is to say', () => {
  const { upstreamSettings } = read(`{
    targets: https://a, balance: round-robin, connections: 8, waiting: 0,
    timeouts: { connect: 1s, reply: 2s, stall: 3s, idle: 4s }, eject: { after: 1, for: 1m },
    probe: { path: /health }, retries: { most: 0, percent: 0 },
    tls: { ca: { file: /ca.pem }, certificate: { file: /c.pem }, key: { file: /k.pem }, serverName: a.internal } }`)
  assert.deepEqual(upstreamSettings, {
    targets: ['https://a'],
    balance: 'round-robin',
    protocol: 'http/1.1',
    timeouts: { connectSeconds: 1, replySeconds: 2, stallSeconds: 3, idleSeconds: 4 },
    connections: 8,
    waiting: 0,
    eject: { after: 1, forSeconds: 60 },
    probe: { path: '/health', everySeconds: 5, timeoutSeconds: 2, wellAfter: 2, outAfter: 3 },
    retries: { most: 0, percent: 0 },
    tls: { caFile: '/ca.pem', certificateFile: '/c.pem', keyFile: '/k.pem', serverName: 'a.internal' },
  })
})

test('HTTP/2 is said', () => {
  assert.equal(read('{ targets: http://a, protocol: h2 }').upstreamSettings?.protocol, 'h2')
})

const mistakes: Readonly<Record<string, RegExp>> = {
  '[]': /upstream: expected at least one|upstream: expected at least 1 of: URLs/,
  'orders:8080': /upstream: expected http:\/\/ or https:\/\//,
  '[http://a, http://a]': /upstream\[1\].*: the same target twice|upstream.1: the same target twice/,
  '{ balance: round-robin }': /upstream\.targets: missing/,
  '{ targets: http://a, ballance: x }': /unknown key "ballance"\n.*did you mean "balance"/,
  '{ targets: http://a, protocol: h2, probe: { path: /health } }': /probe: a probe asks by HTTP\/1\.1/,
  '{ targets: http://a, connections: 0 }':
    /connections: expected a whole number from 1 to 65535, got the number 0/,
  '{ targets: http://a, retries: { percent: 20% } }': /percent: expected a whole number/,
  '{ targets: http://a, tls: { serverName: b } }': /tls is for https:\/\/ targets/,
  '{ targets: https://a, tls: { certificate: { file: c } } }': /certificate and key need each other/,
  '{ targets: https://a, tls: { key: { file: c } } }': /certificate and key need each other/,
}
for (const [upstream, mistake] of Object.entries(mistakes)) {
  test(`refused: ${upstream}`, () => assert.match(mistakesOf(upstream), mistake))
}

function readAll(upstream: string) {
  const text = `services: { s: { audience: s, accepts: [], at: /s, upstream: ${upstream}, routes: { GET /: open } } }`
  return readTrust(text, { file: 'f', env: {}, readFile: () => 'PEM' })
}

function read(upstream: string): Service {
  const reading = readAll(upstream)
  assert.ok(reading.kind === 'trust', mistakesOf(upstream))
  return reading.trust.services.get('s')!
}

function mistakesOf(upstream: string): string {
  const reading = readAll(upstream)
  return reading.kind === 'mistakes' ? mistakesText('f', reading.mistakes) : ''
}
