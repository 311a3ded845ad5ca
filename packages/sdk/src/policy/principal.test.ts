import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createKeySet } from '../jwt/key-set.ts'
import { generateSigningKey, verificationKey } from '../jwt/key-readers.ts'
import { createSigner } from '../jwt/signer.ts'
import type { VerifiedToken } from '../jwt/verified-token.ts'
import { createVerifier } from '../jwt/verifier.ts'
import { readPrincipal } from './principal.ts'
import type { ClaimMapping, Principal } from './principal.ts'

test('a token of RFC 9068 becomes a principal', () => {
  const principal = read({
    sub: 'orders',
    client_id: 'orders',
    jti: 'j1',
    scope: 'invoices:read invoices:write',
    roles: ['reader', 'admin'],
  })
  assert.equal(principal.kind, 'client')
  assert.equal(principal.issuer, 'https://issuer.example')
  assert.equal(principal.subject, 'orders')
  assert.equal(principal.clientId, 'orders')
  assert.equal(principal.tokenId, 'j1')
  assert.equal(principal.expiresAtSeconds, 2_000)
  assert.equal(principal.actor, undefined)
  assert.deepEqual([...principal.scopes], ['invoices:read', 'invoices:write'])
  assert.deepEqual([...principal.roles], ['reader', 'admin'])
  assert.equal(principal.claims['jti'], 'j1')
})

test('scopes are those of the very token, however many tokens have been read', () => {
  const long = Array.from({ length: 60 }, (_, index) => `scope-${index}`).join(' ')
  for (const round of [1, 2]) {
    for (const scope of ['a', 'a b', 'b a', 'a  b', '', long]) {
      const expected = scope.split(' ').filter((one) => one !== '')
      assert.deepEqual([...read({ scope }).scopes], expected, `${round}: ${scope}`)
    }
    assert.deepEqual([...read({ scp: ['a b', 'c'] }).scopes], ['a b', 'c'])
    assert.deepEqual([...read({ scp: 'a b' }).scopes], ['a', 'b'])
    for (let index = 0; index < 300; index++) {
      assert.ok(read({ scope: `one-${index} two` }).scopes.has(`one-${index}`))
    }
  }
})

test('roles are those of the very token as well, whatever their names are made of', () => {
  const lists = [
    [],
    ['a'],
    ['a', 'b'],
    ['b', 'a'],
    ['a,b'],
    ['a","b'],
    ['["a"]'],
    ['a\\', 'b'],
    Array.from({ length: 60 }, (_, index) => `role-${index}`),
  ]
  for (const round of [1, 2]) {
    for (const roles of lists) assert.deepEqual([...read({ roles }).roles], roles, String(round))
    assert.deepEqual([...read({ roles: '["a"]', scope: '["a"]' }).roles], ['["a"]'])
    assert.deepEqual([...read({ scope: '["a"]' }).scopes], ['["a"]'])
    for (let index = 0; index < 300; index++) {
      assert.deepEqual([...read({ roles: [`role-${index}`] }).roles], [`role-${index}`])
    }
  }
})

test('who is a client and who a user', () => {
  for (const [claims, kind] of [
    [{}, 'client'],
    [{ client_id: 'orders' }, 'client'],
    [{ sub: 'orders', azp: 'orders' }, 'client'],
    [{ sub: 'x@clients', azp: 'x', gty: 'client-credentials' }, 'client'],
    [{ sub: 'x', azp: 'y', idtyp: 'app' }, 'client'],
    [{ sub: 'alice' }, 'user'],
    [{ sub: 'alice', client_id: 'web' }, 'user'],
  ] as const) {
    assert.equal(read(claims).kind, kind, JSON.stringify(claims))
  }
})

test('roles are found where the mapping says, and nowhere else', () => {
  const claims = { realm_access: { roles: ['a'] }, 'https://acme.example/roles': ['b'], roles: ['c'] }
  assert.deepEqual([...read(claims).roles], ['c'])
  assert.deepEqual([...read(claims, { roles: '/realm_access/roles' }).roles], ['a'])
  assert.deepEqual([...read(claims, { roles: 'https://acme.example/roles' }).roles], ['b'])
  assert.deepEqual([...read(claims, { roles: '/nowhere' }).roles], [])
  assert.throws(() => read(claims, { roles: '/a~' }), { code: 'policy-invalid' })
})

test('roles of another shape are no roles, not even partly', () => {
  for (const roles of [
    ['admin', 7],
    ['admin', null],
    ['admin', ['x']],
    ['admin', ''],
    { admin: true },
    7,
    '',
    null,
  ]) {
    assert.deepEqual([...read({ roles }).roles], [], JSON.stringify(roles))
  }
  assert.deepEqual([...read({ roles: 'admin reader' }).roles], ['admin reader'], 'one string is one role')
})

test('scopes come as a string or a list', () => {
  assert.deepEqual([...read({ scope: ' a  b ' }).scopes], ['a', 'b'])
  assert.deepEqual([...read({ scp: ['a', 'b'] }).scopes], ['a', 'b'])
  assert.deepEqual([...read({ scp: 'a b' }).scopes], ['a', 'b'])
  assert.deepEqual([...read({ scope: 'a', scp: 'b' }).scopes], ['a'])
  assert.deepEqual([...read({}).scopes], [])
})

test('the actor chain is read from the outside in', () => {
  const act = { sub: 'orders', act: { sub: 'web', iss: 'https://other.example' } }
  assert.deepEqual(read({ sub: 'alice', act }).actor, {
    subject: 'orders',
    issuer: undefined,
    actor: { subject: 'web', issuer: 'https://other.example', actor: undefined },
  })
})

test('a chain that cannot be read refuses the token', () => {
  const deep = (levels: number): unknown => (levels === 0 ? undefined : { sub: 's', act: deep(levels - 1) })
  assert.ok(!('reason' in readPrincipal(verified({ act: deep(16) }))))
  for (const act of ['orders', null, [], {}, { sub: '' }, { sub: 7 }, { sub: 's', iss: 7 }, deep(17)]) {
    const principal = readPrincipal(verified({ sub: 'alice', act }))
    assert.equal('reason' in principal && principal.reason, 'claim-malformed', JSON.stringify(act))
  }
  const nested = readPrincipal(verified({ act: { sub: 's', act: 'direct' } }))
  assert.ok('reason' in nested)
})

test('a principal cannot be changed, since many requests share it', () => {
  const principal = read({ roles: ['reader'], nested: { list: [1] } })
  const roles = principal.roles as Set<string>
  assert.throws(() => roles.add('admin'), TypeError)
  assert.throws(() => roles.delete('reader'), TypeError)
  assert.throws(() => roles.clear(), TypeError)
  assert.throws(() => Object.assign(principal, { roles: new Set(['admin']) }), TypeError)
  assert.throws(() => (principal.claims['nested'] as { list: number[] }).list.push(2), TypeError)
  assert.deepEqual([...principal.roles], ['reader'])
})

const key = generateSigningKey('ES256')
const signer = createSigner({ key })
const verifier = createVerifier({
  issuer: 'https://issuer.example',
  audience: 'billing',
  keySet: createKeySet([verificationKey(key)]),
  clock: () => 1_000_000,
})

function read(claims: Record<string, unknown>, mapping?: ClaimMapping): Principal {
  const principal = readPrincipal(verified(claims), mapping)
  assert.ok('issuer' in principal, JSON.stringify(principal))
  return principal
}

function verified(claims: Record<string, unknown>): VerifiedToken {
  const token = signer.sign({ iss: 'https://issuer.example', aud: 'billing', exp: 2_000, ...claims })
  const verification = verifier.verifyNow(token)
  assert.equal(verification?.kind, 'verified', JSON.stringify(verification))
  return (verification as { token: VerifiedToken }).token
}
