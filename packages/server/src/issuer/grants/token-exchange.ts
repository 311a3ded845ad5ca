import type { Clock, Denial } from '@countersign/sdk/core'
import { deny } from '@countersign/sdk/core'
import type { Confirmation } from '@countersign/sdk/jwt'
import { lineageOf, mayAct, nestActors } from '@countersign/sdk/policy'
import type { Trust } from '../../trust/trust.ts'
import type { Form } from '../http/form.ts'
import { isRefusal, refuse } from '../http/refusal.ts'
import type { Refusal } from '../http/refusal.ts'
import type { RemoteKeys } from '../clients/remote-keys.ts'
import { chooseTarget, compileRights, narrow } from './rights.ts'
import type { Delegation, Granted } from './rights.ts'
import { createShownTokens } from './subject-tokens.ts'
import type { OwnTokens, ShownToken } from './subject-tokens.ts'

/** Decides about requests of the token exchange grant (RFC 8693 §2). */
export type TokenExchange = (clientId: string, form: Form, nowMs: number) => Promise<Granted | Refusal>

export type TokenExchangeOptions = {
  readonly trust: Pick<Trust, 'clients' | 'services' | 'trusted'>
  /** Whether there is a client with this id, wherever it is kept; those of `trust` unless given. */
  readonly isClient?: (id: string) => boolean
  /** Our issuer and its keys. */
  readonly own: OwnTokens
  readonly remoteKeys: RemoteKeys
  readonly clock: Clock
}

/**
 * Compiles who may act for whom: a client that stands for a service (`mayExchange`) gives the token it was called with
 * and gets one to call on with.
 *
 * It is always a delegation, never an impersonation: the new token names the client as its actor, with those before it
 * nested inside. It is for one service of the client's `may`; its scopes and roles are those that the client _and_ the
 * subject's token have; it dies no later than what it was exchanged for; and it records what it descends from.
 *
 * @example
 * const exchange = createTokenExchange({ trust, own: { issuer, keySet, revocations }, remoteKeys, clock })
 * await exchange('billing-api', form, nowMs) // { kind: 'granted', service: 'stock', delegation: { … } }
 */
export function createTokenExchange(options: TokenExchangeOptions): TokenExchange {
  const { trust, own, remoteKeys, clock, isClient = (id: string) => trust.clients.has(id) } = options
  const compiled = new Map(
    [...trust.clients.values()].map((client) => [
      client.id,
      {
        rights: compileRights(client, trust.services),
        shown: createShownTokens(client, trust, { own, remoteKeys, clock }),
        mayExchangeBound: client.mayExchangeBound,
      },
    ]),
  )

  return async (clientId, form, nowMs) => {
    const { rights, shown, mayExchangeBound } = compiled.get(clientId) ?? {}
    if (rights === undefined || shown === undefined || rights.all.length === 0) {
      return refuse('unauthorized_client', 'the trust file does not let this client exchange tokens')
    }
    const asked = readRequest(form)
    if (isRefusal(asked)) return asked
    const target = chooseTarget(rights, form)
    if (isRefusal(target)) return target

    const subject = await shown.subject(asked.subjectToken, nowMs)
    if ('reason' in subject) return refusedToken('subject_token', subject)
    const collision = !subject.own && isClient(subject.principal.subject)
    // RFC 9700 §4.15: nobody's account elsewhere may become a client here by having its name.
    if (collision)
      return refusedToken('subject_token', deny('claim-refused', 'its sub is the id of a client'))
    const { actorToken } = asked
    const actor =
      actorToken === undefined ? forever : readActor(await shown.actor(actorToken, nowMs), clientId)
    if ('reason' in actor) return refusedToken('actor_token', actor)

    const scopes = narrow(shared(target.scopes, subject.token.scopes), form.values.get('scope'), 'scope')
    if (isRefusal(scopes)) return scopes
    const roles = narrow(shared(target.roles, subject.principal.roles), form.values.get('roles'), 'role')
    if (isRefusal(roles)) return roles
    const boundTo = readBinding(subject, mayExchangeBound)
    if (boundTo !== undefined && 'reason' in boundTo) return refusedToken('subject_token', boundTo)
    const delegation = delegate(subject, { sub: clientId, iss: own.issuer }, actor.expiresAtSeconds)
    if ('reason' in delegation) return refusedToken('subject_token', delegation)
    return {
      ...target,
      exchanged: true,
      scopes,
      roles,
      delegation: boundTo === undefined ? delegation : { ...delegation, boundTo },
    }
  }
}

/** What `grant_types_supported` calls it. */
export const tokenExchangeGrant = 'urn:ietf:params:oauth:grant-type:token-exchange'

/** What is issued: always an access token (RFC 8693 §3). */
export const accessTokenType = 'urn:ietf:params:oauth:token-type:access_token'

type Asked = { readonly subjectToken: string; readonly actorToken: string | undefined }

/** RFC 8693 §2.1 */
function readRequest({ values }: Form): Asked | Refusal {
  const subjectToken = values.get('subject_token')
  if (subjectToken === undefined) return refuse('invalid_request', 'subject_token is missing')
  const actorToken = values.get('actor_token')
  const requested = values.get('requested_token_type') ?? accessTokenType
  if (requested !== accessTokenType) {
    return refuse(
      'invalid_request',
      `only tokens of this requested_token_type are issued: ${accessTokenType}`,
    )
  }
  for (const name of actorToken === undefined ? ['subject'] : ['subject', 'actor']) {
    const type = values.get(`${name}_token_type`)
    if (type === undefined) return refuse('invalid_request', `${name}_token_type is missing`)
    if (!readableTypes.includes(type)) {
      return refuse(
        'invalid_request',
        `this ${name}_token_type is not read; known: ${readableTypes.join(', ')}`,
      )
    }
  }
  if (actorToken === undefined && values.has('actor_token_type')) {
    return refuse('invalid_request', 'actor_token_type without actor_token')
  }
  return { subjectToken, actorToken }
}

/** The client can show that it is itself, and nothing more: another's token is not its word. */
function readActor(shown: ShownToken | Denial, clientId: string): { expiresAtSeconds: number } | Denial {
  if ('reason' in shown) return shown
  const { token, principal } = shown
  if (token.subject !== clientId || token.clientId !== clientId) {
    return deny('claim-refused', 'it is not the requesting client’s own')
  }
  if (principal.actor !== undefined) return deny('claim-refused', 'somebody else acts for the client in it')
  return token
}

/** What the new token must be bound to as well. A stolen token must not become a good one by being exchanged. */
export function readBinding(
  { token }: ShownToken,
  mayExchangeBound: boolean | undefined,
): Confirmation | Denial | undefined {
  const { confirmation } = token
  // Its own guard has seen the proof, and the trust file takes its word for that.
  if (confirmation === undefined || mayExchangeBound === true) return undefined
  if (confirmation.keyThumbprint !== undefined || confirmation.certificateThumbprint !== undefined)
    return confirmation
  return deny('proof-required', 'it is bound in a way (cnf) that is not known here')
}

export function delegate(
  { token, principal, own }: ShownToken,
  actor: { readonly sub: string; readonly iss: string },
  untilSeconds: number,
): Delegation | Denial {
  const { claims, issuer, tokenId } = token
  // Asked for whoever acts, with an actor_token or without: leaving it out must not be a way around.
  if (!mayAct(claims['may_act'], actor)) return deny('claim-refused', 'may_act names somebody else')
  const act = nestActors(actor, principal.actor)
  if (act === undefined) return deny('claim-refused', 'its chain of actors is too long')
  const lineage = lineageOf({ issuer, tokenId, claims, own })
  const foreign = { format: 'iss_sub', iss: issuer, sub: principal.subject }
  const subjectId = own ? claims['sub_id'] : foreign
  return {
    subject: principal.subject,
    expiresAtSeconds: Math.floor(Math.min(token.expiresAtSeconds, untilSeconds)),
    claims: {
      act,
      ...(claims['may_act'] === undefined ? {} : { may_act: claims['may_act'] }),
      ...(subjectId === undefined ? {} : { sub_id: subjectId }),
      ...(lineage.length === 0 ? {} : { lineage }),
    },
  }
}

/** RFC 8693 §2.2.2: whatever is wrong with either token is an invalid request. */
export function refusedToken(parameter: 'subject_token' | 'actor_token', denial: Denial): Refusal {
  return { ...refuse('invalid_request', `the ${parameter} is refused: ${denial.reason}`), denial }
}

function shared(granted: readonly string[], held: Iterable<string>): readonly string[] {
  const both = new Set(held)
  return granted.filter((name) => both.has(name))
}

const forever = { expiresAtSeconds: Infinity } as const

const readableTypes = [accessTokenType, 'urn:ietf:params:oauth:token-type:jwt']
