import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { mistakesText } from './mistake.ts'
import { readTrust } from './read.ts'
import type { ReadTrustOptions } from './read.ts'
import type { Trust } from './trust.ts'

const complete = `issuer:
  url: http://localhost:8080
  listen: 127.0.0.1:8080
  store: sqlite:countersign.db
  keys: { seal: { env: COUNTERSIGN_SEAL_KEY } }
gateway:
  listen: 127.0.0.1:9001
trusted:
  tutorial: { issuer: jwtgo.io, audience: billing.jwtgo.io, secret: { env: SECRET_KEY } }
services:
  billing:
    audience: https://billing.acme.example
    roles: [reader, admin]
    accepts: [own, tutorial]
    upstream: http://127.0.0.1:9101
    at: /billing
    routes:
      GET /health: open
      GET /invoices/{id}: { roles: reader }
      POST /invoices: { roles: admin, scopes: invoices:write }
clients:
  orders:
    authenticate: { secret: { env: ORDERS_SECRET } }
    may: { billing: { roles: [reader] } }
`
const env = {
  COUNTERSIGN_SEAL_KEY: 'k'.repeat(32),
  ORDERS_SECRET: 'o'.repeat(32),
  SECRET_KEY: 's'.repeat(32),
}
const small = 'upstream: http://127.0.0.1:1, routes: { GET /: open }'
const golden = join(import.meta.dirname, 'golden')

test('every mistake at once, each with its place and the next step', () => {
  const text = readFileSync(join(golden, 'ten-mistakes.yaml'), 'utf8')
  const reading = read(text, { env: { SECRET_KEY: 'unicorns', COUNTERSIGN_GATEWAY_LISTEN: 'everywhere' } })
  assert.equal(reading.kind, 'mistakes')
  const found = `${mistakesText('countersign.yaml', reading.mistakes)}\n`
  sameAsGolden(found, 'ten-mistakes.txt')
  assert.ok(!found.includes('hunter2') && !found.includes('unicorns'))
})

test('the common case: defaults filled in, names resolved, secrets loaded, frozen', () => {
  const trust = trustFrom(complete)
  assert.deepEqual(trust.issuer?.listen, { host: '127.0.0.1', port: 8080 })
  assert.equal(trust.issuer?.keys.algorithm, 'ES256')
  assert.equal(trust.issuer?.keys.rotateEverySeconds, 30 * 86_400)
  assert.equal(trust.issuer?.keys.seal?.byteLength, 32)
  assert.equal(trust.issuer?.tokens.lifetimeSeconds, 300)
  assert.deepEqual(trust.gateway, { listen: { host: '127.0.0.1', port: 9001 }, realm: 'countersign' })
  const billing = trust.services.get('billing')
  assert.deepEqual(billing?.accepts, ['tutorial'])
  assert.equal(billing?.acceptsOwn, true)
  assert.deepEqual(billing?.tokenFrom, [{ kind: 'bearer' }])
  assert.deepEqual(billing?.scopes, ['invoices:write'])
  assert.deepEqual(
    billing?.routes.map(({ method, template, line }) => [method, template, line]),
    [
      ['GET', '/health', 18],
      ['GET', '/invoices/{id}', 19],
      ['POST', '/invoices', 20],
    ],
  )
  assert.equal(trust.clients.get('orders')?.secrets[0]?.revealText(), 'o'.repeat(32))
  assert.deepEqual(trust.clients.get('orders')?.may, [{ service: 'billing', roles: ['reader'], scopes: [] }])
  assert.ok(Object.isFrozen(trust.services.get('billing')?.routes[1]?.requirement))
  assert.ok(Object.isFrozen(trust.issuer?.keys))
})

describe('whose secrets are loaded', () => {
  test('a gateway starts without the issuer’s and the clients’ secrets', () => {
    const trust = trustFrom(complete, { env: { SECRET_KEY: 's'.repeat(32) }, secretsFor: 'gateway' })
    assert.equal(trust.issuer?.keys.seal, undefined)
    assert.deepEqual(trust.clients.get('orders')?.secrets, [])
  })

  test('with none at all, nothing can be verified either', () => {
    const trust = trustFrom(complete, { env: {}, secretsFor: 'none' })
    const again = trustFrom(complete, { env: {}, secretsFor: 'none' })
    const secretOf = (read: Trust): string => {
      const keys = read.trusted.get('tutorial')?.keys
      return keys?.kind === 'secret' ? Buffer.from(keys.secret.reveal()).toString('hex') : ''
    }
    assert.equal(secretOf(trust).length, 128)
    assert.notEqual(secretOf(trust), secretOf(again))
  })

  test('an issuer needs them', () => {
    const reading = read(complete, { env: { SECRET_KEY: 's'.repeat(32) }, secretsFor: 'issuer' })
    assert.deepEqual(paths(reading), ['issuer.keys.seal', 'clients.orders.authenticate.secret'])
  })
})

describe('what must agree across the file', () => {
  test('one issuer, one name: also ours', () => {
    const reading = read(complete.replace('issuer: jwtgo.io', 'issuer: http://localhost:8080'))
    assert.deepEqual(lines(reading), [
      'trusted.tutorial.issuer: the same issuer as on line 2 → give each its own',
    ])
  })

  test('nested prefixes are a warning, for the longer one wins', () => {
    const reading = read(
      complete.replace('services:', `services:\n  deep: { audience: x, at: /billing/deep, ${small} }`),
    )
    assert.equal(reading.kind, 'trust')
    assert.deepEqual(
      reading.warnings.map(({ path, message }) => [path, message]),
      [['services.deep.at', 'lies inside /billing on line 17: the longer prefix wins']],
    )
  })

  test('the root prefix beside others is no warning', () => {
    const reading = read(complete.replace('services:', `services:\n  rest: { audience: x, at: /, ${small} }`))
    assert.equal(reading.kind, 'trust')
    assert.deepEqual(reading.warnings, [])
  })

  test('clients need an issuer', () => {
    const reading = read('clients: { a: { authenticate: { secret: { env: ORDERS_SECRET } } } }')
    assert.deepEqual(lines(reading), [
      'clients: clients get their tokens from our issuer, and there is no issuer section → add one',
    ])
  })

  test('a file that is no map says what belongs there', () => {
    assert.deepEqual(lines(read('- 1')), [
      'expected a map with issuer, gateway, trusted, services, clients, transactions, operations or trustedProxies, got a list',
    ])
  })
})

test('short secrets pass only where the caller says the dangerous word, and are marked', () => {
  const options = { env: { ...env, SECRET_KEY: 'unicorns' } }
  assert.deepEqual(paths(read(complete, options)), ['trusted.tutorial.secret'])
  const trust = trustFrom(complete, { ...options, dangerouslyShortSecrets: true })
  const keys = trust.trusted.get('tutorial')?.keys
  assert.equal(keys?.kind === 'secret' && keys.dangerouslyShort, true)
})

describe('never throws, never shows a secret', () => {
  const pieces = fc.constantFrom(
    ...complete.split(/(?<=[\s:,{}[\]])|(?=[\s:,{}[\]])/),
    '- ',
    '? ',
    '&a ',
    '*a',
    '!!str ',
    '|\n',
    '>',
    "'",
    '"',
    '\t',
    '%YAML 1.1\n',
    '---\n',
    '__proto__',
    '\u0000',
    '\ud800',
  )

  test('any text', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 200 }), (text) => neverThrows(text)),
      { numRuns: 200 },
    )
  })

  test('any mixture of the pieces of a trust file', () => {
    fc.assert(
      fc.property(fc.array(pieces, { maxLength: 80 }), (parts) => neverThrows(parts.join(''))),
      { numRuns: 200 },
    )
  })

  test('a trust file with pieces replaced', () => {
    const tokens = complete.split(/(?<=[\s:,{}[\]])|(?=[\s:,{}[\]])/)
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(tokens.length - 1), pieces), { maxLength: 4 }), (edits) => {
        const edited = [...tokens]
        for (const [index, piece] of edits) edited[index] = piece
        neverThrows(edited.join(''))
      }),
      { numRuns: 300 },
    )
  })

  test('a secret written into any place of the file is never repeated', () => {
    const secret = 'hunter2@Hunter2'
    const values = complete.match(/(?<=: )[^\s{}[\],]+/g) ?? []
    assert.ok(values.length > 10)
    for (const value of values) {
      const reading = read(complete.replace(`: ${value}`, `: ${secret}`))
      if (reading.kind !== 'mistakes') continue
      assert.ok(!JSON.stringify(reading).includes(secret), `${value}: ${JSON.stringify(reading.mistakes)}`)
    }
  })
})

function neverThrows(text: string): void {
  const reading = read(text)
  if (reading.kind === 'mistakes') assert.ok(reading.mistakes.length > 0)
  for (const mistake of reading.kind === 'mistakes' ? reading.mistakes : []) {
    assert.ok(mistake.line >= 1 && mistake.column >= 1 && mistake.message !== '')
  }
}

function read(text: string, options: Partial<ReadTrustOptions> = {}): ReturnType<typeof readTrust> {
  return readTrust(text, { file: 'countersign.yaml', env, readFile: noFiles, ...options })
}

function trustFrom(text: string, options: Partial<ReadTrustOptions> = {}): Trust {
  const reading = read(text, options)
  assert.equal(reading.kind, 'trust', reading.kind === 'mistakes' ? mistakesText('f', reading.mistakes) : '')
  return reading.kind === 'trust' ? reading.trust : assert.fail()
}

function paths(reading: ReturnType<typeof readTrust>): string[] {
  return reading.kind === 'mistakes' ? reading.mistakes.map(({ path }) => path) : []
}

function lines(reading: ReturnType<typeof readTrust>): string[] {
  const mistakes = reading.kind === 'mistakes' ? reading.mistakes : []
  return mistakes.map(
    ({ path, message, next }) =>
      `${path === '' ? '' : `${path}: `}${message}${next === undefined ? '' : ` → ${next}`}`,
  )
}

function noFiles(path: string): string {
  throw Object.assign(new Error(path), { code: 'ENOENT' })
}

function sameAsGolden(found: string, name: string): void {
  const path = join(golden, name)
  if (process.env['UPDATE_GOLDEN'] === '1') writeFileSync(path, found)
  assert.equal(found, readFileSync(path, 'utf8'))
}
