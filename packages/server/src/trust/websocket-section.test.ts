import assert from 'node:assert/strict'
import { test } from 'node:test'
import { mistakesText } from './mistake.ts'
import { readTrust } from './read.ts'

test('a route alone, and what it means', () => {
  assert.deepEqual(read('{ routes: GET /live }').settings, {
    routes: ['GET /live'],
    connections: 1000,
    idleSeconds: 300,
    outlivesToken: false,
  })
})

test('all there is to say', () => {
  assert.deepEqual(
    read("{ routes: [GET /live, 'GET /rooms/{id}'], connections: 5, idle: 1h, outlivesToken: true }")
      .settings,
    { routes: ['GET /live', 'GET /rooms/{id}'], connections: 5, idleSeconds: 3600, outlivesToken: true },
  )
})

const mistakes: Readonly<Record<string, RegExp>> = {
  '{ routes: GET /lives }': /unknown route "GET \/lives"\n.*did you mean "GET \/live"/,
  '{ routes: POST /live }': /a WebSocket begins with GET/,
  '{ connections: 5 }': /websocket\.routes: missing/,
  '{ routes: GET /live, outlivesToken: false }': /expected true/,
  true: /expected a map/,
}
for (const [websocket, mistake] of Object.entries(mistakes)) {
  test(`refused: ${websocket}`, () => assert.match(read(websocket).mistakes, mistake))
}

function read(websocket: string) {
  const text = `
services:
  s:
    audience: s
    accepts: []
    at: /s
    upstream: http://127.0.0.1:1
    websocket: ${websocket}
    routes: { GET /live: open, POST /live: open, 'GET /rooms/{id}': open }`
  const reading = readTrust(text, { file: 'f', env: {}, readFile: () => '' })
  return {
    settings: reading.kind === 'trust' ? reading.trust.services.get('s')!.websocket : undefined,
    mistakes: reading.kind === 'mistakes' ? mistakesText('f', reading.mistakes) : '',
  }
}
