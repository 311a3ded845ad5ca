import { hash } from 'node:crypto'
import { managedText, mintClientId, mintSecret, readManaged } from '../issuer/clients/managed-client.ts'
import type { KeptSecret, ManagedClient } from '../issuer/clients/managed-client.ts'
import { servicesOf } from '../issuer/clients/managed-clients.ts'
import { readClientSettings } from '../trust/managed-client.ts'
import type { ClientSettings } from '../trust/managed-client.ts'
import type { Client, Trust } from '../trust/trust.ts'
import { clientBodySchema, clientSchema, clientView, secretSchema } from './client-view.ts'
import {
  aboveCaller,
  changedMeanwhile,
  clientEntry,
  editClient,
  findManaged,
  seenHere,
  tag,
} from './edit-client.ts'
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
    const client = await findManaged(request, store)
    return 'status' in client ? client : { status: 200, body: clientView(client), headers: tag(client) }
  },
}

const change: AdminOperation = {
  name: 'changeClient',
  method: 'PUT',
  path: '/clients/{id}',
  scope: 'clients:write',
  about:
    'Replaces everything about a client except its id and secrets. What is left out is no longer so. With `disabled` its tokens are revoked as well; otherwise those it has go on to their end.',
  edits: true,
  body: clientBodySchema,
  answers: { status: 200, schema: clientSchema },
  run: (request, parts) =>
    editClient(request, parts, 'client.changed', (client) => {
      const draft = readBody(client.id, request, parts)
      if ('status' in draft) return draft
      return { ...client, ...draft, secrets: bySecret(draft.settings) ? client.secrets : [] }
    }),
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
    const reply = await editClient(request, parts, 'client.secret-added', (client) => {
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
    const reply = await editClient(request, parts, 'client.secret-removed', (client) => {
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
  const audit = [clientEntry('client.created', { id, ...made, revision: 1 }, request)]
  const draft = { id, request: requestOf(request), removed: false, settings: managedText(made) }
  const record = await parts.store.writeClient(draft, 0, audit)
  // Somebody else sent the same request at the same moment.
  if (record === undefined) return (await madeBefore(request, parts)) ?? changedMeanwhile
  await seenHere(parts)
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

function bySecret(settings: ClientSettings): boolean {
  return !('authenticate' in settings)
}

/** All of them are kept in memory, some hundred bytes each. */
const mostClients = 100_000
