/** Test support: for every reason a guard may refuse a request, a request that earns it, and the answer due. */
import type { DenialReason } from '@countersign/sdk/core'
import type { TestIssuer } from '@countersign/sdk/testing'
import type { RawRequest } from './raw-request.ts'

export type Refusal = {
  readonly status: number
  /** RFC 6750 §3.1; undefined: a challenge without one. */
  readonly error?: string
  readonly text: string
  /** False: the answer is not about a token, and brings no challenge. */
  readonly challenged?: false
  request(issuer: TestIssuer): RawRequest
}

/** What a table of routes refuses and a framework's own router does not leave to the guard. */
type RoutersOwn = 'service-unknown' | 'route-unknown' | 'method-unknown'

/** What a guard never says. */
type GatewaysOwn = 'rate-exceeded'

/** What only a guard refuses that checks whose token it is; asked apart. */
type Constrained =
  | 'proof-missing'
  | 'proof-invalid'
  | 'proof-replayed'
  | 'nonce-required'
  | 'confirmation-missing'
  | 'confirmation-mismatch'

export const refusals: Readonly<
  Record<Exclude<DenialReason, RoutersOwn | GatewaysOwn | Constrained>, readonly Refusal[]>
> = {
  'request-malformed': [
    {
      status: 400,
      text: 'Malformed Request',
      challenged: false,
      request: (issuer) => ({ target: 'http://127.0.0.1/me', headers: bearer(issuer) }),
    },
  ],
  'path-ambiguous': [
    {
      status: 400,
      text: 'Ambiguous Path',
      challenged: false,
      request: (issuer) => ({ target: '/invoices/a%2Fb', headers: bearer(issuer, { roles: 'reader' }) }),
    },
  ],
  'token-missing': [
    missing({ target: '/me' }),
    missing({ target: '/me', headers: ['Authorization', 'Basic b3JkZXJzOnM='] }),
    missing({ target: '/me', headers: ['Authorization', 'Bearertoken'] }),
    missing({ target: '/me', headers: ['Token', ''] }),
    missing({ target: '/me', method: 'HEAD' }),
    missing({ target: '/echo', method: 'POST', body: 'hello' }),
  ],
  'token-repeated': [
    twice((issuer) => [...bearer(issuer), ...bearer(issuer)]),
    twice((issuer) => [...bearer(issuer), 'authorization', 'Bearer other']),
    twice((issuer) => ['Token', issuer.token(), 'TOKEN', 'x']),
  ],
  'token-places': [twice((issuer) => [...bearer(issuer), 'Token', issuer.token()])],
  'credentials-malformed': [
    malformed(() => ['Authorization', 'Bearer']),
    malformed((issuer) => ['Authorization', `Bearer ${issuer.token()}, Bearer ${issuer.token()}`]),
    malformed((issuer) => ['Authorization', `Bearer ${issuer.token()} x`]),
  ],
  'token-oversize': [
    {
      status: 400,
      error: 'invalid_request',
      text: 'Authorization Token too long',
      request: () => ({ target: '/me', headers: ['Authorization', `Bearer ${'a'.repeat(16_385)}`] }),
    },
  ],
  'token-malformed': [invalid(() => 'x'), invalid(() => 'a.b.c'), invalid((issuer) => `${issuer.token()}.x`)],
  'algorithm-mismatch': [
    {
      ...invalid((issuer) => issuer.token({ dangerouslyAlgorithm: 'none', dangerouslySignature: 'none' })),
      text: 'Invalid Signing Method',
    },
  ],
  'critical-unknown': [invalid((issuer) => issuer.token({ dangerouslyHeader: { crit: ['x'], x: 1 } }))],
  'type-mismatch': [invalid((issuer) => issuer.token({ dangerouslyType: 'JWT' }))],
  'key-unknown': [invalid((issuer) => issuer.token({ dangerouslyKeyId: 'nobody' }))],
  'signature-invalid': [
    invalid((issuer) => issuer.token({ dangerouslySignature: 'broken' })),
    invalid((issuer) => issuer.token({ dangerouslySignature: 'foreign' })),
  ],
  'claim-missing': [invalid((issuer) => issuer.token({ claims: { exp: undefined } }))],
  'claim-malformed': [invalid((issuer) => issuer.token({ dangerouslyClaims: { exp: 'soon' } }))],
  'issuer-mismatch': [
    {
      ...invalid((issuer) => issuer.token({ claims: { iss: 'https://other.test' } })),
      text: 'invalid iss',
    },
  ],
  'audience-mismatch': [
    { ...invalid((issuer) => issuer.token({ audience: 'https://other.test' })), text: 'invalid aud' },
  ],
  'token-expired': [
    { ...invalid((issuer) => issuer.token({ lifetimeSeconds: -60 })), text: 'Expired token' },
  ],
  'token-premature': [
    invalid((issuer) => issuer.token({ claims: { nbf: Math.floor(issuer.clock() / 1000) + 60 } })),
  ],
  'token-lifetime': [invalid((issuer) => issuer.token({ lifetimeSeconds: 7200 }))],
  'token-revoked': [
    invalid((issuer) => {
      const token = issuer.token()
      issuer.revoke(token)
      return token
    }),
  ],
  'claims-mismatch': [invalid((issuer) => issuer.token({ claims: { tenant: 7 } }))],
  'proof-required': [invalid((issuer) => issuer.token({ claims: { cnf: { jkt: 'thumbprint' } } }))],
  'scope-missing': [
    {
      ...forbidden('Insufficient Scope', (issuer) =>
        bearer(issuer, { roles: 'admin', scopes: 'invoices:read' }),
      ),
    },
  ],
  'role-missing': [
    forbidden('Forbidden', (issuer) =>
      bearer(issuer, { roles: 'reader', scopes: ['invoices:read', 'invoices:delete'] }),
    ),
  ],
  'claim-refused': [
    {
      status: 403,
      error: 'insufficient_scope',
      text: 'Forbidden',
      request: (issuer) => ({ target: '/tenant', headers: bearer(issuer, { claims: { tenant: 'evil' } }) }),
    },
    {
      status: 403,
      error: 'insufficient_scope',
      text: 'Forbidden',
      request: (issuer) => ({ target: '/tenant', headers: bearer(issuer) }),
    },
  ],
}

export function bearer(issuer: TestIssuer, wanted?: Parameters<TestIssuer['token']>[0]): readonly string[] {
  return ['Authorization', issuer.authorization(wanted)]
}

function missing(request: RawRequest): Refusal {
  return { status: 401, text: 'No Authorization Token provided', request: () => request }
}

function twice(headers: (issuer: TestIssuer) => readonly string[]): Refusal {
  return {
    status: 400,
    error: 'invalid_request',
    text: 'More than one Authorization Token provided',
    request: (issuer) => ({ target: '/me', headers: headers(issuer) }),
  }
}

function malformed(headers: (issuer: TestIssuer) => readonly string[]): Refusal {
  return {
    status: 400,
    error: 'invalid_request',
    text: 'Malformed Authorization',
    request: (issuer) => ({ target: '/me', headers: headers(issuer) }),
  }
}

function invalid(token: (issuer: TestIssuer) => string): Refusal {
  return {
    status: 401,
    error: 'invalid_token',
    text: 'Invalid Token',
    request: (issuer) => ({ target: '/me', headers: ['Authorization', `Bearer ${token(issuer)}`] }),
  }
}

function forbidden(text: string, headers: (issuer: TestIssuer) => readonly string[]): Refusal {
  return {
    status: 403,
    error: 'insufficient_scope',
    text,
    request: (issuer) => ({ method: 'DELETE', target: '/invoices/7', headers: headers(issuer) }),
  }
}
