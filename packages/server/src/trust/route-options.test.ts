import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readTrust } from './read.ts'
import type { TrustReading } from './read.ts'
import type { Route } from './trust.ts'

test('options stand beside a policy, or beside require', () => {
  assert.deepEqual(routeOf('{ roles: reader, limit: 10/s }'), {
    requirement: { roles: ['reader'] },
    limit: { perSecond: 10, burst: 10 },
  })
  assert.deepEqual(routeOf('{ require: open, limit: 600/m }'), {
    requirement: 'open',
    limit: { perSecond: 10, burst: 600 },
  })
  assert.deepEqual(routeOf('{ require: { scopes: read }, when: params.id == claims.account }'), {
    requirement: { scopes: ['read'] },
    when: 'params.id == claims.account',
  })
  assert.deepEqual(routeOf('{ roles: reader }'), { requirement: { roles: ['reader'] } })
})

test('a dry run is spelled out, and warned about', () => {
  const reading = read('{ roles: reader, dangerouslyDryRun: true }')
  assert.ok(reading.kind === 'trust')
  assert.equal(reading.trust.services.get('billing')!.routes[0]!.dryRun, true)
  const [warning] = reading.warnings
  assert.match(warning!.message, /dry run: nobody is refused/)
  assert.equal(warning!.line, 10)
})

for (const [text, message] of [
  ['{ limit: 10/s }', /nothing says who may/],
  ['{ require: open, roles: reader }', /say two things/],
  ['{ require: opne, limit: 10/s }', /expected open, authenticated or a policy/],
  ['{ roles: reader, limit: 10 }', /expected a rate/],
  ['{ roles: reader, limit: 10/d }', /expected a rate/],
  ['{ roles: reader, limti: 10/s, when: "true" }', /unknown key "limti"/],
  ['{ roles: raeder, limit: 10/s }', /unknown role "raeder"/],
  ['{ require: { roles: raeder }, limit: 10/s }', /unknown role "raeder"/],
  ['{ roles: reader, dangerouslyDryRun: false }', /expected true, got false/],
  ['{ roles: reader, dryRun: true }', /unknown key "dryRun"/],
  ['{ roles: reader, when: 7 }', /expected a condition in CEL/],
  [`{ roles: reader, when: "${'true && '.repeat(150)}true" }`, /at most 1000 characters/],
] as const) {
  test(`refused: ${text.slice(0, 60)}`, () => {
    const reading = read(text)
    assert.ok(reading.kind === 'mistakes')
    assert.match(reading.mistakes.map((one) => one.message).join('\n'), message)
  })
}

test('a mistake in a condition is shown where it is', () => {
  const reading = read('\n        roles: reader\n        when: params.id == claim.account')
  assert.ok(reading.kind === 'mistakes')
  const [{ line, column, message }] = reading.mistakes as [(typeof reading.mistakes)[0]]
  assert.deepEqual([line, column], [12, 28])
  assert.match(message, /CEL, character 14: Unknown variable: claim/)
})

/** The route as read, without what is the same everywhere. */
function routeOf(text: string): Partial<Route> {
  const reading = read(text)
  assert.ok(reading.kind === 'trust', JSON.stringify(reading))
  const { method: _, template: __, line: ___, ...rest } = reading.trust.services.get('billing')!.routes[0]!
  return rest
}

function read(route: string): TrustReading {
  const text = `issuer:
  url: http://localhost:8080
  listen: 127.0.0.1:8080
  store: 'memory:'
services:
  billing:
    audience: billing
    roles: [reader]
    routes:
      GET /accounts/{id}: ${route}
`
  return readTrust(text, { file: 'test.yaml', env: {}, readFile: () => '' })
}
