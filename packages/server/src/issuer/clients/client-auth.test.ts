import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { Secret } from '@countersign/sdk/core'
import type { Client } from '../../trust/trust.ts'
import type { PresentedAssertion } from './client-assertion.ts'
import { createClientAuth } from './client-auth.ts'
import type { AuthRefusal, Evidence } from './client-auth.ts'
import { createFailureLimit } from './failure-limit.ts'
import type { FailureLimit } from './failure-limit.ts'
import { readForm } from '../http/form.ts'
import type { Form } from '../http/form.ts'
import { isRefusal } from '../http/refusal.ts'

const orders = client('orders', 'first secret', 'second secret')
const billing = client('billing', 'billing secret')
const keyless = client('keyless')
const auth = createClientAuth([orders, billing, keyless], noLimit())

test('client_secret_basic', () => {
  assert.equal(auth.authenticate(evidence([basic('orders', 'first secret')], '')), orders)
})

test('client_secret_post', () => {
  assert.equal(auth.authenticate(evidence([], 'client_id=orders&client_secret=first+secret')), orders)
})

test('both secrets of a client are good, and nobody else’s', () => {
  assert.equal(auth.authenticate(evidence([basic('orders', 'second secret')], '')), orders)
  assert.equal(refusal([basic('billing', 'second secret')]).clientId, 'billing')
})

test('a wrong secret and an unknown client get the same answer', () => {
  const wrong = refusal([basic('orders', 'third secret')])
  const unknown = refusal([basic('nobody', 'third secret')])
  assert.equal(wrong.error, 'invalid_client')
  assert.equal(wrong.description, unknown.description)
  assert.equal(wrong.status, unknown.status)
  assert.deepEqual([wrong.clientId, unknown.clientId], ['orders', undefined])
})

test('the challenge comes with a failed header and with no credentials at all, not with a failed body', () => {
  assert.equal(refusal([basic('orders', 'wrong')]).status, 401)
  assert.equal(refusal([]).status, 401)
  assert.equal(refusal([], 'client_id=orders').status, 401)
  assert.equal(refusal([], 'client_id=orders&client_secret=wrong').status, 400)
})

test('a client without secrets cannot be authenticated by one', () => {
  for (const secret of ['', 'x', '\0'.repeat(32)]) {
    assert.equal(refusal([basic('keyless', secret)]).error, 'invalid_client')
  }
})

test('two methods at once are refused even if both are right', () => {
  const both = refusal([basic('orders', 'first secret')], 'client_id=orders&client_secret=first+secret')
  assert.equal(both.error, 'invalid_request')
  assert.equal(
    refusal([basic('orders', 'first secret'), basic('orders', 'first secret')]).error,
    'invalid_request',
  )
  for (const assertion of ['client_assertion=x', 'client_assertion_type=x']) {
    assert.equal(
      refusal([], `client_id=orders&client_secret=first+secret&${assertion}`).error,
      'invalid_request',
    )
    assert.equal(refusal([basic('orders', 'first secret')], assertion).error, 'invalid_request')
  }
})

test('client_id in the body may repeat the header’s client, not name another', () => {
  assert.equal(auth.authenticate(evidence([basic('orders', 'first secret')], 'client_id=orders')), orders)
  assert.equal(refusal([basic('orders', 'first secret')], 'client_id=billing').error, 'invalid_request')
})

test('a secret without a client is an incomplete request', () => {
  assert.equal(refusal([], 'client_secret=first+secret').error, 'invalid_request')
})

test('a kind of authentication that is not supported says which are', () => {
  const bearer = refusal(['Bearer abc'])
  assert.deepEqual([bearer.error, bearer.status], ['invalid_client', 401])
  assert.match(bearer.description, /Basic/)
})

test('an assertion is handed on with its type, and half of one is no request', async () => {
  const shown: PresentedAssertion[] = []
  const handed = createClientAuth([orders], noLimit(), {
    authenticate: async (presented) => (shown.push(presented), orders),
  })
  const body = 'client_assertion=a.b.c&client_assertion_type=t'
  assert.equal(await handed.authenticate(evidence([], body)), orders)
  assert.equal(await handed.authenticate(evidence([], `${body}&client_id=orders`)), orders)
  assert.deepEqual(shown, [
    { assertion: 'a.b.c', assertionType: 't', clientId: undefined },
    { assertion: 'a.b.c', assertionType: 't', clientId: 'orders' },
  ])
  for (const half of [
    'client_assertion=a.b.c',
    'client_assertion_type=t',
    'client_assertion=&client_assertion_type=t',
  ]) {
    assert.equal(refusal([], half).error, 'invalid_request')
  }
  const nobody = await auth.authenticate(evidence([], body))
  assert.ok(isRefusal(nobody) && nobody.error === 'invalid_client')
})

test('both halves of Basic are form-encoded, however thoroughly', () => {
  const odd = client('a:b c', 's%c:r+t ü')
  const oddAuth = createClientAuth([odd], noLimit())
  const escaped = (text: string): string =>
    [...Buffer.from(text)].map((byte) => `%${byte.toString(16).padStart(2, '0')}`).join('')
  for (const encode of [
    (text: string) => new URLSearchParams({ '': text }).toString().slice(1),
    (text: string) => encodeURIComponent(text),
    escaped,
  ]) {
    const header = `Basic ${Buffer.from(`${encode('a:b c')}:${encode('s%c:r+t ü')}`).toString('base64')}`
    assert.equal(oddAuth.authenticate(evidence([header], '')), odd)
  }
})

test('a colon may stand in a secret that was not encoded', () => {
  const odd = client('orders', 'with:colons:inside')
  const header = `Basic ${Buffer.from('orders:with:colons:inside').toString('base64')}`
  assert.equal(createClientAuth([odd], noLimit()).authenticate(evidence([header], '')), odd)
})

test('the scheme is case-insensitive and padding optional', () => {
  const coded = Buffer.from('orders:first+secret').toString('base64')
  for (const header of [`basic ${coded}`, `BASIC  ${coded}`, `Basic ${coded.replaceAll('=', '')}`]) {
    assert.equal(auth.authenticate(evidence([header], '')), orders, header)
  }
})

test('credentials that cannot be read are refused with a challenge', () => {
  const coded = (text: string | Buffer): string => `Basic ${Buffer.from(text).toString('base64')}`
  for (const header of [
    'Basic',
    'Basic ',
    'Basic !!!!',
    `Basic ${Buffer.from('orders:first+secret').toString('base64')}=`,
    `Basic ${Buffer.from('orders:first+secret').toString('base64')} x`,
    coded('orders'),
    coded('orders:100%'),
    coded('%zz:secret'),
    coded(Buffer.from('orders:fü', 'latin1')),
  ]) {
    const refused = refusal([header])
    assert.deepEqual([refused.error, refused.status], ['invalid_client', 401], header)
  }
})

test('no refusal quotes what was sent', () => {
  for (const headers of [[basic('orders', 'hush-hush')], ['Basic hush-hush'], ['hush-hush'], []]) {
    for (const body of ['', 'client_secret=hush-hush', 'client_id=hush-hush&client_secret=hush-hush']) {
      assert.doesNotMatch(refusal(headers, body).description, /hush/)
    }
  }
})

test('no id and secret but a client’s own are ever accepted', () => {
  fc.assert(
    fc.property(fc.string(), fc.string(), (id, secret) => {
      const outcome = auth.authenticate(evidence([basic(id, secret)], ''))
      assert.ok(isRefusal(outcome))
    }),
  )
})

test('too many failures make even the right secret wait, for that client from there only', () => {
  const limited = createClientAuth([orders, billing], createFailureLimit({ burst: 2, perMinute: 6 }))
  const right = evidence([basic('orders', 'first secret')], '')
  for (let count = 0; count < 2; count++) {
    assert.equal(limited.authenticate(right), orders)
    assert.ok(isRefusal(limited.authenticate(evidence([basic('orders', 'wrong')], ''))))
  }
  const refused = limited.authenticate(right)
  assert.ok(isRefusal(refused))
  assert.deepEqual([refused.status, refused.retryAfterSeconds], [429, 10])
  assert.equal(limited.authenticate({ ...right, address: '192.0.2.2' }), orders)
  assert.equal(limited.authenticate(evidence([basic('billing', 'billing secret')], '')), billing)
  assert.equal(limited.authenticate({ ...right, nowMs: right.nowMs + 10_000 }), orders)
})

test('a client that does not exist is limited like one that does', () => {
  const limited = createClientAuth([orders], createFailureLimit({ burst: 1, perMinute: 6 }))
  for (const id of ['orders', 'nobody']) {
    const wrong = evidence([basic(id, 'wrong')], '')
    const answers = [limited.authenticate(wrong), limited.authenticate(wrong)]
    assert.deepEqual(
      answers.map((answer) => isRefusal(answer) && answer.status),
      [401, 429],
    )
  }
})

test('a client may have more secrets than others', () => {
  const three = client('three', 'a', 'b', 'c')
  const wide = createClientAuth([three, orders], noLimit())
  assert.equal(wide.authenticate(evidence([basic('three', 'c')], '')), three)
  assert.equal(wide.authenticate(evidence([basic('orders', 'second secret')], '')), orders)
})

function client(id: string, ...secrets: string[]): Client {
  return { id, secrets: secrets.map((secret) => Secret.fromText(secret)), may: [] }
}

function basic(id: string, secret: string): string {
  const encoded = [id, secret].map((text) => new URLSearchParams({ '': text }).toString().slice(1)).join(':')
  return `Basic ${Buffer.from(encoded).toString('base64')}`
}

function noLimit(): FailureLimit {
  return { waitSeconds: () => 0, failed() {} }
}

function evidence(authorization: string[], body: string): Evidence {
  return { authorization, form: form(body), address: '192.0.2.1', nowMs: 1_800_000_000_000 }
}

function form(body: string): Form {
  const read = readForm('application/x-www-form-urlencoded', Buffer.from(body))
  assert.ok(!isRefusal(read))
  return read
}

function refusal(authorization: string[], body = ''): AuthRefusal {
  const outcome = auth.authenticate(evidence(authorization, body))
  assert.ok(isRefusal(outcome))
  return outcome
}
