import { hash } from 'node:crypto'
import { deny } from '@countersign/sdk/core'
import type { Clock, Denial } from '@countersign/sdk/core'
import { createVerifier } from '@countersign/sdk/jwt'
import type { TrustedIssuerOptions, VerifiedToken } from '@countersign/sdk/jwt'
import { lineageOf } from '@countersign/sdk/policy'
import type { Store } from '../../store/store.ts'
import type { AssertedSubjects, Client, Trust } from '../../trust/trust.ts'
import { fitsSubjects } from '../clients/federated-client.ts'
import type { Form } from '../http/form.ts'
import { isRefusal, refuse } from '../http/refusal.ts'
import type { Refusal } from '../http/refusal.ts'
import type { RemoteKeys } from '../clients/remote-keys.ts'
import { chooseTarget, compileRights, narrow } from './rights.ts'
import type { Granted, Rights } from './rights.ts'

/** Decides about requests of the JWT bearer grant (RFC 7523 §2.1). */
export type JwtBearer = (clientId: string, form: Form, nowMs: number) => Promise<Granted | Refusal>

export type JwtBearerOptions = {
  readonly trust: Pick<Trust, 'clients' | 'services' | 'trusted'>
  /** Whether this is the id of a client, of the trust file or not. */
  readonly isClient: (id: string) => boolean
  /** The issuer identifier: the one audience an assertion may have. */
  readonly issuer: string
  readonly store: Pick<Store, 'putOnce'>
  readonly remoteKeys: RemoteKeys
  readonly clock: Clock
}

/**
 * Compiles for whom a client may ask by the word of a trusted issuer (`mayAssert`): for nobody that the trust file does
 * not name, and for no more than the client's own `may`.
 *
 * The assertion is for us alone, is good for an hour at most and counts once; the token dies no later, names the client
 * as the one who acts, and says in `sub_id` who called the subject so.
 *
 * @example
 * const grant = createJwtBearer({ trust, isClient, issuer, store, remoteKeys, clock })
 * await grant('partner-batch', form, nowMs) // { kind: 'granted', service: 'billing', delegation: { … } }
 */
export function createJwtBearer(options: JwtBearerOptions): JwtBearer {
  const { trust, isClient, issuer, store } = options
  const compiled = new Map([...trust.clients.values()].map((client) => [client.id, compile(client, options)]))

  return async (clientId, form, nowMs) => {
    const rules = compiled.get(clientId)
    if (rules === undefined || rules.rights.all.length === 0) {
      return refuse('unauthorized_client', 'the trust file does not let this client use assertions')
    }
    const assertion = form.values.get('assertion')
    if (assertion === undefined) return refuse('invalid_request', 'assertion is missing')
    const target = chooseTarget(rules.rights, form)
    if (isRefusal(target)) return target
    const { verifier } = rules
    const outcome = verifier.verifyNow(assertion, nowMs) ?? (await verifier.verify(assertion))
    if (outcome.kind === 'denied') return refusedAs(outcome.denial)
    const { token } = outcome
    const denial = check(token, clientId, nowMs) ?? checkSubject(token, rules.subjects, isClient)
    if (denial !== undefined) return refusedAs(denial)

    const scopes = narrow(sharedScopes(target.scopes, token), form.values.get('scope'), 'scope')
    if (isRefusal(scopes)) return scopes
    const roles = narrow(target.roles, form.values.get('roles'), 'role')
    if (isRefusal(roles)) return roles
    const subject = token.subject!
    const tokenId = token.tokenId!
    const lineage = lineageOf({ issuer: token.issuer, tokenId, claims: token.claims, own: false })
    return {
      ...target,
      scopes,
      roles,
      delegation: {
        subject,
        expiresAtSeconds: Math.floor(token.expiresAtSeconds),
        claims: {
          act: { sub: clientId, iss: issuer },
          sub_id: { format: 'iss_sub', iss: token.issuer, sub: subject },
          lineage,
        },
      },
      // Hashed, so that a store need not take whatever text an issuer thinks up.
      async useUp() {
        const id = hash('sha256', tokenId, 'base64url')
        const untilMs = (token.expiresAtSeconds + toleranceSeconds) * 1000
        return (await store.putOnce(`grant ${token.issuer}`, id, untilMs, nowMs))
          ? undefined
          : refusedAs(deny('proof-replayed', 'this assertion was used before'))
      },
    }
  }
}

/** What `grant_types_supported` calls it. */
export const jwtBearerGrant = 'urn:ietf:params:oauth:grant-type:jwt-bearer'

type Rules = {
  readonly rights: Rights
  readonly verifier: ReturnType<typeof createVerifier>
  /** By `iss`. */
  readonly subjects: ReadonlyMap<string, AssertedSubjects>
}

function compile(client: Client, { trust, issuer, remoteKeys, clock }: JwtBearerOptions): Rules | undefined {
  const subjects = new Map<string, AssertedSubjects>()
  const issuers: TrustedIssuerOptions[] = []
  for (const [name, asserted] of client.mayAssert ?? []) {
    const entry = trust.trusted.get(name)
    if (entry === undefined) continue
    subjects.set(entry.issuer, asserted)
    issuers.push({
      issuer: entry.issuer,
      audience: issuer,
      algorithms: entry.algorithms,
      keySet: remoteKeys.ofTrusted(entry),
      types: assertionTypes,
      requiredClaims: ['sub', 'jti'],
    })
  }
  if (issuers.length === 0) return undefined
  // Each is good once, so there is nothing to remember.
  const verifier = createVerifier({ issuers, clockToleranceSeconds: toleranceSeconds, cache: false, clock })
  return { rights: compileRights(client, trust.services), verifier, subjects }
}

/** What the verifier has no rule for. */
function check(token: VerifiedToken, clientId: string, nowMs: number): Denial | undefined {
  // With another in it, that other could pass the assertion on to us.
  if (token.audience.length !== 1) return deny('audience-mismatch', 'aud names others as well')
  if (token.tokenId === '') return deny('claim-malformed', 'jti is empty')
  if (token.expiresAtSeconds * 1000 < nowMs + 1000)
    return deny('token-expired', 'exp has passed, or passes now')
  if (token.expiresAtSeconds > nowMs / 1000 + maxLifeSeconds + toleranceSeconds) {
    return deny('token-lifetime', `exp lies more than ${maxLifeSeconds} s ahead`)
  }
  // Whoever it says it was made for is the only one who may use it.
  const { client_id: madeFor } = token.claims
  if (madeFor !== undefined && madeFor !== clientId)
    return deny('claim-refused', 'client_id is another client')
  return undefined
}

function checkSubject(
  token: VerifiedToken,
  subjects: Rules['subjects'],
  isClient: JwtBearerOptions['isClient'],
): Denial | undefined {
  const asserted = subjects.get(token.issuer)
  if (asserted === undefined || token.subject === '' || !fitsSubjects(asserted, token)) {
    return deny('claim-refused', 'the trust file does not let this client act for this subject')
  }
  // RFC 9700 §4.15: nobody's account elsewhere may become a client here by having its name.
  return isClient(token.subject!) ? deny('claim-refused', 'its sub is the id of a client') : undefined
}

/** An assertion that names scopes means no more than those. */
function sharedScopes(granted: readonly string[], { scopes, claims }: VerifiedToken): readonly string[] {
  if (claims['scope'] === undefined && claims['scp'] === undefined) return granted
  const named = new Set(scopes)
  return granted.filter((scope) => named.has(scope))
}

/** RFC 7523 §3.1. What exactly is wrong only the operator is told. */
function refusedAs(denial: Denial): Refusal {
  return { ...refuse('invalid_grant', `the assertion is refused: ${denial.reason}`), denial }
}

/** Never an access token: that was made for somebody to be called with (RFC 8725 §3.11). */
const assertionTypes = ['JWT', 'authorization-grant+jwt', 'oauth-id-jag+jwt']
/** Clocks of others differ more than ours do among themselves. */
const toleranceSeconds = 15
const maxLifeSeconds = 3600
