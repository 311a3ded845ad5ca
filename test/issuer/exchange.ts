/** Test support: a chain of services that call on for whoever called them, and an identity provider. */
import { Secret } from '@countersign/sdk/core'
import { createSigner, generateSigningKey } from '@countersign/sdk/jwt'
import type { SigningKey } from '@countersign/sdk/jwt'
import type { Client, Grant, Service, Trust, TrustedIssuer } from '../../packages/server/src/trust/trust.ts'
import { service } from './fixture.ts'

export const login = 'https://login.acme.example'
export const loginSecret = Secret.fromText('login-secret-of-some-length-0001')

const provider: TrustedIssuer = {
  name: 'login',
  issuer: login,
  audience: 'acme-web',
  algorithms: ['HS256'],
  type: 'JWT',
  keys: { kind: 'secret', secret: loginSecret, dangerouslyShort: false },
  roles: '/realm/roles',
}

/** `front` calls billing, billing calls stock, stock calls ledger; people come to billing by `login`. */
export function chainTrust(changes: { readonly clients?: readonly Client[] } = {}): Trust {
  const scopes = ['read', 'write']
  const roles = ['reader', 'admin']
  const services: Service[] = ['billing', 'stock', 'ledger'].map((name) => service(name, roles, scopes))
  const clients = changes.clients ?? [
    caller('front', [{ service: 'billing', roles, scopes }]),
    {
      ...caller('billing-api', [
        { service: 'stock', roles, scopes: ['read'] },
        { service: 'ledger', roles: [], scopes: [] },
      ]),
      mayExchange: ['billing'],
    },
    {
      ...caller('stock-api', [{ service: 'ledger', roles: ['reader'], scopes: ['read'] }]),
      mayExchange: ['stock'],
    },
  ]
  return {
    file: 'countersign.yaml',
    issuer: undefined,
    gateway: undefined,
    trusted: new Map([['login', provider]]),
    services: new Map(
      services.map((entry) => [
        entry.name,
        entry.name === 'billing' ? { ...entry, accepts: ['login'] } : entry,
      ]),
    ),
    clients: new Map(clients.map((entry) => [entry.id, entry])),
  }
}

export function secretOf(id: string): string {
  return `${id}-secret-of-some-length-00000001`
}

export function caller(id: string, may: readonly Grant[]): Client {
  return { id, secrets: [Secret.fromText(secretOf(id))], may }
}

/** Signs an access token of anybody's. */
export function sign(key: SigningKey, claims: Readonly<Record<string, unknown>>, type = 'at+jwt'): string {
  return createSigner({ key, type }).sign(claims)
}

export const stranger = generateSigningKey('ES256')
