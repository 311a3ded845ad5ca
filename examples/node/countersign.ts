// Written by `countersign types` from trust.yaml; not by hand. `countersign types --check` tells when it is old.
/* eslint-disable */
import type { ServiceTerms } from '@countersign/sdk/guard'

/** The `iss` of our own tokens. */
// prettier-ignore
export const issuer = 'http://localhost:8080'

// prettier-ignore
export const services = {
  billing: {
    name: 'billing',
    audience: 'https://billing.acme.example',
    roles: ['reader', 'admin'],
    scopes: [],
    issuers: [{ issuer: 'http://localhost:8080', audience: 'https://billing.acme.example', publishesRevocations: true, allowPrivateAddresses: true }],
    tokenFrom: ['bearer'],
    routes: {
      'GET /health': 'open',
      'GET /invoices/{id}': { roles: ['reader'] },
      'POST /invoices': { roles: ['admin'] },
    },
  },
} as const satisfies Readonly<Record<string, ServiceTerms>>

export type ServiceName = keyof typeof services
export type Role<Name extends ServiceName> = (typeof services)[Name]['roles'][number]
export type Scope<Name extends ServiceName> = (typeof services)[Name]['scopes'][number]
export type Route<Name extends ServiceName> = keyof (typeof services)[Name]['routes']
