import assert from 'node:assert/strict'
import { after, describe, test } from 'node:test'
import { createDpopKey, createDpopProof, inspectToken, readSecretSigningKey } from '@countersign/sdk/jwt'
import { jwtBearerGrant } from './jwt-bearer.ts'
import { startIssuer } from '../../../../../test/issuer/fixture.ts'
import type { Answer } from '../../../../../test/issuer/fixture.ts'
import {
  caller,
  chainTrust,
  login,
  loginSecret,
  secretOf,
  sign,
  stranger,
} from '../../../../../test/issuer/exchange.ts'
import type { Client } from '../../trust/trust.ts'

const key = readSecretSigningKey(loginSecret, { algorithm: 'HS256' })
const rights = { service: 'billing', roles: ['reader'], scopes: ['read', 'write'] }
const batch: Client = {
  ...caller('batch', [rights]),
  mayAssert: new Map([['login', { subjects: ['alice', 'batch'], match: [{ path: ['tenant'], value: 7 }] }]]),
}
const idle: Client = caller('idle', [rights])
const fixture = await startIssuer({ trust: chainTrust({ clients: [batch, idle] }) })
after(() => fixture.close())
const now = Math.floor(fixture.clock.nowMs / 1000)
let ids = 0

test('a token for whom the trusted issuer speaks of, by leave of the trust file', async () => {
  const jti = `a-${++ids}`
  const answer = await ask({ jti, exp: now + 60 })
  assert.equal(answer.status, 200, answer.body)
  const claims = claimsOf(answer)
  assert.deepEqual(
    [claims['sub'], claims['client_id'], claims['act']],
    ['alice', 'batch', { sub: 'batch', iss: fixture.url }],
  )
  assert.deepEqual(claims['sub_id'], { format: 'iss_sub', iss: login, sub: 'alice' })
  assert.deepEqual(claims['lineage'], [{ iss: login, jti }])
  assert.deepEqual([claims['scope'], claims['roles']], ['read write', ['reader']])
  assert.equal(claims['exp'], now + 60, 'no longer than the assertion')
  assert.equal(answer.json['issued_token_type'], undefined)
})

test('the kinds of assertion, and scopes only ever fewer', async () => {
  for (const type of ['JWT', 'jwt', 'authorization-grant+jwt', 'oauth-id-jag+jwt']) {
    assert.equal((await ask({ client_id: 'batch' }, { type })).status, 200, type)
  }
  assert.equal(claimsOf(await ask({ scope: 'read admin' }))['scope'], 'read')
  assert.equal(claimsOf(await ask({}, { more: '&scope=write' }))['scope'], 'write')
  assert.equal((await ask({ scope: 'read' }, { more: '&scope=write' })).json['error'], 'invalid_scope')
})

test('once, and a mistaken request does not use it up', async () => {
  const assertion = signed({ jti: 'once' })
  assert.equal((await send(assertion, '&scope=none')).json['error'], 'invalid_scope')
  assert.equal((await send(assertion, '', { DPoP: 'x' })).json['error'], 'invalid_dpop_proof')
  assert.equal((await send(assertion)).status, 200)
  const again = await send(assertion)
  assert.deepEqual([again.status, again.json['error']], [400, 'invalid_grant'])
})

test('bound to a key like any other', async () => {
  const dpop = createDpopKey()
  const proof = createDpopProof({
    key: dpop,
    method: 'POST',
    url: `${fixture.url}/token`,
    nowMs: fixture.clock.nowMs,
  })
  const answer = await send(signed({}), '', { DPoP: proof })
  assert.deepEqual(claimsOf(answer)['cnf'], { jkt: dpop.thumbprint })
})

describe('refused', () => {
  const cases: [what: string, claims: Record<string, unknown>][] = [
    ['a subject the trust file does not name', { sub: 'bob' }],
    ['a subject in another spelling', { sub: 'Alice' }],
    ['a subject that is a client', { sub: 'batch' }],
    ['a claim that does not fit', { tenant: '7' }],
    ['no claim that should fit', { tenant: undefined }],
    ['for another audience', { aud: 'https://other.example' }],
    ['for the token endpoint', { aud: `${fixture.url}/token` }],
    ['for others as well', { aud: [fixture.url, 'https://other.example'] }],
    ['for another client', { client_id: 'idle' }],
    ['without jti', { jti: undefined }],
    ['with an empty jti', { jti: '' }],
    ['without exp', { exp: undefined }],
    ['expired', { exp: now - 20 }],
    ['within the tolerance, but dead', { exp: now - 5 }],
    ['for longer than an hour', { exp: now + 3700 }],
    ['not yet', { nbf: now + 60 }],
    ['of an issuer nobody trusts', { iss: 'https://login.evil.example' }],
    ['bound to a key', { cnf: { jkt: 'x' } }],
  ]
  for (const [what, claims] of cases) {
    test(what, async () => {
      const answer = await ask(claims)
      assert.deepEqual([answer.status, answer.json['error']], [400, 'invalid_grant'], answer.body)
    })
  }

  test('an access token, an identity token of no type, and a stranger’s signature', async () => {
    for (const type of ['at+jwt', 'logout+jwt', 'client-authentication+jwt']) {
      assert.equal((await ask({}, { type })).json['error'], 'invalid_grant', type)
    }
    assert.equal((await send(sign(stranger, goodClaims({}), 'JWT'))).json['error'], 'invalid_grant')
  })

  test('no assertion, a client that may not, and a service that it may not call', async () => {
    const form = `grant_type=${jwtBearerGrant}`
    assert.equal((await fixture.ask(as('batch', form))).json['error'], 'invalid_request')
    const other = await fixture.ask(as('idle', `${form}&assertion=${signed({})}`))
    assert.equal(other.json['error'], 'unauthorized_client')
    assert.equal((await ask({}, { more: '&audience=stock' })).json['error'], 'invalid_target')
    assert.equal((await fixture.ask(`${form}&assertion=${signed({})}`)).json['error'], 'invalid_client')
  })
})

function goodClaims(claims: Record<string, unknown>): Record<string, unknown> {
  return {
    iss: login,
    sub: 'alice',
    aud: fixture.url,
    exp: now + 300,
    jti: `j-${++ids}`,
    tenant: 7,
    ...claims,
  }
}

function signed(claims: Record<string, unknown>, type = 'JWT'): string {
  return sign(key, goodClaims(claims), type)
}

function ask(claims: Record<string, unknown>, { type = 'JWT', more = '' } = {}): Promise<Answer> {
  return send(signed(claims, type), more)
}

function send(assertion: string, more = '', headers: Record<string, string> = {}): Promise<Answer> {
  return fixture.ask(as('batch', `grant_type=${jwtBearerGrant}&assertion=${assertion}${more}`), headers)
}

function as(client: string, form: string): string {
  return `${form}&client_id=${client}&client_secret=${secretOf(client)}`
}

function claimsOf(answer: Answer): Record<string, unknown> {
  assert.equal(answer.status, 200, answer.body)
  return inspectToken(String(answer.json['access_token'])).claims as Record<string, unknown>
}
