import { isUtf8 } from 'node:buffer'
import type { IncomingMessage } from 'node:http'
import { parseStrictJson } from '@countersign/sdk/core'
import type { StrictJson } from '@countersign/sdk/core'
import { readBody } from '../issuer/http/body.ts'
import { problem } from './operation.ts'
import type { AdminOperation, AdminReply, AdminRequest } from './operation.ts'

/** What of a request's head an operation works with; or why it cannot. */
export function readAdminRequest(
  { url = '', headers }: Pick<IncomingMessage, 'url' | 'headers'>,
  { query: known = {}, edits, repeatable }: AdminOperation,
): Pick<AdminRequest, 'query' | 'revision' | 'idempotencyKey'> | AdminReply {
  const query = new Map<string, string>()
  const at = url.indexOf('?')
  for (const [name, value] of new URLSearchParams(at === -1 ? '' : url.slice(at + 1))) {
    if (!Object.hasOwn(known, name) || query.has(name))
      return problem(
        400,
        'query-invalid',
        `parameters: ${Object.keys(known).join(', ') || 'none'}; each once`,
      )
    query.set(name, value)
  }
  const ifMatch = headers['if-match']
  if (edits && ifMatch === undefined)
    return problem(428, 'revision-missing', 'say in If-Match which revision is meant: its ETag, or *')
  const tag = /^"([1-9][0-9]{0,14})"$/.exec(ifMatch ?? '')
  if (edits && ifMatch !== '*' && tag === null)
    return problem(412, 'changed-meanwhile', 'If-Match names no revision of this')
  const key = headers['idempotency-key']
  const idempotencyKey = Array.isArray(key) ? key[0] : key
  if (repeatable && idempotencyKey !== undefined && !/^[!-~]{8,128}$/.test(idempotencyKey))
    return problem(400, 'key-invalid', 'Idempotency-Key must be 8 to 128 visible characters')
  return {
    query,
    revision: tag === null ? undefined : Number(tag[1]),
    idempotencyKey: repeatable ? idempotencyKey : undefined,
  }
}

/** The body as a JSON object without anything that parsers disagree about; empty where none is taken. */
export async function readAdminBody(
  request: IncomingMessage,
  { body: schema }: AdminOperation,
): Promise<{ readonly body: StrictJson } | { readonly refusal: AdminReply }> {
  // Whoever has left before anybody listened for it would be waited for in vain.
  if (request.destroyed) throw new Error('the caller has gone away')
  const bytes = await new Promise<Buffer | 'oversize'>((resolve, reject) => {
    request.once('close', () => reject(new Error('the caller has gone away')))
    readBody(request, maxBodyBytes, resolve)
  })
  if (bytes === 'oversize') {
    const refusal = problem(413, 'body-too-large', `the body is longer than ${maxBodyBytes} bytes`)
    // What was not read to its end cannot be told from the next request.
    return { refusal: { ...refusal, headers: [...(refusal.headers ?? []), 'Connection', 'close'] } }
  }
  if (schema === undefined) {
    if (bytes.length === 0) return { body: {} }
    return { refusal: problem(400, 'body-invalid', 'this takes no body') }
  }
  const type = request.headers['content-type']?.split(';')[0]!.trim().toLowerCase()
  if (type !== 'application/json') return { refusal: problem(415, 'type-refused', 'send application/json') }
  const parsed = isUtf8(bytes) ? parseStrictJson(bytes.toString('utf8')) : 'not UTF-8'
  if (typeof parsed !== 'string') return { body: parsed }
  return { refusal: problem(400, 'body-invalid', `the body: ${parsed}`) }
}

/** Room for a client with its keys. */
const maxBodyBytes = 16 * 1024
