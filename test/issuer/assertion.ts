/** Test support: clients that sign their own assertions (RFC 7523 §2.2). */
import { randomUUID } from 'node:crypto'
import { generateSigningKey, signJws, verificationKey } from '@countersign/sdk/jwt'
import type { SigningKey } from '@countersign/sdk/jwt'
import type { Client, ClientAssertion, OwnAssertion } from '../../packages/server/src/trust/trust.ts'
import { orders } from './fixture.ts'

export const jwtBearer = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer'

/** Signs claims as they are, whatever they are: the sdk's own signer would refuse some of what is tested here. */
export function assertionOf(
  key: SigningKey,
  claims: object,
  header: Record<string, unknown> = {},
  type?: string,
): string {
  const options = { key, header, ...(type === undefined ? {} : { type }) }
  return signJws(Buffer.from(JSON.stringify(claims)), options)
}

/** The claims of a good assertion, with changes; `undefined` takes a claim out. */
export function goodClaims(client: string, audience: string, nowMs: number, changes: object = {}): object {
  const nowSeconds = Math.floor(nowMs / 1000)
  return {
    iss: client,
    sub: client,
    aud: audience,
    jti: randomUUID(),
    iat: nowSeconds,
    exp: nowSeconds + 60,
    ...changes,
  }
}

/** The form's fields that carry an assertion. */
export function assertionFields(assertion: string, more: Readonly<Record<string, string>> = {}): string {
  return new URLSearchParams({
    client_assertion_type: jwtBearer,
    client_assertion: assertion,
    ...more,
  }).toString()
}

/** A client like `orders` that shows assertions, and the key it signs them with. */
export function keyedClient(
  id: string,
  { algorithm = 'ES256', ...more }: Partial<OwnAssertion> & { algorithm?: 'ES256' | 'PS256' | 'EdDSA' } = {},
): { readonly client: Client; readonly key: SigningKey } {
  const key = generateSigningKey(algorithm)
  const assertion: ClientAssertion = {
    kind: 'own',
    keys: { kind: 'keys', keys: [verificationKey(key)] },
    legacyAudience: false,
    ...more,
  }
  return { client: { ...orders, id, secrets: [], assertion }, key }
}
