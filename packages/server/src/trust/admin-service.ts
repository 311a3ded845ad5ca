import type { Service } from './trust.ts'

/** Under this name the admin API stands in a client's `may`; no service of the trust file can have it. */
export const adminServiceName = 'countersign'

/** What may be asked of the admin API: one scope for looking and one for changing, by what is looked at. */
export const adminScopes = [
  'clients:read',
  'clients:write',
  'keys:read',
  'keys:write',
  'revocations:read',
  'revocations:write',
  'audit:read',
] as const

export type AdminScope = (typeof adminScopes)[number]

/** The admin API as a service that tokens are issued for. It is no service of the gateway's. */
export function adminService(issuerUrl: string): Service {
  return {
    name: adminServiceName,
    audience: `${issuerUrl.endsWith('/') ? issuerUrl.slice(0, -1) : issuerUrl}/admin`,
    roles: [],
    scopes: adminScopes,
    upstream: undefined,
    at: undefined,
    host: undefined,
    accepts: [],
    acceptsOwn: true,
    tokenFrom: [{ kind: 'bearer' }],
    routes: [],
  }
}
