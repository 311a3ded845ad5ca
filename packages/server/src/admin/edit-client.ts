import { setTimeout as sleep } from 'node:timers/promises'
import type { StrictJson } from '@countersign/sdk/core'
import { auditEntry } from '../issuer/audit.ts'
import type { AuditAction } from '../issuer/audit.ts'
import { managedText, readManaged } from '../issuer/clients/managed-client.ts'
import type { ManagedClient } from '../issuer/clients/managed-client.ts'
import { knownByAllSeconds, knownEverywhereSeconds } from '../issuer/clients/managed-clients.ts'
import { operatorBounds, revocationsFull, revocationsOfClient } from '../issuer/revocation/revoke.ts'
import type { AuditEntry, RevocationRecord } from '../store/store.ts'
import { adminServiceName } from '../trust/admin-service.ts'
import type { ClientSettings } from '../trust/managed-client.ts'
import { clientView } from './client-view.ts'
import { problem } from './operation.ts'
import type { AdminParts, AdminReply, AdminRequest } from './operation.ts'

/**
 * Reads, changes and writes a client, if it is still what the caller has seen. Whoever is disabled or removed by it loses
 * their tokens in the same step.
 *
 * @throws Problem `revocations-full`, `store-unavailable`; then nothing is changed
 */
export async function editClient(
  request: AdminRequest,
  parts: AdminParts,
  action: AuditAction,
  work: (client: ManagedClient) => ManagedClient | AdminReply,
): Promise<AdminReply> {
  const { store, trust, issuer } = parts
  const client = await findManaged(request, store)
  if ('status' in client) return client
  if (trust().clients.has(client.id))
    return problem(409, 'client-declared', 'the trust file declares this client: change it there')
  if (request.revision !== undefined && request.revision !== client.revision) return changedMeanwhile
  const above = aboveCaller(client.settings, request)
  if (above !== undefined) return above
  const changed = work(client)
  if ('status' in changed) return changed
  const removed = action === 'client.removed'
  const { nowMs, revocations } = await revocationsFor(client, changed, action, request, parts)
  const next = { ...changed, changedAtMs: nowMs }
  const draft = { id: client.id, request: undefined, removed, settings: removed ? '' : managedText(next) }
  const audit = [clientEntry(action, next, { ...request, nowMs }, revocations.length > 0)]
  const bounds = { nowMs, ...operatorBounds }
  const record =
    revocations.length === 0
      ? await store.writeClient(draft, client.revision, audit)
      : await store.writeClientAndRevoke(draft, client.revision, revocations, bounds, audit)
  if (record === 'full') throw revocationsFull(bounds)
  if (record === undefined) return changedMeanwhile
  await issuer.revocations.learn(revocations, nowMs)
  await seenHere(parts)
  return { status: 200, headers: tag(record), body: clientView({ ...next, revision: record.revision }) }
}

/** What the edit takes away of what the client was given, and the moment at which it counts. */
async function revocationsFor(
  before: ManagedClient,
  after: ManagedClient,
  action: AuditAction,
  { nowMs }: AdminRequest,
  { issuer }: AdminParts,
): Promise<{ readonly nowMs: number; readonly revocations: readonly RevocationRecord[] }> {
  const { id } = before
  const lives = issuer.keyRing.describe(nowMs).map(({ longestTokenSeconds }) => longestTokenSeconds)
  const from = (atMs: number, seconds: number): readonly RevocationRecord[] =>
    revocationsOfClient(id, {
      nowMs: atMs,
      issuedBeforeSeconds: Math.floor(atMs / 1000) + seconds,
      longestTokenSeconds: Math.max(...lives),
    })
  // It never comes back: so those of a replica that has not heard of it yet count as little.
  if (action === 'client.removed') return { nowMs, revocations: from(nowMs, knownByAllSeconds) }
  if (after.disabled && (!before.disabled || action === 'client.disabled'))
    return { nowMs, revocations: from(nowMs, knownEverywhereSeconds) }
  if (after.disabled || !before.disabled) return { nowMs, revocations: [] }

  // It begins anew. What a replica gave it meanwhile, cut off from the store, does not come to life with it; and its first
  // token must not be taken for one of before.
  const { revocations } = await issuer.revocations.current()
  const ended = revocations.find((known) => known.kind === 'client' && known.id === id)
  if (ended === undefined) return { nowMs, revocations: [] }
  const waitMs = (ended.issuedBeforeSeconds ?? 0) * 1000 - nowMs
  const boundedMs = Math.min(Math.max(waitMs, 0), knownEverywhereSeconds * 1000)
  await sleep(boundedMs)
  return { nowMs: nowMs + boundedMs, revocations: from(nowMs + boundedMs, 0) }
}

/** Known here before it is acknowledged. When it cannot be read back right now, the next reading brings it. */
export async function seenHere({ issuer }: AdminParts): Promise<void> {
  await issuer.managed.refresh().catch(() => undefined)
}

export async function findManaged(
  { params }: AdminRequest,
  store: AdminParts['store'],
): Promise<ManagedClient | AdminReply> {
  const id = params['id']!
  // Not every database takes every text, and none of ours is called like that.
  const record = /^[A-Za-z0-9._-]{1,128}$/.test(id) ? await store.findClient({ id }) : undefined
  if (record === undefined || record.removed)
    return problem(404, 'client-unknown', 'no managed client has this id')
  return readManaged(record)
}

/** Nobody may give, or take over by a new secret, more of the admin API than they have themselves. */
export function aboveCaller(settings: ClientSettings, { scopes }: AdminRequest): AdminReply | undefined {
  const may = settings['may'] as Readonly<Record<string, { scopes?: unknown }>> | undefined
  const asked = may?.[adminServiceName]?.scopes ?? []
  const above = (Array.isArray(asked) ? asked : [asked]).filter((scope) => !scopes.has(String(scope)))
  if (above.length === 0) return undefined
  return problem(403, 'above-caller', `this needs a token with the scope ${above.join(' ')} itself`)
}

/** @param revokes whether its tokens end with it */
export function clientEntry(
  action: AuditAction,
  client: ManagedClient,
  { nowMs, clientId }: AdminRequest,
  revokes = false,
): AuditEntry {
  const { name, disabled, settings, secrets } = client
  const detail = {
    name,
    ...(action === 'client.removed'
      ? {}
      : { disabled, ...summary(settings), secrets: secrets.map(({ id }) => id) }),
    ...(revokes ? { tokens: 'revoked' } : {}),
  }
  return auditEntry({ nowMs, actor: `client ${clientId}`, action, subject: client.id, detail })
}

/** What it may do in full; of keys and platforms only which way it is. */
function summary({
  authenticate,
  ...rights
}: ClientSettings & { readonly authenticate?: StrictJson }): object {
  return authenticate === undefined ? rights : { ...rights, authenticate: Object.keys(authenticate) }
}

export function tag({ revision }: { readonly revision: number }): string[] {
  return ['ETag', `"${revision}"`]
}

export const changedMeanwhile = problem(
  412,
  'changed-meanwhile',
  'somebody else has changed it: read it again',
)
