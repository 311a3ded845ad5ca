import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Secret } from '../core/secret.ts'
import { generateSigningKey, readSecretKey, verificationKey } from '../jwt/key-readers.ts'
import { dangerouslyAnyAudience } from '../jwt/verifier-options.ts'
import { createTestIssuer } from './memory-issuer.ts'
import { readClients } from './test-client.ts'
import type { TestClient } from './test-client.ts'

test('a text is a secret, and what is not said is nothing, or the issuer’s own audience', () => {
  const clients = readClients({ a: 's', b: { secret: 's', mayExchange: dangerouslyAnyAudience } }, 'billing')
  assert.deepEqual(clients.get('a'), {
    secret: 's',
    roles: [],
    scopes: [],
    mayCall: undefined,
    mayExchange: ['billing'],
    mayExchangeBound: false,
    mayTransact: [],
  })
  assert.equal(clients.get('b')?.mayExchange, dangerouslyAnyAudience)
})

test('a client shows one thing, and nothing of it is misspelt', () => {
  const publicKey = verificationKey(generateSigningKey('ES256'))
  const federated = { issuer: createTestIssuer(), subject: 'x' }
  const shared = readSecretKey(Secret.fromText('s'.repeat(32)), { algorithm: 'HS256' })
  for (const client of [
    {},
    '',
    { roles: ['reader'] },
    { secret: 's', publicKey },
    { publicKey, federated },
    { publicKey: {} },
    { publicKey: shared },
    { federated: { ...federated, issuer: createTestIssuer({ algorithm: 'HS256' }) } },
    { secret: 7 },
  ] as TestClient[]) {
    assert.throws(() => readClients({ orders: client }, 'x'), { code: 'option-invalid' })
  }
  assert.throws(() => readClients({ orders: { secret: 's', role: ['reader'] } as TestClient }, 'x'), {
    code: 'option-unknown',
    next: 'did you mean "roles"?',
  })
})
