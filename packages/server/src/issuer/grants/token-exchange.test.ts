import assert from 'node:assert/strict'
import { after, describe, test } from 'node:test'
import {
  createKeySet,
  createRevocations,
  createVerifier,
  generateSigningKey,
  inspectToken,
  readSecretSigningKey,
  verificationKey,
} from '@countersign/sdk/jwt'
import { readPrincipal } from '@countersign/sdk/policy'
import { silentLog } from '../../log.ts'
import { readForm } from '../http/form.ts'
import { isRefusal } from '../http/refusal.ts'
import { createRemoteKeys } from '../clients/remote-keys.ts'
import { createTokenExchange } from './token-exchange.ts'
import { basic, startIssuer } from '../../../../../test/issuer/fixture.ts'
import type { Answer } from '../../../../../test/issuer/fixture.ts'
import {
  chainTrust,
  login,
  loginSecret,
  secretOf,
  sign,
  stranger,
} from '../../../../../test/issuer/exchange.ts'

const accessToken = 'urn:ietf:params:oauth:token-type:access_token'
const jwt = 'urn:ietf:params:oauth:token-type:jwt'
const fixture = await startIssuer({ trust: chainTrust() })
after(() => fixture.close())
const iss = fixture.url
const nowSeconds = Math.floor(fixture.clock.nowMs / 1000)
const loginKey = readSecretSigningKey(loginSecret, { algorithm: 'HS256' })
const fromFront = await tokenFor('front', 'billing')

test('a service calls on for whoever called it', async () => {
  const answer = await exchange('billing-api', fromFront, { audience: 'stock' })
  assert.equal(answer.status, 200)
  assert.deepEqual(Object.keys(answer.json).sort(), [
    'access_token',
    'expires_in',
    'issued_token_type',
    'scope',
    'token_type',
  ])
  assert.equal(answer.json['issued_token_type'], accessToken)
  assert.equal(answer.json['token_type'], 'Bearer')
  assert.equal(answer.headers['cache-control'], 'no-store')
  const claims = claimsOf(answer)
  assert.deepEqual(
    [claims['sub'], claims['sub_id'], claims['client_id']],
    ['front', undefined, 'billing-api'],
  )
  assert.equal(claims['aud'], 'https://stock.acme.example')
  assert.deepEqual(claims['act'], { sub: 'billing-api', iss })
  assert.equal(claims['scope'], 'read')
  assert.deepEqual(claims['roles'], ['reader', 'admin'])
  assert.deepEqual(claims['lineage'], [{ iss, jti: claimsIn(fromFront)['jti'] }])
})

test('and so on: the latest actor is outermost, and nothing grows', async () => {
  const second = String(
    (await exchange('billing-api', fromFront, { audience: 'stock' })).json['access_token'],
  )
  const answer = await exchange('stock-api', second)
  const claims = claimsOf(answer)
  assert.equal(claims['sub'], 'front')
  assert.deepEqual(claims['act'], { sub: 'stock-api', iss, act: { sub: 'billing-api', iss } })
  assert.deepEqual(
    (claims['lineage'] as { jti: string }[]).map(({ jti }) => jti),
    [claimsIn(second)['jti'], claimsIn(fromFront)['jti']],
  )
  assert.deepEqual(claims['roles'], ['reader'])
  const verifier = createVerifier({
    issuer: iss,
    audience: 'https://ledger.acme.example',
    keySet: fixture.issuer.keySet,
  })
  const outcome = await verifier.verify(String(answer.json['access_token']))
  assert.ok(outcome.kind === 'verified')
  const principal = readPrincipal(outcome.token)
  assert.ok(!('reason' in principal))
  assert.deepEqual([principal.actor?.subject, principal.actor?.actor?.subject], ['stock-api', 'billing-api'])
})

describe('a person who comes by an identity provider', () => {
  test('stays the subject, with who says so', async () => {
    const answer = await exchange('billing-api', person({}), { audience: 'stock' })
    const claims = claimsOf(answer)
    assert.equal(claims['sub'], 'alice')
    assert.deepEqual(claims['sub_id'], { format: 'iss_sub', iss: login, sub: 'alice' })
    assert.deepEqual(claims['act'], { sub: 'billing-api', iss })
    assert.deepEqual(claims['roles'], ['reader'])
    assert.deepEqual(claims['lineage'], [{ iss: login, jti: 'login-1' }])
    const further = claimsOf(await exchange('stock-api', String(answer.json['access_token'])))
    assert.deepEqual(further['sub_id'], claims['sub_id'])
    assert.equal(further['sub'], 'alice')
  })

  test('cannot be one of our clients', async () => {
    await refused(exchange('billing-api', person({ sub: 'front' }), { audience: 'stock' }), 'invalid_request')
  })

  test('is nobody where the service does not accept that provider', async () => {
    await refused(exchange('stock-api', person({})), 'invalid_request')
  })
})

describe('only ever narrower', () => {
  test('scopes and roles are those that both have', async () => {
    const weak = await tokenFor('front', 'billing', { scope: 'write', roles: 'admin' })
    const claims = claimsOf(await exchange('billing-api', weak, { audience: 'stock' }))
    assert.equal(claims['scope'], undefined)
    assert.deepEqual(claims['roles'], ['admin'])
    for (const more of [{ scope: 'read' }, { scope: 'write' }, { roles: 'reader' }]) {
      await refused(exchange('billing-api', weak, { audience: 'stock', ...more }), 'invalid_scope')
    }
  })

  test('less may be asked for', async () => {
    const claims = claimsOf(await exchange('billing-api', fromFront, { audience: 'stock', roles: 'reader' }))
    assert.deepEqual(claims['roles'], ['reader'])
  })

  test('it dies no later than what it was exchanged for', async () => {
    const late = person({ exp: nowSeconds + 40 })
    const answer = await exchange('billing-api', late, { audience: 'stock' })
    assert.equal(answer.json['expires_in'], 40)
    assert.equal(claimsOf(answer)['exp'], nowSeconds + 40)
    const dead = person({ exp: nowSeconds })
    await refused(exchange('billing-api', dead, { audience: 'stock' }), 'invalid_request')
    const long = await exchange('billing-api', person({ exp: nowSeconds + 9999 }), { audience: 'stock' })
    assert.equal(long.json['expires_in'], 300)
  })

  test('to another service than the client may call', async () => {
    for (const more of [
      { audience: 'billing' },
      { audience: 'x' },
      { resource: 'https://billing.acme.example' },
      {},
    ]) {
      await refused(exchange('billing-api', fromFront, more), 'invalid_target')
    }
  })
})

describe('may_act', () => {
  for (const [mayAct, lets] of [
    [{ sub: 'billing-api' }, true],
    [{ sub: 'billing-api', iss }, true],
    [{ sub: 'stock-api' }, false],
    [{ sub: 'billing-api', iss: login }, false],
    [{ sub: 'billing-api', unknown: 'x' }, false],
    ['billing-api', false],
  ] as const) {
    test(`${JSON.stringify(mayAct).replace(iss, 'our issuer')}: ${lets ? 'lets' : 'refuses'}, also without actor_token`, async () => {
      const subject = person({ may_act: mayAct })
      const actor = await tokenFor('billing-api', 'stock')
      for (const more of [{}, { actor_token: actor, actor_token_type: accessToken }]) {
        const answer = exchange('billing-api', subject, { audience: 'stock', ...more })
        if (lets) assert.deepEqual(claimsOf(await answer)['may_act'], mayAct)
        else await refused(answer, 'invalid_request')
      }
    })
  }

  test('is carried on, so a chain cannot get around it', async () => {
    const first = await exchange('billing-api', person({ may_act: { sub: 'billing-api' } }), {
      audience: 'stock',
    })
    await refused(exchange('stock-api', String(first.json['access_token'])), 'invalid_request')
  })
})

describe('the actor’s token', () => {
  const withActor = (actor: string, type = accessToken): Promise<Answer> =>
    exchange('billing-api', fromFront, { audience: 'stock', actor_token: actor, actor_token_type: type })

  test('is the client’s own', async () => {
    const answer = await withActor(await tokenFor('billing-api', 'ledger'), jwt)
    assert.deepEqual(claimsOf(answer)['act'], { sub: 'billing-api', iss })
  })

  test('bounds the life of what is issued as well', async () => {
    const actor = await tokenFor('billing-api', 'ledger')
    fixture.clock.nowMs += 100_000
    const form = { audience: 'stock', actor_token: actor, actor_token_type: accessToken }
    const answer = await exchange('billing-api', person({ exp: nowSeconds + 600 }), form)
    fixture.clock.nowMs -= 100_000
    assert.equal(answer.json['expires_in'], 200)
  })

  test('does not count when somebody acts for the client in it', async () => {
    const key = generateSigningKey('ES256')
    const keySet = createKeySet([verificationKey(key)])
    const clock = (): number => fixture.clock.nowMs
    const grant = createTokenExchange({
      trust: chainTrust(),
      own: { issuer: iss, keySet, revocations: createRevocations() },
      remoteKeys: createRemoteKeys({ clock, log: silentLog }),
      clock,
    })
    const common = { iss, aud: 'https://billing.acme.example', exp: nowSeconds + 60 }
    const caller = sign(key, { ...common, sub: 'front', client_id: 'front' })
    const own = { ...common, sub: 'billing-api', client_id: 'billing-api' }
    for (const [act, kind] of [
      [undefined, 'granted'],
      [{ sub: 'front' }, 'refused'],
    ] as const) {
      const actor = sign(key, act === undefined ? own : { ...own, act })
      const fields = {
        audience: 'stock',
        ...subject(caller, { actor_token: actor, actor_token_type: accessToken }),
      }
      const body = Buffer.from(new URLSearchParams(fields).toString())
      const form = readForm('application/x-www-form-urlencoded', body)
      assert.ok(!isRefusal(form))
      assert.equal((await grant('billing-api', form, fixture.clock.nowMs)).kind, kind)
    }
  })

  test('is nobody else’s, and nobody acts for it', async () => {
    const exchanged = await exchange('billing-api', fromFront, { audience: 'stock' })
    for (const actor of [
      await tokenFor('stock-api', 'ledger'),
      fromFront,
      person({ sub: 'billing-api' }),
      String(exchanged.json['access_token']),
      'x',
    ]) {
      await refused(withActor(actor), 'invalid_request')
    }
  })
})

describe('refused', () => {
  const cases: [what: string, client: string, form: () => Record<string, string>, error: string][] = [
    ['a client that may exchange nothing', 'front', () => subject(fromFront), 'unauthorized_client'],
    ['no subject_token', 'billing-api', () => ({ subject_token_type: accessToken }), 'invalid_request'],
    ['no subject_token_type', 'billing-api', () => ({ subject_token: fromFront }), 'invalid_request'],
    [
      'a type that is not read',
      'billing-api',
      () => subject(fromFront, { subject_token_type: 'urn:ietf:params:oauth:token-type:saml2' }),
      'invalid_request',
    ],
    [
      'a type that is not issued',
      'billing-api',
      () => subject(fromFront, { requested_token_type: 'urn:ietf:params:oauth:token-type:refresh_token' }),
      'invalid_request',
    ],
    [
      'an actor_token without type',
      'billing-api',
      () => subject(fromFront, { actor_token: 'x' }),
      'invalid_request',
    ],
    [
      'an actor_token_type without token',
      'billing-api',
      () => subject(fromFront, { actor_token_type: jwt }),
      'invalid_request',
    ],
    [
      'a token that was sent to another service',
      'stock-api',
      () => subject(fromFront, { audience: 'ledger' }),
      'invalid_request',
    ],
    ['no token', 'billing-api', () => subject('x'), 'invalid_request'],
    ['a token of a stranger', 'billing-api', () => subject(forged({})), 'invalid_request'],
    ['a token with a changed subject', 'billing-api', () => subject(tampered(fromFront)), 'invalid_request'],
    ['an expired token', 'billing-api', () => subject(person({ exp: nowSeconds - 60 })), 'invalid_request'],
    ['a token for another audience', 'billing-api', () => subject(person({ aud: 'x' })), 'invalid_request'],
    ['a token without subject', 'billing-api', () => subject(person({ sub: undefined })), 'invalid_request'],
    ['a token oddly bound', 'billing-api', () => subject(person({ cnf: { osc: 'x' } })), 'invalid_request'],
    ['an act that is none', 'billing-api', () => subject(person({ act: 'x' })), 'invalid_request'],
    ['a chain that is too long', 'billing-api', () => subject(person({ act: chain(16) })), 'invalid_request'],
  ]
  for (const [what, client, form, error] of cases) {
    test(what, async () => {
      await refused(ask(client, { audience: 'stock', ...form() }), error)
    })
  }

  test('the log names a token’s parent, says exactly why one is refused, and repeats none', async () => {
    fixture.logged.length = 0
    const { json } = await exchange('billing-api', fromFront, { audience: 'stock' })
    const parent = String(claimsIn(fromFront)['jti'])
    assert.ok(fixture.logged.some((line) => line.startsWith('token.issued') && line.includes(parent)))
    const unknown = forged({})
    await ask('billing-api', { audience: 'stock', ...subject(unknown) })
    const text = fixture.logged.join('\n')
    assert.match(text, /token\.refused .*key-unknown/)
    // Not by how tokens begin: an id may begin like that as well.
    const parts = [fromFront, unknown, String(json['access_token'])].flatMap((token) => token.split('.'))
    for (const part of parts) assert.ok(!text.includes(part), part)
  })
})

test('while a provider’s keys cannot be had, nothing is decided', async () => {
  const trust = chainTrust()
  const [name, provider] = [...trust.trusted][0]!
  const keys = { kind: 'jwks', url: 'http://127.0.0.1:1/jwks.json' } as const
  const unreachable = { ...provider, algorithms: ['ES256'], keys } as const
  const down = await startIssuer({ trust: { ...trust, trusted: new Map([[name, unreachable]]) } })
  const token = sign(stranger, { iss: login, aud: 'acme-web', sub: 'alice', exp: nowSeconds + 60 }, 'JWT')
  const form = {
    grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
    audience: 'stock',
    ...subject(token),
  }
  const answer = await down.ask(
    new URLSearchParams(form).toString(),
    basic('billing-api', secretOf('billing-api')),
  )
  assert.equal(answer.status, 503)
  assert.ok(Number(answer.headers['retry-after']) >= 1)
  await down.close()
})

function ask(client: string, form: Record<string, string>): Promise<Answer> {
  const body = new URLSearchParams({
    grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
    ...form,
  })
  return fixture.ask(body.toString(), basic(client, secretOf(client)))
}

function exchange(client: string, token: string, more: Record<string, string> = {}): Promise<Answer> {
  return ask(client, { ...subject(token), ...more })
}

function subject(token: string, more: Record<string, string> = {}): Record<string, string> {
  return { subject_token: token, subject_token_type: accessToken, ...more }
}

async function tokenFor(
  client: string,
  audience: string,
  more: Record<string, string> = {},
): Promise<string> {
  const body = new URLSearchParams({ grant_type: 'client_credentials', audience, ...more })
  const { json } = await fixture.ask(body.toString(), basic(client, secretOf(client)))
  return String(json['access_token'])
}

function person(changes: Record<string, unknown>): string {
  const claims = {
    iss: login,
    aud: 'acme-web',
    sub: 'alice',
    jti: 'login-1',
    iat: nowSeconds - 60,
    exp: nowSeconds + 600,
    realm: { roles: ['reader', 'boss'] },
    scope: 'openid read',
    ...changes,
  }
  return sign(
    loginKey,
    Object.fromEntries(Object.entries(claims).filter(([, value]) => value !== undefined)),
    'JWT',
  )
}

function forged(changes: object): string {
  return sign(stranger, { ...claimsIn(fromFront), ...changes })
}

function tampered(token: string): string {
  const [header, , signature] = token.split('.')
  const claims = Buffer.from(JSON.stringify({ ...claimsIn(token), sub: 'admin' })).toString('base64url')
  return `${header}.${claims}.${signature}`
}

function chain(length: number): object | undefined {
  return length === 0 ? undefined : { sub: `hop-${length}`, act: chain(length - 1) }
}

function claimsIn(token: string): Record<string, unknown> {
  return inspectToken(token).claims as Record<string, unknown>
}

function claimsOf(answer: Answer): Record<string, unknown> {
  assert.equal(answer.status, 200, answer.body)
  return claimsIn(String(answer.json['access_token']))
}

async function refused(answer: Promise<Answer>, error: string): Promise<void> {
  const { status, json } = await answer
  assert.deepEqual([status, json['error']], [400, error], JSON.stringify(json))
  assert.equal(json['access_token'], undefined)
}
