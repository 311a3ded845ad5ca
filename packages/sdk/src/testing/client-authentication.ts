import type { Clock } from '../core/clock.ts'
import { createProofReplays } from '../jwt/proof-replays.ts'
import { createAssertionCheck } from './client-assertion.ts'
import type { AssertionCheck } from './client-assertion.ts'
import type { ReadClient } from './test-client.ts'

/**
 * Says which client asks, by its id; undefined for nobody that is known.
 *
 * @param header the request's `Authorization`.
 * @throws Problem `keys-unavailable` when the keys of a platform cannot be had.
 */
export type ClientAuthentication = (
  header: string | undefined,
  form: URLSearchParams,
) => Promise<string | undefined>

/**
 * Knows clients by a secret in the header or in the form (RFC 6749 §2.3.1), or by an assertion (RFC 7521 §4.2); never by
 * two things at once.
 *
 * @example
 * const authenticate = createClientAuthentication(clients, { issuer: issuer.url, clock: issuer.clock })
 * await authenticate(request.headers.authorization, form) // 'orders'
 */
export function createClientAuthentication(
  clients: ReadonlyMap<string, ReadClient>,
  options: { readonly issuer: string; readonly clock: Clock },
): ClientAuthentication {
  const assertions = new Map<string, AssertionCheck>()
  const replays = createProofReplays()
  for (const [id, client] of clients) {
    const check = createAssertionCheck(id, client, { ...options, replays })
    if (check !== undefined) assertions.set(id, check)
  }
  return async (header, form) => {
    const assertion = form.get('client_assertion')
    if (assertion === null) {
      const { clientId, secret } = readCredentials(header, form)
      const known = clients.get(clientId)?.secret
      return known !== undefined && known === secret ? clientId : undefined
    }
    if (header !== undefined || form.has('client_secret')) return undefined
    if (form.get('client_assertion_type') !== jwtBearer) return undefined
    const named = form.get('client_id')
    const found: string[] = []
    for (const [id, check] of assertions) {
      if ((named ?? id) === id && (await check(assertion))) found.push(id)
    }
    return found.length === 1 ? found[0] : undefined
  }
}

/** RFC 6749 §2.3.1: both halves are form-encoded. */
function readCredentials(
  header: string | undefined,
  form: URLSearchParams,
): { readonly clientId: string; readonly secret: string | undefined } {
  if (header === undefined) {
    return { clientId: form.get('client_id') ?? '', secret: form.get('client_secret') ?? undefined }
  }
  const [scheme = '', encoded = ''] = header.split(' ')
  if (scheme.toLowerCase() !== 'basic') return { clientId: '', secret: undefined }
  const text = Buffer.from(encoded, 'base64').toString('utf8')
  const colon = text.indexOf(':')
  if (colon < 0) return { clientId: '', secret: undefined }
  return { clientId: formDecode(text.slice(0, colon)), secret: formDecode(text.slice(colon + 1)) }
}

function formDecode(text: string): string {
  return new URLSearchParams(`=${text}`).get('') ?? ''
}

const jwtBearer = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer'
