import { isUtf8 } from 'node:buffer'
import type { Clock } from '../core/clock.ts'
import { createProofReplays } from '../jwt/proof-replays.ts'
import { createAssertionCheck } from './client-assertion.ts'
import type { AssertionCheck } from './client-assertion.ts'
import { formDecode } from '../core/form.ts'
import type { Form } from '../core/form.ts'
import type { ReadClient } from './test-client.ts'

/**
 * Says which client asks, or the error of RFC 6749 §5.2.
 *
 * @param authorization every `Authorization` header of the request.
 * @throws Problem `keys-unavailable` when the keys of a platform cannot be had.
 */
export type ClientAuthentication = (
  authorization: readonly string[],
  form: Form,
) => Promise<Known | AuthenticationError>

export type Known = { readonly clientId: string }
export type AuthenticationError = { readonly error: 'invalid_client' | 'invalid_request' }

/**
 * Knows clients by a secret in the header or in the form (RFC 6749 §2.3.1), or by an assertion (RFC 7521 §4.2); never by
 * two things at once.
 *
 * @example
 * const authenticate = createClientAuthentication(clients, { issuer: issuer.url, clock: issuer.clock })
 * await authenticate(['Basic b3JkZXJzOnMzY3IzdA=='], form) // { clientId: 'orders' }
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
  return async (authorization, form) => {
    const shown = readCredentials(authorization, form)
    if ('error' in shown) return shown
    if ('secret' in shown) {
      return clients.get(shown.clientId)?.secret === shown.secret ? { clientId: shown.clientId } : nobody
    }
    if (shown.assertionType !== jwtBearer) return nobody
    const found: string[] = []
    for (const [id, check] of assertions) {
      if ((shown.clientId ?? id) === id && (await check(shown.assertion))) found.push(id)
    }
    return found.length === 1 ? { clientId: found[0]! } : nobody
  }
}

type Secret = { readonly clientId: string; readonly secret: string }

type Assertion = {
  readonly assertion: string
  readonly assertionType: string
  readonly clientId: string | undefined
}

function readCredentials(
  authorization: readonly string[],
  { values }: Form,
): Secret | Assertion | AuthenticationError {
  const clientId = values.get('client_id')
  const secret = values.get('client_secret')
  const assertion = values.get('client_assertion')
  const assertionType = values.get('client_assertion_type')
  const asserts = assertion !== undefined || assertionType !== undefined
  if (authorization.length + Number(secret !== undefined) + Number(asserts) > 1) return invalid
  const [header] = authorization
  if (header !== undefined) {
    const basic = readBasic(header)
    // RFC 6749 §3.2.1 lets the form name the client once more, but no other one.
    return basic !== undefined && clientId !== undefined && clientId !== basic.clientId
      ? invalid
      : (basic ?? nobody)
  }
  if (asserts) {
    if (assertion === undefined || assertionType === undefined) return invalid
    return { assertion, assertionType, clientId }
  }
  if (secret === undefined) return nobody
  return clientId === undefined ? invalid : { clientId, secret }
}

/** RFC 6749 §2.3.1: both halves are form-encoded. */
function readBasic(header: string): Secret | undefined {
  const [, encoded] = /^basic +(.*)$/i.exec(header) ?? []
  if (encoded === undefined) return undefined
  const bytes = Buffer.from(encoded, 'base64')
  const canonical = bytes.toString('base64')
  // Node passes over what is not base64. Padding may be left out, as some clients do.
  if (encoded !== canonical && encoded !== canonical.replaceAll('=', '')) return undefined
  const text = bytes.toString('utf8')
  const colon = text.indexOf(':')
  if (colon < 0 || !isUtf8(bytes)) return undefined
  const clientId = formDecode(text.slice(0, colon))
  const secret = formDecode(text.slice(colon + 1))
  return clientId === undefined || secret === undefined ? undefined : { clientId, secret }
}

const nobody: AuthenticationError = { error: 'invalid_client' }
const invalid: AuthenticationError = { error: 'invalid_request' }
const jwtBearer = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer'
