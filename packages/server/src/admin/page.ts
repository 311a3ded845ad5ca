import type { AdminOperation, AdminReply, AdminRequest } from './operation.ts'
import { problem } from './operation.ts'

export type Page = { readonly after: string; readonly limit: number }

/** The query parameters of everything that is listed. */
export const pageQuery: NonNullable<AdminOperation['query']> = {
  after: {
    about: 'The `next` of the page before; the first page without it.',
    schema: { type: 'string', maxLength: 128 },
  },
  limit: {
    about: 'How many at most; 100 unless given.',
    schema: { type: 'integer', minimum: 1, maximum: 1000 },
  },
}

/** Reads where a page begins and how long it is. */
export function readPage({ query }: Pick<AdminRequest, 'query'>): Page | AdminReply {
  const after = query.get('after') ?? ''
  const limit = query.get('limit') ?? '100'
  if (!/^[A-Za-z0-9._-]{0,128}$/.test(after))
    return problem(400, 'query-invalid', 'after is no page of a list')
  if (!/^[1-9][0-9]{0,3}$/.test(limit) || Number(limit) > 1000) {
    return problem(400, 'query-invalid', 'limit must be a whole number from 1 to 1000')
  }
  return { after, limit: Number(limit) }
}
