import type { Algorithm } from '@countersign/sdk/jwt'
import { billingAudience } from './people.ts'
import type { DemoPorts } from './settings.ts'
import { tutorialAudience, tutorialIssuer } from './tutorial-token.ts'

/**
 * The demo's trust file. Issuer, gateway and everything else in the demo work from this text and nothing else;
 * `countersign demo --print-trust` prints it.
 *
 * @example
 * demoTrustText({ issuer: 8080, gateway: 9001, provider: 8090, secret: 9101, billing: 9102 })
 */
export function demoTrustText(ports: DemoPorts, algorithm: Algorithm = 'ES256'): string {
  return `# Who may call what in the demo.
issuer:
  url: ${localUrl(ports.issuer)}
  listen: 127.0.0.1:${ports.issuer}
  store: "memory:"
  keys: { algorithm: ${algorithm}, rotateEvery: 30d }
  tokens: { lifetime: 5m }

gateway:
  listen: 127.0.0.1:${ports.gateway}

trusted:
  # The tutorial's own issuer: one secret, shared by whoever signs and whoever verifies.
  tutorial:
    issuer: ${tutorialIssuer}
    audience: ${tutorialAudience}
    secret: { env: SECRET_KEY }
  # The identity provider where people log in: only its public keys are needed, found by discovery.
  people:
    issuer: ${localUrl(ports.provider)}
    audience: ${billingAudience}
    algorithms: [RS256]
    roles: /roles

services:
  # The tutorial's service: the token stands in the Token header, or where it belongs, in Authorization.
  secret:
    audience: ${tutorialAudience}
    accepts: tutorial
    tokenFrom: [bearer, { header: Token }]
    upstream: http://127.0.0.1:${ports.secret}
    at: /
    routes:
      GET /: authenticated

  # A service of our own: every route says which role it takes.
  billing:
    audience: ${billingAudience}
    roles: [reader, admin]
    accepts: [own, people]
    upstream: http://127.0.0.1:${ports.billing}
    at: /billing
    routes:
      GET /health: open
      GET /whoami: authenticated
      GET /invoices: { anyOf: [{ roles: reader }, { roles: admin }] }
      GET /invoices/{id}: { anyOf: [{ roles: reader }, { roles: admin }] }
      POST /invoices: { roles: admin }

clients:
  orders:
    authenticate: { secret: { env: ORDERS_SECRET } }
    may: { billing: { roles: [reader] } }
  backoffice:
    authenticate: { secret: { env: BACKOFFICE_SECRET } }
    may: { billing: { roles: [reader, admin] } }
`
}

/** What a port of this machine is called in URLs, and so in the `iss` claim. */
export function localUrl(port: number): string {
  return `http://localhost:${port}`
}
