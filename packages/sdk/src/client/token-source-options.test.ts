import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Secret } from '../core/secret.ts'
import { generateSigningKey } from '../jwt/key-readers.ts'
import { checkOptions, fieldsOf } from './token-source-options.ts'
import type { TokenSourceOptions } from './token-source-options.ts'

const good = { issuer: 'https://issuer.example', clientId: 'orders', clientSecret: 's3cr3t' }

test('what is asked for, as fields of the form', () => {
  assert.deepEqual(fieldsOf(good), {})
  assert.deepEqual(
    fieldsOf({ ...good, audience: 'a', resource: 'https://b', scopes: ['x', 'y'], roles: ['z'] }),
    {
      audience: 'a',
      resource: 'https://b',
      scope: 'x y',
      roles: 'z',
    },
  )
})

test('good options', () => {
  checkOptions(good)
  checkOptions({ ...good, clientSecret: Secret.fromText('x') })
  checkOptions({ ...good, clientSecret: () => 'x' })
  checkOptions({ tokenEndpoint: 'http://localhost:8080/token', clientId: 'orders', clientSecret: 'x' })
  checkOptions({ ...good, issuer: 'http://issuer.example', dangerouslyAllowInsecureIssuer: true })
})

test('a key or a file instead of a secret, and only one of the three', () => {
  const { clientSecret, ...bare } = good
  const privateKey = generateSigningKey('ES256')
  checkOptions({ ...bare, privateKey })
  checkOptions({ ...bare, privateKey, tokenEndpoint: 'https://issuer.example/token' })
  checkOptions({ ...bare, assertionFile: '/var/run/token' })
  const wrong: [options: object, message: RegExp][] = [
    [bare, /expected clientSecret/],
    [{ ...bare, clientSecret, privateKey }, /clientSecret and privateKey exclude each other/],
    [{ ...bare, privateKey, assertionFile: 'x' }, /privateKey and assertionFile exclude each other/],
    [{ ...bare, clientSecret: undefined, privateKey }, /exclude each other/],
    [{ ...bare, privateKey: generateSigningKey('HS256') }, /privateKey: expected/],
    [{ ...bare, privateKey: {} }, /privateKey: expected/],
    [
      { ...bare, privateKey, issuer: undefined, tokenEndpoint: 'https://x.example' },
      /privateKey needs issuer/,
    ],
    [
      { ...bare, privateKey, tokenEndpoint: 'http://x.example' },
      /tokenEndpoint: http:..x.example is not https:/,
    ],
    [{ ...bare, assertionFile: '/x', tokenEndpoint: 'https://x.example' }, /expected either/],
    [{ ...bare, assertionFile: '' }, /assertionFile: expected a path/],
    [
      { ...bare, privateKey, authentication: 'client_secret_post' },
      /authentication: is for clients with a secret/,
    ],
  ]
  for (const [options, message] of wrong) {
    assert.throws(() => checkOptions(options as TokenSourceOptions), { code: 'option-invalid', message })
  }
})

for (const [changes, code, message] of [
  [{ issuer: undefined }, 'option-invalid', 'createTokenSource: expected either issuer or tokenEndpoint'],
  [
    { tokenEndpoint: 'https://x' },
    'option-invalid',
    'createTokenSource: expected either issuer or tokenEndpoint',
  ],
  [
    { issuer: 'http://issuer.example' },
    'option-invalid',
    'createTokenSource: issuer: http://issuer.example is not https:',
  ],
  [{ issuer: 'issuer.example' }, 'option-invalid', 'createTokenSource: issuer: expected a URL'],
  [{ clientId: '' }, 'option-invalid', 'createTokenSource: expected clientId'],
  [{ clientSecret: '' }, 'option-invalid', 'createTokenSource: expected clientSecret'],
  [{ clientSecret: undefined }, 'option-invalid', 'createTokenSource: expected clientSecret'],
  [{ scopes: [] }, 'option-invalid', 'createTokenSource: scopes: expected a list of names without blanks'],
  [{ scopes: 'a b' }, 'option-invalid', 'createTokenSource: scopes: expected a list of names without blanks'],
  [{ roles: ['a b'] }, 'option-invalid', 'createTokenSource: roles: expected a list of names without blanks'],
  [{ timeoutMs: 0 }, 'option-invalid', 'createTokenSource: timeoutMs: expected 1 to 120000 ms'],
  [{ authentication: 'none' }, 'option-invalid', /^createTokenSource: authentication/],
  [{ scope: 'a' }, 'option-unknown', 'createTokenSource: unknown option "scope"'],
] as const) {
  test(`${JSON.stringify(changes)} is refused, without the secret`, () => {
    assert.throws(
      () => checkOptions({ ...good, ...changes } as unknown as TokenSourceOptions),
      (problem: Error & { code: string }) => {
        assert.equal(problem.code, code)
        if (typeof message === 'string') assert.equal(problem.message, message)
        else assert.match(problem.message, message)
        assert.ok(!problem.stack!.includes('s3cr3t'))
        return true
      },
    )
  })
}

test('by certificate: nothing beside it, and somebody to show it', () => {
  const byCertificate = {
    issuer: good.issuer,
    clientId: 'orders',
    authentication: 'tls_client_auth',
  } as const
  checkOptions({ ...byCertificate, fetch })
  const code = 'option-invalid'
  assert.throws(() => checkOptions(byCertificate), {
    code,
    message: /needs a fetch that shows the certificate/,
  })
  for (const beside of [
    { clientSecret: 'x' },
    { privateKey: generateSigningKey('ES256') },
    { assertionFile: '/x' },
  ]) {
    assert.throws(() => checkOptions({ ...byCertificate, fetch, ...beside }), {
      code,
      message: /exclude each other/,
    })
  }
})
