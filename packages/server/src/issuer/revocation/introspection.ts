import type { Clock } from '@countersign/sdk/core'
import { createVerifier, dangerouslyAnyAudience } from '@countersign/sdk/jwt'
import type { KeySet, Revocations, VerifiedToken } from '@countersign/sdk/jwt'
import type { Client, Service } from '../../trust/trust.ts'
import type { AboutToken } from '../http/client-endpoint.ts'
import { asciiJson } from '../http/reply.ts'
import type { Reply } from '../http/reply.ts'

/**
 * Introspection (RFC 7662): whether a token is good at this moment, and what it says.
 *
 * It is told to the client that the token was issued to, and to those that the trust file lets ask for the token's
 * service (`introspects`). For everybody else every token is inactive, like one that never was.
 *
 * @example
 * const introspect = createIntrospection({ issuer, keySet, revocations, services: () => trust.services, clock })
 */
export function createIntrospection(options: IntrospectionOptions): AboutToken {
  const { issuer, keySet, revocations, services, clock } = options
  const verifier = createVerifier({
    issuer,
    keySet,
    revocations,
    clock,
    // Whom the token is for decides below who may ask about it.
    audience: dangerouslyAnyAudience,
    // Nobody calls with it here: what it is bound to is part of the answer.
    confirmation: 'checked-by-caller',
    cache: { entries: 1000 },
  })

  return async (client, text, nowMs) => {
    // What another replica has revoked a second ago counts.
    await revocations.load(nowMs)
    const outcome = verifier.verifyNow(text, nowMs) ?? (await verifier.verify(text))
    if (outcome.kind === 'denied') return inactive
    const { token } = outcome
    // The verifier's tolerance is for services; the issuer knows what time it is.
    if (token.expiresAtSeconds * 1000 <= nowMs) return inactive
    if (!mayAsk(client, token, services())) return inactive
    const { tokenId } = token
    return { ...reply(describe(token)), ...(tokenId === undefined ? {} : { about: { tokenId } }) }
  }
}

export type IntrospectionOptions = {
  readonly issuer: string
  readonly keySet: KeySet
  readonly revocations: Revocations
  /** By name, as they are at the moment. */
  readonly services: () => ReadonlyMap<string, Service>
  readonly clock: Clock
}

function mayAsk(client: Client, token: VerifiedToken, services: ReadonlyMap<string, Service>): boolean {
  if (token.clientId === client.id) return true
  return (client.introspects ?? []).some((name) => {
    const service = services.get(name)
    return service !== undefined && token.audience.includes(service.audience)
  })
}

/** RFC 7662 §2.2, RFC 8693 §4, RFC 9449 §6.2, RFC 8705 §3.2. Asciified, so that no claim can break a header or a log. */
function describe(token: VerifiedToken): Readonly<Record<string, unknown>> {
  const { claims } = token
  const told = Object.fromEntries(
    toldClaims.filter((name) => claims[name] !== undefined).map((name) => [name, claims[name]]),
  )
  const tokenType = token.confirmation?.keyThumbprint === undefined ? 'Bearer' : 'DPoP'
  return { active: true, token_type: tokenType, ...told }
}

function reply(body: Readonly<Record<string, unknown>>): Reply {
  return { status: 200, headers, body: asciiJson(body) }
}

const headers = ['Content-Type', 'application/json', 'Cache-Control', 'no-store', 'Pragma', 'no-cache']
const inactive = reply({ active: false })

/** Left out: `lineage`, whose ids are other clients' tokens. */
const toldClaims = [
  'iss',
  'sub',
  'aud',
  'client_id',
  'exp',
  'nbf',
  'iat',
  'jti',
  'scope',
  'roles',
  'cnf',
  'act',
  'may_act',
  'sub_id',
]
