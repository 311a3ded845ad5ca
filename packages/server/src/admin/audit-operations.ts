import type { JsonSchema } from '../trust/shape.ts'
import { problem } from './operation.ts'
import type { AdminOperation } from './operation.ts'
import { pageQuery, readPage } from './page.ts'

const headSchema: JsonSchema = {
  type: 'object',
  required: ['sequence', 'hash'],
  properties: { sequence: { type: 'integer' }, hash: { type: 'string' } },
}

const list: AdminOperation = {
  name: 'listAudit',
  method: 'GET',
  path: '/audit',
  scope: 'audit:read',
  about:
    'The audit log in order. `hash` of each record is the base64url SHA-256 over the record and the hash before it; `head` is where the chain ends.',
  query: pageQuery,
  answers: {
    status: 200,
    schema: {
      type: 'object',
      required: ['records', 'head'],
      properties: {
        records: {
          type: 'array',
          items: {
            type: 'object',
            required: ['sequence', 'atMs', 'actor', 'action', 'subject', 'outcome', 'detail', 'hash'],
            properties: {
              sequence: { type: 'integer' },
              atMs: { description: 'Milliseconds since the epoch.', type: 'integer' },
              actor: { type: 'string' },
              action: { type: 'string' },
              subject: { type: 'string' },
              outcome: { enum: ['done', 'refused'] },
              detail: { description: 'A JSON object, as the text that was hashed.', type: 'string' },
              hash: { type: 'string' },
            },
          },
        },
        head: headSchema,
        next: { type: 'string' },
      },
    },
  },
  async run(request, { store }) {
    const page = readPage(request)
    if ('status' in page) return page
    const after = page.after === '' ? 0 : Number(page.after)
    if (!Number.isSafeInteger(after) || after < 0)
      return problem(400, 'query-invalid', 'after is no sequence number')
    // The head first: records that come in between are behind it, and are no sign of forgery.
    const head = await store.readAuditHead()
    const records = await store.readAudit(after, page.limit)
    const next = records.length === page.limit ? { next: String(records.at(-1)!.sequence) } : {}
    return { status: 200, body: { records, head, ...next } }
  },
}

export const auditOperations: readonly AdminOperation[] = [list]
