import { auditEntry } from '../issuer/audit.ts'
import type { Revocable } from '../issuer/revocation/revoke.ts'
import type { RevocationRecord } from '../store/store.ts'
import type { JsonSchema } from '../trust/shape.ts'
import { timeText } from './client-view.ts'
import { problem } from './operation.ts'
import type { AdminOperation, AdminReply } from './operation.ts'
import { pageQuery, readPage } from './page.ts'

const kinds = ['token', 'subject', 'client', 'key'] as const
const revocationSchema: JsonSchema = {
  type: 'object',
  required: ['kind', 'id', 'revoked', 'until'],
  properties: {
    kind: { enum: kinds },
    id: { description: 'The jti, sub, client_id or kid.', type: 'string' },
    revoked: { type: 'string', format: 'date-time' },
    until: { description: 'When the last token it means has expired.', type: 'string', format: 'date-time' },
    by: { description: 'The client that asked for it.', type: 'string' },
  },
}

const list: AdminOperation = {
  name: 'listRevocations',
  method: 'GET',
  path: '/revocations',
  scope: 'revocations:read',
  about: 'What is revoked now, by kind and id.',
  query: pageQuery,
  answers: {
    status: 200,
    schema: {
      type: 'object',
      required: ['revocations'],
      properties: { revocations: { type: 'array', items: revocationSchema }, next: { type: 'string' } },
    },
  },
  async run(request, { issuer }) {
    const page = readPage(request)
    if ('status' in page) return page
    const from = page.after === '' ? 0 : Number(page.after)
    if (!Number.isSafeInteger(from) || from < 0)
      return problem(400, 'query-invalid', 'after is no page of this list')
    const { revocations } = await issuer.revocations.current()
    const listed = revocations.slice(from, from + page.limit)
    const next = from + page.limit < revocations.length ? { next: String(from + page.limit) } : {}
    return { status: 200, body: { revocations: listed.map(view), ...next } }
  },
}

const add: AdminOperation = {
  name: 'revoke',
  method: 'POST',
  path: '/revocations',
  scope: 'revocations:write',
  about:
    'Revokes one token with all that descend from it, or every token that a subject or a client has had so far. Keys are removed at /keys/{id}.',
  body: {
    type: 'object',
    additionalProperties: false,
    required: ['kind', 'id'],
    properties: {
      kind: { enum: ['token', 'subject', 'client'] },
      id: { description: 'The jti, sub or client_id.', type: 'string', maxLength: 256 },
    },
  },
  answers: { status: 204 },
  async run({ body, clientId, nowMs }, { issuer }): Promise<AdminReply> {
    const { kind, id, ...unknown } = body
    const what = Object.keys(unknown).length > 0 || typeof id !== 'string' ? undefined : revocable(kind, id)
    if (what === undefined)
      return problem(400, 'body-invalid', 'expected kind (token, subject or client) and id')
    const audit = [
      auditEntry({
        nowMs,
        actor: `client ${clientId}`,
        action: 'revocation.added',
        subject: id as string,
        detail: { kind },
      }),
    ]
    // An operator's revocation: the part of the list that is kept free for emergencies is for this.
    await issuer.revoke(what, { nowMs, audit })
    return { status: 204 }
  },
}

export const revocationOperations: readonly AdminOperation[] = [list, add]

function revocable(kind: unknown, id: string): Revocable | undefined {
  if (kind === 'token') return { tokenId: id }
  if (kind === 'subject') return { subject: id }
  return kind === 'client' ? { clientId: id } : undefined
}

function view({ kind, id, revokedAtMs, expiresAtMs, by }: RevocationRecord): object {
  return {
    kind,
    id,
    revoked: timeText(revokedAtMs),
    until: timeText(expiresAtMs),
    ...(by === undefined ? {} : { by }),
  }
}
