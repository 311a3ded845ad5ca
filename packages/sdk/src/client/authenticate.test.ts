import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { authenticate, chooseMethod, isAuthenticationMethod } from './authenticate.ts'

test('in the header, both halves form-encoded before they are joined', () => {
  const { headers, fields } = authenticate('client_secret_basic', 'a:b c', 'ü%+&=/')
  assert.deepEqual(fields, {})
  assert.equal(decoded(headers['Authorization']!), 'a%3Ab+c:%C3%BC%25%2B%26%3D%2F')
})

test('in the form', () => {
  assert.deepEqual(authenticate('client_secret_post', 'a:b', 's&'), {
    headers: {},
    fields: { client_id: 'a:b', client_secret: 's&' },
  })
})

test('an assertion, in the form with the client it speaks for', () => {
  assert.deepEqual(authenticate('assertion', 'orders', 'a.b.c'), {
    headers: {},
    fields: {
      client_id: 'orders',
      client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
      client_assertion: 'a.b.c',
    },
  })
})

test('property: whatever id and secret are, the issuer reads them back', () => {
  const text = fc.string({ unit: 'grapheme', minLength: 1 })
  fc.assert(
    fc.property(text, text, (clientId, secret) => {
      const [id, password, ...rest] = decoded(
        authenticate('client_secret_basic', clientId, secret).headers['Authorization']!,
      ).split(':')
      assert.deepEqual(rest, [])
      const form = new URLSearchParams(`id=${id}&password=${password}`)
      assert.deepEqual([form.get('id'), form.get('password')], [clientId, secret])
    }),
  )
})

test('the header goes first where the issuer takes both', () => {
  assert.equal(chooseMethod(undefined), 'client_secret_basic')
  assert.equal(chooseMethod(['client_secret_post', 'client_secret_basic']), 'client_secret_basic')
  assert.equal(chooseMethod(['private_key_jwt', 'client_secret_post']), 'client_secret_post')
  assert.equal(chooseMethod(['private_key_jwt']), 'client_secret_basic')
  assert.equal(chooseMethod('client_secret_post'), 'client_secret_basic')
})

test('methods are known by their registered names', () => {
  assert.ok(isAuthenticationMethod('client_secret_post'))
  for (const value of ['none', 'assertion', 'toString', '', undefined, 7])
    assert.ok(!isAuthenticationMethod(value))
})

function decoded(header: string): string {
  assert.ok(header.startsWith('Basic '))
  return Buffer.from(header.slice(6), 'base64').toString('utf8')
}
