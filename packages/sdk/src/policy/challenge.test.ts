import assert from 'node:assert/strict'
import { test } from 'node:test'
import { deny } from '../core/denial.ts'
import type { DenialReason } from '../core/denial.ts'
import { Problem } from '../core/problem.ts'
import { challenge, denialWire, prefersJson, problemResponse } from './challenge.ts'

const text = { realm: 'billing', wantsJson: false }
const json = { realm: 'billing', wantsJson: true }

test('no token: the tutorial’s line, and a challenge without an error code', () => {
  assert.deepEqual(challenge(deny('token-missing', 'x'), text), {
    status: 401,
    headers: {
      'WWW-Authenticate': 'Bearer realm="billing"',
      'Content-Type': 'text/plain; charset=utf-8',
      'Cache-Control': 'no-store',
    },
    body: 'No Authorization Token provided',
  })
})

test('a bad token: invalid_token, as a problem document for those who ask for one', () => {
  const response = challenge(deny('token-expired', 'exp passed 7 s ago'), json)
  assert.equal(response.status, 401)
  assert.equal(
    response.headers['WWW-Authenticate'],
    'Bearer realm="billing", error="invalid_token", error_description="Expired token"',
  )
  assert.equal(response.headers['Content-Type'], 'application/problem+json')
  assert.deepEqual(JSON.parse(response.body), {
    type: 'about:blank',
    title: 'Unauthorized',
    status: 401,
    detail: 'Expired token',
    error: 'invalid_token',
  })
})

test('a missing scope: the full list', () => {
  const response = challenge(deny('scope-missing', 'x'), {
    ...text,
    scopes: ['invoices:read', 'invoices:write'],
  })
  assert.equal(response.status, 403)
  assert.equal(
    response.headers['WWW-Authenticate'],
    'Bearer realm="billing", error="insufficient_scope", error_description="Insufficient Scope", scope="invoices:read invoices:write"',
  )
  const role = challenge(deny('role-missing', 'x'), text)
  assert.equal(
    role.headers['WWW-Authenticate'],
    'Bearer realm="billing", error="insufficient_scope", error_description="Forbidden"',
  )
})

test('what is no matter of a token carries no challenge', () => {
  for (const [reason, status] of [
    ['path-ambiguous', 400],
    ['request-malformed', 400],
    ['service-unknown', 404],
    ['route-unknown', 404],
    ['method-unknown', 405],
  ] as const) {
    const response = challenge(deny(reason, 'x'), { ...text, allow: ['GET', 'HEAD'] })
    assert.equal(response.status, status)
    assert.equal(response.headers['WWW-Authenticate'], undefined)
    assert.equal(response.headers['Allow'], status === 405 ? 'GET, HEAD' : undefined)
  }
})

test('every row of the table keeps to RFC 6750 §3.1', () => {
  const errors = { 400: 'invalid_request', 401: 'invalid_token', 403: 'insufficient_scope' } as Record<
    number,
    string
  >
  for (const [reason, wire] of Object.entries(denialWire)) {
    assert.ok(wire.text.length > 0 && !wire.text.includes('\n'), reason)
    if (wire.status === 401 || wire.status === 403) assert.ok(wire.asks, reason)
    if (wire.aboutProof === true) assert.match(wire.error!, /^(invalid_dpop_proof|use_dpop_nonce)$/, reason)
    else if (wire.asks && reason !== 'token-missing') assert.equal(wire.error, errors[wire.status], reason)
    else assert.equal(wire.error, undefined, reason)
  }
})

test('the detail stays inside', () => {
  for (const reason of Object.keys(denialWire) as DenialReason[]) {
    for (const options of [text, json]) {
      assert.ok(
        !JSON.stringify(challenge(deny(reason, 'the-detail'), options)).includes('the-detail'),
        reason,
      )
    }
  }
})

test('the metadata of the resource is named where it is known', () => {
  const url = 'https://billing.example/.well-known/oauth-protected-resource'
  const response = challenge(deny('token-missing', 'x'), { ...text, resourceMetadata: url })
  assert.equal(response.headers['WWW-Authenticate'], `Bearer realm="billing", resource_metadata="${url}"`)
})

test('parameters are quoted, and nothing in them starts another header', () => {
  const response = challenge(deny('scope-missing', 'x'), {
    realm: 'a "quoted" \\ realm\r\nSet-Cookie: x=1é',
    scopes: ['"a"'],
    wantsJson: false,
  })
  assert.equal(
    response.headers['WWW-Authenticate'],
    'Bearer realm="a \\"quoted\\" \\\\ realmSet-Cookie: x=1", error="insufficient_scope", ' +
      'error_description="Insufficient Scope", scope="\\"a\\""',
  )
})

test('a failure to decide is a 503 with a time to come back', () => {
  const of = (retryAfterSeconds?: number) =>
    problemResponse(
      new Problem(
        'keys-unavailable',
        'inside only',
        retryAfterSeconds === undefined ? {} : { retryAfterSeconds },
      ),
      { wantsJson: false },
    )
  assert.deepEqual(of(7), {
    status: 503,
    headers: { 'Retry-After': '7', 'Content-Type': 'text/plain; charset=utf-8', 'Cache-Control': 'no-store' },
    body: 'Service Unavailable, please try again',
  })
  assert.equal(of().headers['Retry-After'], '5')
  assert.equal(of(0.2).headers['Retry-After'], '1')
  assert.equal(of(-3).headers['Retry-After'], '1')
  assert.equal(of(1e9).headers['Retry-After'], '3600')
  assert.equal(of(Number.NaN).headers['Retry-After'], '5')
  const document = problemResponse(new Problem('keys-unavailable', 'inside only'), { wantsJson: true })
  assert.deepEqual(JSON.parse(document.body), {
    type: 'about:blank',
    title: 'Service Unavailable',
    status: 503,
    detail: 'Service Unavailable, please try again',
  })
})

for (const [accept, expected] of [
  [undefined, false],
  ['', false],
  ['*/*', false],
  ['application/*', false],
  ['application/json', true],
  ['application/problem+json', true],
  ['Application/JSON; charset=utf-8', true],
  ['application/json, text/plain, */*', true],
  ['text/plain, application/json', true],
  ['text/plain;q=0.5, application/json;q=0.4', false],
  ['text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8', false],
  ['text/html, application/json;q=0.9', false],
  ['application/json;q=0', false],
  ['application/json;Q=0.1', true],
  ['application/json;q=x', false],
  ['application/jsonx', false],
  ['application/vnd.api+json', false],
  [',;,=;q,application/json', true],
] as const) {
  test(`Accept: ${accept} ${expected ? 'prefers' : 'does not prefer'} JSON`, () => {
    assert.equal(prefersJson(accept), expected)
  })
}

const terms = { required: false, algorithms: ['ES256', 'PS256'], nonce: undefined }

for (const [reason, dpop, expected] of [
  ['token-missing', terms, 'Bearer realm="billing", DPoP realm="billing", algs="ES256 PS256"'],
  ['token-missing', { ...terms, required: true }, 'DPoP realm="billing", algs="ES256 PS256"'],
  [
    'proof-required',
    terms,
    'Bearer realm="billing", error="invalid_token", error_description="Invalid Token", ' +
      'DPoP realm="billing", error="invalid_token", error_description="Invalid Token", algs="ES256 PS256"',
  ],
  [
    'proof-invalid',
    terms,
    'DPoP realm="billing", error="invalid_dpop_proof", error_description="Invalid DPoP Proof", algs="ES256 PS256"',
  ],
  [
    'proof-missing',
    undefined,
    'DPoP realm="billing", error="invalid_dpop_proof", error_description="No DPoP Proof provided"',
  ],
  [
    'nonce-required',
    { ...terms, required: true, nonce: 'n-1' },
    'DPoP realm="billing", error="use_dpop_nonce", error_description="DPoP Nonce required", algs="ES256 PS256"',
  ],
] as const) {
  test(`where proofs are checked: ${reason}${dpop?.required === true ? ', required' : ''}`, () => {
    const { status, headers } = challenge(deny(reason, 'x'), {
      ...text,
      ...(dpop === undefined ? {} : { dpop }),
    })
    assert.equal(status, 401)
    assert.equal(headers['WWW-Authenticate'], expected)
    assert.equal(headers['DPoP-Nonce'], dpop?.nonce)
  })
}

test('what is not about the token brings no nonce', () => {
  const { headers } = challenge(deny('route-unknown', 'x'), { ...text, dpop: { ...terms, nonce: 'n-1' } })
  assert.deepEqual(Object.keys(headers).sort(), ['Cache-Control', 'Content-Type'])
})
