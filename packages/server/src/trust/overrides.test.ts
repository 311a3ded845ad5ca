import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { trustFile } from './file-shape.ts'
import { mistakesText } from './mistake.ts'
import { overrideNames, variableName } from './overrides.ts'
import { readTrust } from './read.ts'
import type { TrustReading } from './read.ts'
import { readTree } from './tree.ts'

const file = `issuer: { url: http://localhost:8080, listen: 127.0.0.1:8080, store: 'memory:' }
gateway: { listen: 127.0.0.1:9001 }
services:
  order-api:
    audience: orders
    upstream: http://127.0.0.1:1
    at: /orders
    routes: { GET /: authenticated }
`

describe('a variable replaces a text that stands alone', () => {
  test('in a section, in a named entry, and where the file says nothing', () => {
    const trust = trustFrom({
      COUNTERSIGN_ISSUER_LISTEN: '0.0.0.0:1',
      COUNTERSIGN_SERVICES_ORDER_API_UPSTREAM: 'http://orders:8080',
      COUNTERSIGN_ISSUER_TOKENS_LIFETIME: '1m',
      COUNTERSIGN_ISSUER_KEYS_ROTATE_EVERY: '7d',
      COUNTERSIGN_GATEWAY_REALM: 'acme',
    })
    assert.deepEqual(trust.issuer?.listen, { host: '0.0.0.0', port: 1 })
    assert.equal(trust.issuer?.tokens.lifetimeSeconds, 60)
    assert.equal(trust.issuer?.keys.rotateEverySeconds, 604_800)
    assert.equal(trust.services.get('order-api')?.upstream, 'http://orders:8080')
    assert.equal(trust.gateway?.realm, 'acme')
  })

  test('from a mounted file, without its last line break', () => {
    const trust = trustFrom({ COUNTERSIGN_ISSUER_LISTEN_FILE: '/run/listen' })
    assert.deepEqual(trust.issuer?.listen, { host: '127.0.0.1', port: 7 })
  })

  test('a password belongs in a variable, not in the file', () => {
    const trust = trustFrom(
      {
        COUNTERSIGN_ISSUER_STORE: 'postgres://u:hunter2@h/d',
        COUNTERSIGN_SEAL: 'x'.repeat(32),
      },
      file.replace("store: 'memory:'", "store: 'memory:', keys: { seal: { env: COUNTERSIGN_SEAL } }"),
    )
    assert.equal(
      trust.issuer?.store.kind === 'postgres' && trust.issuer.store.url.revealText(),
      'postgres://u:hunter2@h/d',
    )
  })

  test('an override is checked like the file: a database on disk still needs a seal', () => {
    assert.match(
      mistakes({ COUNTERSIGN_ISSUER_STORE: 'sqlite:/var/lib/c.db' }),
      /issuer\.keys\.seal: missing/,
    )
  })
})

describe('what a variable cannot do', () => {
  test('say what is wrong without naming the variable', () => {
    assert.equal(
      mistakes({ COUNTERSIGN_ISSUER_TOKENS_LIFETIME: '5' }),
      'COUNTERSIGN_ISSUER_TOKENS_LIFETIME: issuer.tokens.lifetime: expected a duration such as 30s, 5m, 12h or 30d, got "5"',
    )
  })

  test('stand beside its _FILE', () => {
    assert.match(
      mistakes({ COUNTERSIGN_ISSUER_LISTEN: '127.0.0.1:1', COUNTERSIGN_ISSUER_LISTEN_FILE: '/run/listen' }),
      /are both set/,
    )
    assert.match(
      mistakes({ COUNTERSIGN_ISSUER_LISTEN_FILE: '/nowhere' }),
      /cannot read the file \/nowhere \(ENOENT\)/,
    )
  })

  test('open a route, grant a role, make a danger, name a secret or start a section', () => {
    const names = [...overrideNames(treeOf(file), trustFile).keys()]
    assert.deepEqual(
      names.filter((name) => /ROUTES|MAY|ACCEPTS|DANGER|SEAL|SECRET|TOKEN_FROM|TRUSTED|CLIENTS/.test(name)),
      [],
    )
    assert.ok(names.includes('COUNTERSIGN_SERVICES_ORDER_API_AT'))
    const reading = read({ COUNTERSIGN_CLIENTS_A_MAY: 'x', COUNTERSIGN_SERVICES_ORDER_API_ROUTES: 'open' })
    assert.equal(reading.kind, 'trust')
    assert.equal(reading.warnings.length, 2)
  })
})

test('a misspelt variable is a warning with the nearest; what Kubernetes sets for services is not', () => {
  const reading = read({
    COUNTERSIGN_GATEWAY_LISTN: 'x',
    COUNTERSIGN_GATEWAY_PORT: 'tcp://10.0.0.1:80',
    COUNTERSIGN_GATEWAY_SERVICE_HOST: '10.0.0.1',
    COUNTERSIGN_GATEWAY_SERVICE_PORT_HTTP: '80',
    COUNTERSIGN_GATEWAY_PORT_80_TCP_ADDR: '10.0.0.1',
    COUNTERSIGN_CONFIG: 'x',
  })
  assert.equal(
    mistakesText('f', reading.warnings),
    'COUNTERSIGN_GATEWAY_LISTN: replaces nothing in this file\n    next: did you mean COUNTERSIGN_GATEWAY_LISTEN?',
  )
})

test('names of variables', () => {
  assert.equal(
    variableName(['services', 'order-api', 'tokenFrom']),
    'COUNTERSIGN_SERVICES_ORDER_API_TOKEN_FROM',
  )
})

function read(env: Record<string, string>, text = file): TrustReading {
  const readFile = (path: string): string => {
    if (path === '/run/listen') return '127.0.0.1:7\n'
    throw Object.assign(new Error(path), { code: 'ENOENT' })
  }
  return readTrust(text, { file: 'f', env, readFile })
}

function trustFrom(env: Record<string, string>, text = file) {
  const reading = read(env, text)
  return reading.kind === 'trust' ? reading.trust : assert.fail(mistakesText('f', reading.mistakes))
}

function mistakes(env: Record<string, string>): string {
  const reading = read(env)
  return reading.kind === 'mistakes' ? mistakesText('f', reading.mistakes) : ''
}

function treeOf(text: string) {
  const parsed = readTree(text)
  return parsed.kind === 'tree' ? parsed.tree : assert.fail()
}
