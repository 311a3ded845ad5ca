import { hash } from 'node:crypto'
import type { StrictJson } from '@countersign/sdk/core'
import { auditEntry } from '../issuer/audit.ts'
import type { AuditAction } from '../issuer/audit.ts'
import { managedText, mintClientId, mintSecret, readManaged } from '../issuer/clients/managed-client.ts'
import type { KeptSecret, ManagedClient } from '../issuer/clients/managed-client.ts'
import { servicesOf } from '../issuer/clients/managed-clients.ts'
import { adminServiceName } from '../trust/admin-service.ts'
import { readClientSettings } from '../trust/managed-client.ts'
import type { ClientSettings } from '../trust/managed-client.ts'
import type { Client, Trust } from '../trust/trust.ts'
import { clientBodySchema, clientSchema, clientView, secretSchema } from './client-view.ts'
import { problem } from './operation.ts'
import type { AdminOperation, AdminParts, AdminReply, AdminRequest } from './operation.ts'
import { pageQuery, readPage } from './page.ts'

const list: AdminOperation = {
  name: 'listClients',
  method: 'GET',
  path: '/clients',
  scope: 'clients:read',
  about: 'Managed clients by id. Those of the trust file stand there.',
  query: pageQuery,
  answers: {
    status: 200,
    schema: {
      type: 'object',
      required: ['clients'],
      properties: { clients: { type: 'array', items: clientSchema }, next: { type: 'string' } },
    },
  },
  async run(request, { store }) {
    const page = readPage(request)
    if ('status' in page) return page
    const records = await store.listClients(page.after, page.limit)
    const clients = records.map((record) => clientView(readManaged(record)))
    const next = records.length === page.limit ? { next: records.at(-1)!.id } : {}
    return { status: 200, body: { clients, ...next } }
  },
}

const create: AdminOperation = {
  name: 'createClient',
  method: 'POST',
  path: '/clients',
  scope: 'clients:write',
  about:
    'Makes a client with an id and, unless it authenticates by other means, a secret of its own, which is shown this once. With the same `Idempotency-Key` it is made once; then the answer is 200 without a secret, or 422 when the body is another one.',
  repeatable: true,
  body: clientBodySchema,
  answers: {
    status: 201,
    schema: {
      ...clientSchema,
      properties: { ...(clientSchema['properties'] as object), secret: secretSchema },
    },
  },
  async run(request, parts) {
    const draft = readBody(mintClientId(), request, parts)
    if ('status' in draft) return draft
    return (await madeBefore(request, parts)) ?? writeNew(draft, request, parts)
  },
}

const show: AdminOperation = {
  name: 'showClient',
  method: 'GET',
  path: '/clients/{id}',
  scope: 'clients:read',
  about: 'One managed client. Its revision is the `ETag`.',
  answers: { status: 200, schema: clientSchema },
  async run(request, { store }) {
    const client = await find(request, store)
    return 'status' in client ? client : { status: 200, body: clientView(client), headers: tag(client) }
  },
}

const change: AdminOperation = {
  name: 'changeClient',
  method: 'PUT',
  path: '/clients/{id}',
  scope: 'clients:write',
  about: 'Replaces everything about a client except its id and secrets. What is left out is no longer so.',
  edits: true,
  body: clientBodySchema,
  answers: { status: 200, schema: clientSchema },
  run: (request, parts) =>
    edit(request, parts, 'client.changed', (client) => {
      const draft = readBody(client.id, request, parts)
      if ('status' in draft) return draft
      return { ...client, ...draft, secrets: bySecret(draft.settings) ? client.secrets : [] }
    }),
}

const remove: AdminOperation = {
  name: 'removeClient',
  method: 'DELETE',
  path: '/clients/{id}',
  scope: 'clients:write',
  about: 'Removes a client. It gets no more tokens; those it has end by themselves, or are revoked.',
  edits: true,
  answers: { status: 204 },
  async run(request, parts) {
    const reply = await edit(request, parts, 'client.removed', (client) => client)
    return reply.status === 200 ? { status: 204 } : reply
  },
}

const addSecret: AdminOperation = {
  name: 'addClientSecret',
  method: 'POST',
  path: '/clients/{id}/secrets',
  scope: 'clients:write',
  about:
    'Mints another secret, shown this once. The one before goes on until it is removed; there are two at most.',
  edits: true,
  answers: { status: 201, schema: secretSchema },
  async run(request, parts) {
    const { secret, kept } = mintSecret(request.nowMs)
    const reply = await edit(request, parts, 'client.secret-added', (client) => {
      if (!bySecret(client.settings))
        return problem(409, 'secret-refused', 'this client authenticates by other means than a secret')
      if (client.secrets.length > 1)
        return problem(409, 'secret-refused', 'two secrets are in use: remove the older one first')
      return { ...client, secrets: [...client.secrets, kept] }
    })
    if (reply.status !== 200) return reply
    return { ...reply, status: 201, body: { id: kept.id, secret: secret.revealText() } }
  },
}

const removeSecret: AdminOperation = {
  name: 'removeClientSecret',
  method: 'DELETE',
  path: '/clients/{id}/secrets/{secret}',
  scope: 'clients:write',
  about: 'Removes one of a client’s secrets.',
  edits: true,
  answers: { status: 204 },
  async run(request, parts) {
    const reply = await edit(request, parts, 'client.secret-removed', (client) => {
      const secrets = client.secrets.filter(({ id }) => id !== request.params['secret'])
      if (secrets.length === client.secrets.length) return problem(404, 'secret-unknown', 'no such secret')
      return { ...client, secrets }
    })
    return reply.status === 200 ? { ...reply, status: 204 } : reply
  },
}

export const clientOperations: readonly AdminOperation[] = [
  list,
  create,
  show,
  change,
  remove,
  addSecret,
  removeSecret,
]

type Draft = Pick<ManagedClient, 'name' | 'disabled' | 'settings'>

/** The part of a body that is ours is read here, the rest by the trust file's rules. */
function readBody(id: string, request: AdminRequest, { trust }: AdminParts): Draft | AdminReply {
  const { name = '', disabled = false, ...settings } = request.body
  if (typeof name !== 'string' || name.length > 128)
    return problem(400, 'body-invalid', 'name must be a text of at most 128 characters')
  if (typeof disabled !== 'boolean') return problem(400, 'body-invalid', 'disabled must be true or false')
  const current = trust()
  const reading = readClientSettings(id, settings, servicesOf(current), [...current.trusted.keys()])
  if (reading.kind === 'mistakes') {
    const [first] = reading.mistakes
    return problem(400, 'body-invalid', `${first!.path}: ${first!.message}`, { mistakes: reading.mistakes })
  }
  return (
    unaskedCertificate(reading.client, current) ??
    aboveCaller(settings, request) ?? { name, disabled, settings }
  )
}

/** A client whose certificate nobody asks for, or that anybody could write, could never get a token. */
function unaskedCertificate({ certificate, bind }: Client, { issuer }: Trust): AdminReply | undefined {
  if (certificate === undefined && bind !== 'certificate') return undefined
  const asked = issuer?.clientCertificates
  if (asked === undefined) return problem(400, 'body-invalid', 'the issuer asks nobody for a certificate')
  if (certificate?.kind !== 'named' || asked.authoritiesFile !== undefined) return undefined
  return problem(
    400,
    'body-invalid',
    'authenticate.certificate: no authority signs names: say its thumbprint',
  )
}

async function writeNew(
  { name, disabled, settings }: Draft,
  request: AdminRequest,
  parts: AdminParts,
): Promise<AdminReply> {
  const { nowMs } = request
  if (parts.issuer.managed.size >= mostClients)
    return problem(
      409,
      'clients-full',
      `there are ${mostClients} managed clients, which is as many as may be`,
    )
  const minted = bySecret(settings) ? mintSecret(nowMs) : undefined
  const secrets: KeptSecret[] = minted === undefined ? [] : [minted.kept]
  const madeFrom = request.idempotencyKey === undefined ? {} : { madeFrom: bodyHash(request) }
  const made = { name, disabled, settings, secrets, createdAtMs: nowMs, changedAtMs: nowMs, ...madeFrom }
  const id = mintClientId()
  const audit = [entry('client.created', { id, ...made, revision: 1 }, request)]
  const draft = { id, request: requestOf(request), removed: false, settings: managedText(made) }
  const record = await parts.store.writeClient(draft, 0, audit)
  // Somebody else sent the same request at the same moment.
  if (record === undefined) return (await madeBefore(request, parts)) ?? changedMeanwhile
  await seen(parts)
  const secret =
    minted === undefined ? {} : { secret: { id: minted.kept.id, secret: minted.secret.revealText() } }
  return {
    status: 201,
    headers: [...tag(record), 'Location', `clients/${id}`],
    body: { ...clientView(readManaged(record)), ...secret },
  }
}

/** The client that the same request has made before. */
async function madeBefore(request: AdminRequest, { store }: AdminParts): Promise<AdminReply | undefined> {
  const key = requestOf(request)
  const record = key === undefined ? undefined : await store.findClient({ request: key })
  if (record === undefined) return undefined
  if (record.removed) return problem(409, 'client-removed', 'what this request has made is removed again')
  const client = readManaged(record)
  if (client.madeFrom !== bodyHash(request))
    return problem(422, 'key-reused', 'another request came with this Idempotency-Key: make a new one')
  return { status: 200, headers: tag(record), body: clientView(client) }
}

/** Equal for the same caller and key. */
function requestOf({ clientId, idempotencyKey }: AdminRequest): string | undefined {
  if (idempotencyKey === undefined) return undefined
  return hash('sha256', JSON.stringify([clientId, idempotencyKey]), 'base64url')
}

function bodyHash({ body }: AdminRequest): string {
  return hash('sha256', JSON.stringify(body), 'base64url')
}

/** Reads, changes and writes a client, if it is still what the caller has seen. */
async function edit(
  request: AdminRequest,
  parts: AdminParts,
  action: AuditAction,
  work: (client: ManagedClient) => ManagedClient | AdminReply,
): Promise<AdminReply> {
  const { store, trust } = parts
  const client = await find(request, store)
  if ('status' in client) return client
  if (trust().clients.has(client.id))
    return problem(409, 'client-declared', 'the trust file declares this client: change it there')
  if (request.revision !== undefined && request.revision !== client.revision) return changedMeanwhile
  const above = aboveCaller(client.settings, request)
  if (above !== undefined) return above
  const changed = work(client)
  if ('status' in changed) return changed
  const next = { ...changed, changedAtMs: request.nowMs }
  const removed = action === 'client.removed'
  const draft = { id: client.id, request: undefined, removed, settings: removed ? '' : managedText(next) }
  const record = await store.writeClient(draft, client.revision, [entry(action, next, request)])
  if (record === undefined) return changedMeanwhile
  await seen(parts)
  return { status: 200, headers: tag(record), body: clientView({ ...next, revision: record.revision }) }
}

/** Known here before it is acknowledged. When it cannot be read back right now, the next reading brings it. */
async function seen({ issuer }: AdminParts): Promise<void> {
  await issuer.managed.refresh().catch(() => undefined)
}

async function find(
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
function aboveCaller(settings: ClientSettings, { scopes }: AdminRequest): AdminReply | undefined {
  const may = settings['may'] as Readonly<Record<string, { scopes?: unknown }>> | undefined
  const asked = may?.[adminServiceName]?.scopes ?? []
  const above = (Array.isArray(asked) ? asked : [asked]).filter((scope) => !scopes.has(String(scope)))
  if (above.length === 0) return undefined
  return problem(403, 'above-caller', `this needs a token with the scope ${above.join(' ')} itself`)
}

function bySecret(settings: ClientSettings): boolean {
  return !('authenticate' in settings)
}

function entry(action: AuditAction, client: ManagedClient, { nowMs, clientId }: AdminRequest) {
  const { name, disabled, settings, secrets } = client
  const detail =
    action === 'client.removed'
      ? { name }
      : { name, disabled, ...summary(settings), secrets: secrets.map(({ id }) => id) }
  return auditEntry({ nowMs, actor: `client ${clientId}`, action, subject: client.id, detail })
}

/** What it may do in full; of keys and platforms only which way it is. */
function summary({
  authenticate,
  ...rights
}: ClientSettings & { readonly authenticate?: StrictJson }): object {
  return authenticate === undefined ? rights : { ...rights, authenticate: Object.keys(authenticate) }
}

function tag({ revision }: { readonly revision: number }): string[] {
  return ['ETag', `"${revision}"`]
}

const changedMeanwhile = problem(412, 'changed-meanwhile', 'somebody else has changed it: read it again')

/** All of them are kept in memory, some hundred bytes each. */
const mostClients = 100_000
