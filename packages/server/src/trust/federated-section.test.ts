import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { mistakesText } from './mistake.ts'
import { readTrust } from './read.ts'
import type { FederatedAssertion } from './trust.ts'

const github = 'preset: github, match: { repository_id: "7" }'
const kubernetes =
  'preset: kubernetes, issuer: https://cluster.example, subject: system:serviceaccount:shop:orders'

test('GitHub: the issuer is known, the tenant is said', () => {
  const { assertion } = read(`${github}, subject: ["repo:acme/shop:ref:refs/heads/main"]`)
  assert.equal(assertion?.issuer, 'https://token.actions.githubusercontent.com')
  assert.equal(assertion.keys.url, undefined)
  assert.deepEqual(assertion.subjects, ['repo:acme/shop:ref:refs/heads/main'])
  assert.deepEqual(assertion.match, [{ path: ['repository_id'], value: '7' }])
  assert.deepEqual(read(github).assertion?.subjects, [])
})

test('Kubernetes and SPIFFE: the issuer is the cluster’s, the subject is said', () => {
  const { assertion } = read(`${kubernetes}, jwks: https://cluster.example/openid/v1/jwks, algorithms: RS256`)
  assert.deepEqual(assertion?.keys, { url: 'https://cluster.example/openid/v1/jwks', algorithms: ['RS256'] })
  assert.equal(read(kubernetes).assertion?.preset, 'kubernetes')
  const spiffe = read('preset: spiffe, issuer: https://spire.example, subject: spiffe://acme.example/orders')
  assert.deepEqual(spiffe.assertion?.subjects, ['spiffe://acme.example/orders'])
})

test('claims by name, by pointer, and of every kind', () => {
  const match = 'match: { /kubernetes.io/namespace: shop, https://x/y: true, "/a~1b": 3 }'
  assert.deepEqual(read(`${kubernetes}, ${match}`).assertion?.match, [
    { path: ['kubernetes.io', 'namespace'], value: 'shop' },
    { path: ['https://x/y'], value: true },
    { path: ['a/b'], value: 3 },
  ])
})

describe('mistakes', () => {
  const wrong: [members: string, mistake: RegExp][] = [
    ['preset: github', /everybody can have a token of .*\n.*repository_owner_id/],
    ['preset: github, subject: repo:acme/shop:x', /everybody can have a token/],
    ['preset: github, match: { repository: acme/shop }', /match: everybody can have a token/],
    ['preset: github, match: { repository_owner: acme }', /match: everybody can have a token/],
    ['preset: github, match: { repository_id: 7 }', /repository_id: this claim is a text/],
    ['preset: github, match: { /x/repository_id: "7" }', /everybody can have a token/],
    ['issuer: https://token.actions.githubusercontent.com, subject: x', /everybody can have a token/],
    ['issuer: https://token.actions.githubusercontent.com/acme, subject: x', /everybody can have a token/],
    ['preset: github, issuer: https://github.acme.example/_services/token, subject: x', /everybody can/],
    ['issuer: https://gitlab.com, subject: x', /namespace_id/],
    ['preset: kubernetes, subject: system:serviceaccount:a:b', /federated: expected issuer/],
    ['preset: kubernetes, issuer: https://cluster.example', /federated: expected subject/],
    ['issuer: https://cluster.example, match: { a: b }', /federated: expected subject/],
    [kubernetes.replace('shop:orders', 'shop'), /subject: expected system:serviceaccount:NAMESPACE:NAME/],
    [kubernetes.replace('shop:orders', '"shop:*"'), /subject: subjects are compared exactly/],
    ['preset: spiffe, issuer: https://spire.example, subject: orders', /expected a SPIFFE ID/],
    [`${kubernetes}, match: { a: }`, /match\.a: expected a text, a number, true or false, got nothing/],
    [`${kubernetes}, match: { a: { b: c } }`, /match\.a: expected a text.* got a map/],
    [`${kubernetes}, match: { /a~2: b }`, /expected a claim such as/],
    [kubernetes.replace('https', 'http'), /issuer: expected https/],
    ['preset: gitlab', /preset: expected kubernetes, github or spiffe/],
    ['issuer: http://localhost:8080, subject: x', /our own issuer is no platform/],
    ['issuer: https://constructor, match: { a: b }', /expected subject/],
  ]
  for (const [members, mistake] of wrong) test(members, () => assert.match(read(members).mistakes, mistake))

  test('two clients of one platform that disagree on its keys', () => {
    const other = `${kubernetes}, jwks: https://elsewhere.example/jwks`
    assert.match(read(kubernetes, other).mistakes, /other keys for the same issuer than on line 2/)
    assert.equal(read(kubernetes, kubernetes.replace('orders', 'stock')).mistakes, '')
  })
})

function read(...members: string[]): { assertion: FederatedAssertion | undefined; mistakes: string } {
  const text = `issuer: { url: http://localhost:8080, listen: 127.0.0.1:8080, store: 'memory:' }
clients: { ${members.map((one, index) => `c${index}: { authenticate: { federated: { ${one} } } }`).join(', ')} }`
  const reading = readTrust(text, { file: 'f', env: {}, readFile: () => '' })
  const assertion = reading.kind === 'trust' ? reading.trust.clients.get('c0')?.assertion : undefined
  return {
    assertion: assertion?.kind === 'federated' ? assertion : undefined,
    mistakes: reading.kind === 'mistakes' ? mistakesText('f', reading.mistakes) : '',
  }
}
