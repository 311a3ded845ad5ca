import assert from 'node:assert/strict'
import { resolve } from 'node:path'
import { describe, test } from 'node:test'
import { mistakesText } from './mistake.ts'
import { readTrust } from './read.ts'
import type { SecretsFor } from './reading.ts'

const env = {
  SEAL: 's'.repeat(32),
  SHORT: 'x',
  DB: 'postgres://u:hunter2@h/d',
  BAD_DB: 'mysql://u:hunter2@h/d',
}

describe('stores', () => {
  test('memory needs no seal', () =>
    assert.deepEqual(read("store: 'memory:'").issuer?.store, { kind: 'memory' }))

  test('a file is found from the trust file', () => {
    const { issuer } = read('store: sqlite:c.db, keys: { seal: { env: SEAL } }')
    assert.deepEqual(issuer?.store, { kind: 'sqlite', path: resolve('etc/c.db') })
    assert.deepEqual(read('store: sqlite:/var/c.db, keys: { dangerouslyUnsealed: true }').issuer?.store, {
      kind: 'sqlite',
      path: '/var/c.db',
    })
  })

  test('a URL with a password comes from elsewhere', () => {
    const { issuer } = read('store: { env: DB }, keys: { seal: { env: SEAL } }')
    assert.equal(issuer?.store.kind === 'postgres' && issuer.store.url.revealText(), env.DB)
  })

  test('a gateway does not need it', () => {
    const { issuer } = read('store: { env: UNSET }, keys: { seal: { env: UNSET } }', 'gateway')
    assert.deepEqual([issuer?.store.kind, issuer?.keys.seal], ['postgres', undefined])
  })

  const wrong: [store: string, mistake: RegExp][] = [
    ['memory', /got "memory"\n {4}next: write memory: with the colon/],
    ['c.db', /next: write sqlite:c\.db/],
    ["'sqlite:'", /expected sqlite: and the path of a file/],
    ['sqlite://c.db', /expected sqlite: and the path of a file/],
    ["'sqlite::memory:'", /next: write sqlite:countersign\.db, or memory:/],
    ['mysql://h/d', /expected memory:, sqlite:path or postgres:/],
    [
      'postgres://u:hunter2@h/d',
      /a password never stands in the trust file\n {4}next: write store: \{ env: DATABASE_URL \}/,
    ],
    ['postgres://h/d?password=hunter2', /a password never stands/],
    ['postgres:/u:hunter2@h/d', /got \[hidden\]/],
    ['{ env: BAD_DB }', /expected memory:, sqlite:path or postgres:\/\/user@host\/database there/],
    ['8', /got the number 8/],
  ]
  for (const [store, mistake] of wrong) {
    test(store, () => {
      const { mistakes } = read(`store: ${store}, keys: { seal: { env: SEAL } }`)
      assert.match(mistakes, mistake)
      assert.ok(!mistakes.includes('hunter2'))
    })
  }
})

describe('private keys at rest are sealed, or the danger is spelled out', () => {
  const wrong: [keys: string, mistake: RegExp][] = [
    ['', /issuer\.keys\.seal: missing: private keys would lie open in the store/],
    ['keys: { algorithm: ES256 }', /issuer\.keys\.seal: missing/],
    [
      'keys: { seal: { env: SHORT } }',
      /issuer\.keys\.seal: the secret has 1 bytes; a seal key needs at least 32/,
    ],
    ['keys: { seal: { env: SEAL }, dangerouslyUnsealed: true }', /exclude each other/],
    ['keys: { dangerouslyUnsealed: false }', /expected true, got false\n {4}next: leave the key out/],
  ]
  for (const [keys, mistake] of wrong) {
    test(keys || 'nothing said', () => {
      const { mistakes } = read(`store: sqlite:c.db, ${keys}`)
      assert.match(mistakes, mistake)
      assert.equal(mistakes.match(/^f:/gm)?.length, 1, mistakes)
    })
  }

  test('a database server counts as at rest', () => {
    assert.match(read('store: postgres://u@h/d').mistakes, /seal: missing/)
    assert.match(read('store: { env: DB }').mistakes, /seal: missing/)
  })

  test('memory may be sealed as well', () => {
    assert.equal(read("store: 'memory:', keys: { seal: { env: SEAL } }").issuer?.keys.seal?.byteLength, 32)
  })
})

test('lifetimes have bounds', () => {
  const { issuer } = read(
    "store: 'memory:', keys: { rotateEvery: 12h, algorithm: EdDSA }, tokens: { lifetime: 90s }",
  )
  assert.deepEqual(
    [issuer?.keys.rotateEverySeconds, issuer?.keys.algorithm, issuer?.tokens.lifetimeSeconds],
    [43_200, 'EdDSA', 90],
  )
  assert.match(read("store: 'memory:', tokens: { lifetime: 30d }").mistakes, /expected 10s to 1d, got "30d"/)
})

test('HMAC for our own tokens is refused for what it is', () => {
  assert.match(
    read("store: 'memory:', keys: { algorithm: HS512 }").mistakes,
    /with HS512, whoever verifies a token could sign one as well\n {4}next: write ES256/,
  )
})

function read(members: string, secretsFor: SecretsFor = 'all') {
  const text = `issuer: { url: http://localhost:8080, listen: 127.0.0.1:8080, ${members} }`
  const reading = readTrust(text, { file: 'etc/f', env, readFile: () => '', secretsFor })
  return {
    issuer: reading.kind === 'trust' ? reading.trust.issuer : undefined,
    mistakes: reading.kind === 'mistakes' ? mistakesText('f', reading.mistakes) : '',
  }
}
