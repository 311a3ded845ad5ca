import { hash, randomBytes, timingSafeEqual } from 'node:crypto'
import type { Client } from '../../trust/trust.ts'
import type { Showing } from '../token/binding.ts'
import type { CertificateAuth } from './certificate-auth.ts'
import type { AssertionAuth, PresentedAssertion } from './client-assertion.ts'
import type { FailureLimit } from './failure-limit.ts'
import { formDecode } from '../http/form.ts'
import type { Form } from '../http/form.ts'
import { isRefusal, refuse } from '../http/refusal.ts'
import type { Refusal } from '../http/refusal.ts'

/** Says which client sends a request. */
export type ClientAuth = {
  /**
   * @returns the client, or why it is not known to be one; at once for a secret, later for an assertion.
   * @throws Problem (or rejects with one) when it cannot be told: `store-unavailable`, `keys-unavailable`.
   */
  authenticate(evidence: Evidence): Client | AuthRefusal | Promise<Client | AuthRefusal>
}

/** All that a client can show for itself. */
export type Evidence = {
  /** Every `Authorization` header of the request, in order. */
  readonly authorization: readonly string[]
  readonly form: Form
  /** Where the request comes from, for counting failures. */
  readonly address: string
  readonly nowMs: number
} & Showing

export type AuthRefusal = Refusal & {
  /** The known client whose secret or assertion did not fit; for the operator, never for the caller. */
  readonly clientId?: string
}

/**
 * Authenticates by `client_secret_basic` and `client_secret_post` (RFC 6749 §2.3.1), and hands assertions and
 * certificates on.
 *
 * Secrets are kept as SHA-256 digests: they come from a random generator, so a slow hash would only make every token
 * slow. All of a client's secrets are compared, in constant time, and an unknown client is compared against nobody's:
 * the time tells neither which secret fits nor whether the client exists.
 *
 * @param managed finds those that the store keeps, with two digests each (`padDigests`).
 * @param limit counts failures; refused for too many, a right secret does not help either.
 *
 * @example
 * const auth = createClientAuth(trust.clients.values(), createFailureLimit())
 * const client = auth.authenticate({ authorization: ['Basic b3JkZXJzOnMzY3IzdA=='], form, address, nowMs })
 */
export function createClientAuth(
  clients: Iterable<Client>,
  limit: FailureLimit,
  assertions: AssertionAuth = noAssertions,
  managed: (clientId: string, nowMs: number) => KnownClient | undefined = () => undefined,
  certificates?: CertificateAuth,
): ClientAuth {
  const known = [...clients]
  // Everybody has equally many digests, so that equally many are compared.
  const width = Math.max(2, ...known.map((client) => client.secrets.length))
  const entries = new Map<string, KnownClient>(
    known.map((client) => [client.id, { client, digests: padDigests(client.secrets.map(digestOf), width) }]),
  )
  const nobody = { client: undefined, digests: padDigests([], width) }

  return {
    authenticate(evidence) {
      const { authorization, form, address, nowMs } = evidence
      const presented = readCredentials(authorization, form)
      if ('error' in presented) return presented
      // Not counted: there is nothing to guess, and counting would let others lock a client out.
      if ('assertion' in presented) return assertions.authenticate(presented, nowMs)
      if ('nameOnly' in presented) {
        return certificates?.authenticate(presented.nameOnly, evidence) ?? nothingShown
      }
      const waitSeconds = limit.waitSeconds(presented.clientId, address, nowMs)
      if (waitSeconds > 0) return tooManyFailures(waitSeconds)
      const { client, digests } =
        entries.get(presented.clientId) ?? managed(presented.clientId, nowMs) ?? nobody
      const digest = hash('sha256', presented.secret, 'buffer')
      let fits = false
      for (const candidate of digests) if (timingSafeEqual(digest, candidate)) fits = true
      if (client !== undefined && fits) return client
      limit.failed(presented.clientId, address, nowMs)
      // The same words whether the client is unknown or its secret wrong: neither is told.
      const refusal = refuse('invalid_client', 'unknown client or wrong secret', {
        challenge: presented.byHeader,
      })
      return client === undefined ? refusal : { ...refusal, clientId: client.id }
    },
  }
}

/**
 * What `token_endpoint_auth_methods_supported` lists.
 *
 * @param certificates whether clients are asked for one, and whether anybody is trusted to sign them.
 */
export function authMethods(
  certificates?: { readonly authoritiesFile?: string } | undefined,
): readonly string[] {
  return [
    'client_secret_basic',
    'client_secret_post',
    'private_key_jwt',
    ...(certificates === undefined ? [] : ['self_signed_tls_client_auth']),
    ...(certificates?.authoritiesFile === undefined ? [] : ['tls_client_auth']),
  ]
}

/** A client and the digests of its secrets. */
export type KnownClient = { readonly client: Client; readonly digests: readonly Buffer[] }

/** A `client_id` and nothing beside it: its certificate, if anything, says who it is (RFC 8705 §2). */
type NameOnly = { readonly nameOnly: string }

type Credentials = { readonly clientId: string; readonly secret: string; readonly byHeader: boolean }

function readCredentials(
  authorization: readonly string[],
  form: Form,
): Credentials | PresentedAssertion | NameOnly | Refusal {
  const { values } = form
  const clientId = values.get('client_id')
  const secret = values.get('client_secret')
  const assertion = values.get('client_assertion')
  const assertionType = values.get('client_assertion_type')
  const asserts = assertion !== undefined || assertionType !== undefined
  const methods = authorization.length + (secret === undefined ? 0 : 1) + (asserts ? 1 : 0)
  if (methods > 1) {
    return refuse('invalid_request', 'more than one kind of client authentication: send exactly one')
  }
  const header = authorization[0]
  if (header !== undefined) {
    const basic = readBasic(header)
    if (isRefusal(basic)) return basic
    // RFC 6749 §3.2.1 lets the body name the client once more; another one must not slip through.
    if (clientId !== undefined && clientId !== basic.clientId) {
      return refuse('invalid_request', 'client_id is another client than the Authorization header names')
    }
    return basic
  }
  if (asserts) {
    if (assertion === undefined || assertionType === undefined) {
      return refuse('invalid_request', 'client_assertion and client_assertion_type belong together')
    }
    return { assertion, assertionType, clientId }
  }
  if (secret === undefined) return clientId === undefined ? nothingShown : { nameOnly: clientId }
  if (clientId === undefined) return refuse('invalid_request', 'client_secret without client_id')
  return { clientId, secret, byHeader: false }
}

/** RFC 7617 §2, with both halves form-encoded first as RFC 6749 §2.3.1 asks. */
function readBasic(header: string): Credentials | Refusal {
  const space = header.indexOf(' ')
  const scheme = space === -1 ? header : header.slice(0, space)
  if (scheme.toLowerCase() !== 'basic') {
    return refuse('invalid_client', 'this Authorization scheme is not supported: use Basic', {
      challenge: true,
    })
  }
  const decoded = decodeBase64(header.slice(scheme.length).trim())
  const colon = decoded?.indexOf(':') ?? -1
  if (decoded === undefined || colon === -1) {
    return refuse('invalid_client', 'the Basic credentials are not base64 of id:secret', { challenge: true })
  }
  const clientId = formDecode(decoded.slice(0, colon))
  const secret = formDecode(decoded.slice(colon + 1))
  if (clientId === undefined || secret === undefined) {
    return refuse('invalid_client', 'the Basic credentials must be form-encoded before base64', {
      challenge: true,
    })
  }
  return { clientId, secret, byHeader: true }
}

function tooManyFailures(waitSeconds: number): Refusal {
  return refuse('temporarily_unavailable', `too many failed attempts: try again in ${waitSeconds} s`, {
    status: 429,
    retryAfterSeconds: waitSeconds,
  })
}

/** Node ignores what is not base64; here two different headers must not be the same credentials. */
function decodeBase64(text: string): string | undefined {
  const bytes = Buffer.from(text, 'base64')
  const canonical = bytes.toString('base64')
  // Padding may be left out, as some clients do.
  if (text !== canonical && text !== canonical.replaceAll('=', '')) return undefined
  const decoded = bytes.toString('utf8')
  return decoded.includes('\ufffd') ? undefined : decoded
}

function digestOf(secret: Client['secrets'][number]): Buffer {
  return hash('sha256', secret.reveal(), 'buffer')
}

const nothingShown = refuse('invalid_client', 'no client authentication: send client_id and its secret', {
  challenge: true,
})

const noAssertions: AssertionAuth = {
  authenticate: async () => refuse('invalid_client', 'no client here shows assertions'),
}

/** One is enough for all: nobody knows what it would be the digest of. */
const nobodysDigest = randomBytes(32)

/** Equally many digests for everybody: random ones fit no secret that anybody could send. */
export function padDigests(digests: readonly Buffer[], width: number = 2): readonly Buffer[] {
  return [...digests, ...Array.from({ length: width - digests.length }, () => nobodysDigest)]
}
