import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { after, describe, test } from 'node:test'
import { generateSigningKey, publicJwk } from '@countersign/sdk/jwt'
import type { Client, FederatedAssertion } from '../../trust/trust.ts'
import { assertionFields, assertionOf } from '../../../../../test/issuer/assertion.ts'
import { orders, startIssuer, trust } from '../../../../../test/issuer/fixture.ts'
import type { Answer } from '../../../../../test/issuer/fixture.ts'

const jwtSpiffe = 'urn:ietf:params:oauth:client-assertion-type:jwt-spiffe'
const platformKey = generateSigningKey('RS256')
let reachable = true
const platform = createServer((request, response) => {
  const keys = { keys: [publicJwk(platformKey)] }
  const body = request.url === '/keys' ? keys : { issuer: origin(), jwks_uri: `${origin()}/keys` }
  response.writeHead(reachable ? 200 : 503, { 'Content-Type': 'application/json' }).end(JSON.stringify(body))
})
await new Promise<void>((resolve) => platform.listen(0, '127.0.0.1', resolve))
after(() => platform.close())

const subject = 'system:serviceaccount:shop:orders'
const namespace = { path: ['kubernetes.io', 'namespace'], value: 'shop' } as const
const fixture = await startIssuer({
  trust: trust([
    client('orders', { subjects: [subject], match: [namespace] }),
    client('main', { subjects: [], match: [{ path: ['repository_id'], value: '7' }] }),
    client('release', {
      subjects: [],
      match: [
        { path: ['repository_id'], value: '7' },
        { path: ['ref'], value: 'refs/tags/v1' },
      ],
    }),
    client('svid', { preset: 'spiffe', subjects: ['spiffe://acme.example/orders'], match: [] }),
    client('nobody', { subjects: [], match: [] }),
  ]),
})
after(() => fixture.close())
const nowSeconds = Math.floor(fixture.clock.nowMs / 1000)

test('while the platform’s keys cannot be had, nothing is decided', async () => {
  reachable = false
  const answer = await show(podToken({}))
  reachable = true
  assert.equal(answer.status, 503)
  assert.ok(Number(answer.headers['retry-after']) >= 1)
  fixture.clock.nowMs += 5000
})

test('a Kubernetes service account’s token is the client’s word, as often as it is shown', async () => {
  const token = podToken({})
  for (let round = 0; round < 3; round++) {
    const answer = await show(token)
    assert.equal(answer.status, 200, answer.body)
    assert.equal(clientOf(answer), 'orders')
  }
})

test('a workflow’s token, by its repository’s number', async () => {
  const claims = { sub: 'repo:acme/shop:ref:refs/heads/main', repository_id: '7', ref: 'refs/heads/main' }
  assert.equal(clientOf(await show(token(claims, 'JWT'))), 'main')
  for (const repository_id of ['8', 7, ['7'], undefined]) {
    await refused(show(token({ ...claims, repository_id }, 'JWT')))
  }
})

test('a token that could mean several clients needs client_id', async () => {
  const tagged = token({ sub: 'x', repository_id: '7', ref: 'refs/tags/v1' })
  assert.match((await refused(show(tagged))).json['error_description'] as string, /client_id/)
  assert.equal(clientOf(await show(tagged, { client_id: 'release' })), 'release')
  assert.equal(clientOf(await show(tagged, { client_id: 'main' })), 'main')
  await refused(show(tagged, { client_id: 'orders' }))
  await refused(show(tagged, { client_id: 'nobody' }))
})

test('a JWT-SVID, by either type of assertion; other platforms not by its type', async () => {
  const svid = token({ sub: 'spiffe://acme.example/orders' }, 'JOSE')
  assert.equal(clientOf(await show(svid)), 'svid')
  assert.equal(clientOf(await show(svid, { client_assertion_type: jwtSpiffe })), 'svid')
  await refused(show(podToken({}), { client_assertion_type: jwtSpiffe }))
})

describe('refused, and nobody is told why', () => {
  const cases: [what: string, assertion: () => string][] = [
    ['another service account', () => podToken({ sub: 'system:serviceaccount:shop:other' })],
    ['a longer subject', () => podToken({ sub: `${subject}-2` })],
    ['another namespace', () => podToken({ 'kubernetes.io': { namespace: 'other' } })],
    ['a namespace beside the place', () => podToken({ 'kubernetes.io': undefined, namespace: 'shop' })],
    ['claims of the wrong shape', () => podToken({ 'kubernetes.io': ['shop'] })],
    ['an audience beside ours', () => podToken({ aud: [fixture.url, 'https://other.example'] })],
    ['a life of years', () => podToken({ exp: nowSeconds + 365 * 24 * 3600 })],
    ['another kind of JWT', () => podToken({}, 'at+jwt')],
    ['another platform', () => podToken({ iss: 'https://other.example' })],
    ['another key', () => assertionOf(generateSigningKey('RS256'), podClaims({}))],
  ]
  for (const [what, assertion] of cases) {
    test(what, async () => {
      const { json } = await refused(show(assertion()))
      assert.match(String(json['error_description']), /^unknown client/)
    })
  }

  test('what is wrong with the token itself is told: its holder can mend it', async () => {
    for (const [changes, words] of [
      [{ aud: ['https://kubernetes.default.svc'] }, /aud must be/],
      [{ exp: nowSeconds - 60 }, /exp/],
      [{ exp: undefined }, /no exp/],
    ] as const) {
      const { json } = await refused(show(podToken(changes)))
      assert.match(String(json['error_description']), words)
    }
  })
})

function client(id: string, assertion: Partial<FederatedAssertion>): Client {
  return {
    ...orders,
    id,
    secrets: [],
    assertion: {
      kind: 'federated',
      preset: undefined,
      issuer: origin(),
      keys: { url: undefined, algorithms: ['RS256'] },
      subjects: [],
      match: [],
      ...assertion,
    },
  }
}

function podClaims(changes: object): object {
  return {
    iss: origin(),
    sub: subject,
    aud: [fixture.url],
    iat: nowSeconds,
    nbf: nowSeconds,
    exp: nowSeconds + 3600,
    'kubernetes.io': { namespace: 'shop', serviceaccount: { name: 'orders', uid: '1' } },
    ...changes,
  }
}

function podToken(changes: object, type?: string): string {
  return assertionOf(platformKey, podClaims(changes), {}, type)
}

function token(claims: object, type?: string): string {
  return podToken({ 'kubernetes.io': undefined, aud: fixture.url, ...claims }, type)
}

function show(assertion: string, more: Record<string, string> = {}): Promise<Answer> {
  return fixture.ask(assertionFields(assertion, { grant_type: 'client_credentials', ...more }))
}

function clientOf({ json }: Answer): unknown {
  const [, claims = ''] = String(json['access_token']).split('.')
  return JSON.parse(Buffer.from(claims, 'base64url').toString())['client_id']
}

async function refused(answer: Promise<Answer>): Promise<Answer> {
  const settled = await answer
  assert.deepEqual([settled.status, settled.json['error']], [400, 'invalid_client'], settled.body)
  return settled
}

function origin(): string {
  return `http://127.0.0.1:${(platform.address() as AddressInfo).port}`
}
