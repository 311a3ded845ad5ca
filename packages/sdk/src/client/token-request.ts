import { isProblem, Problem } from '../core/problem.ts'
import { Secret } from '../core/secret.ts'
import { maxTokenLength } from '../jwt/compact.ts'
import { authenticate } from './authenticate.ts'
import type { TokenEndpoint } from './endpoint.ts'
import { IssuerDown } from './issuer-down.ts'
import type { Prover } from './prover.ts'
import { readText } from './read-text.ts'
import { readRetryAfter } from './retry-after.ts'

/** What is asked of a token endpoint. */
export type TokenRequest = {
  readonly endpoint: TokenEndpoint
  readonly clientId: string
  /** The secret, or the assertion. */
  readonly clientSecret: string
  /** Another assertion, when the request has to be sent twice: an issuer takes each once. */
  readonly another?: (() => string | Promise<string>) | undefined
  /** The grant, and what narrows the token: `scope`, `audience`, `resource`, `roles`. */
  readonly fields: Readonly<Record<string, string>>
  /** For the whole exchange, milliseconds. */
  readonly timeoutMs: number
  readonly fetch: typeof globalThis.fetch
  /** Asks for a token that is bound to this prover's key, and takes no other. */
  readonly prover?: Prover | undefined
  /** When it is, for a `Retry-After` that is a date; milliseconds since the epoch. */
  readonly nowMs: number
}

/** What a token endpoint granted. */
export type TokenResponse = {
  readonly token: Secret
  /** Seconds from the request on. */
  readonly lifetimeSeconds: number
  /** The scopes granted; undefined: exactly those asked for (RFC 6749 §5.1). */
  readonly scopes: readonly string[] | undefined
}

/**
 * Asks a token endpoint once for a token (RFC 6749 §4.4, RFC 8693 §2.1). No redirect is followed: it would take
 * the secret along.
 *
 * @throws Problem `token-refused` when the issuer said no and will say so again, `token-unavailable` for everything
 *   that may pass, as {@link IssuerDown} where all requests would fail now. Neither holds the secret, the token, or what else the answer said.
 */
export async function requestToken(request: TokenRequest): Promise<TokenResponse> {
  const { url } = request.endpoint
  let sent = request
  let answer = await ask(sent)
  // RFC 9449 §8: the issuer wants its own nonce in the proof, and has sent it along.
  if (answer.isNewNonce && answer.document['error'] === 'use_dpop_nonce') {
    const { another } = request
    if (another !== undefined) sent = { ...request, clientSecret: await another() }
    answer = await ask(sent)
  }
  const { status, document, retryAfterSeconds } = answer
  if (status === 200) return readGrant(url, document, expectedType(request))
  throw refusalOf(sent, status, document, retryAfterSeconds)
}

type TokenType = 'Bearer' | 'DPoP' | 'N_A'

/** What is no access token is used in no way that this could name (RFC 8693 §2.2.1). */
function expectedType({ fields, prover }: TokenRequest): TokenType {
  if (fields['requested_token_type'] !== undefined) return 'N_A'
  return prover === undefined ? 'Bearer' : 'DPoP'
}

type Answer = {
  readonly status: number
  readonly document: Readonly<Record<string, unknown>>
  readonly retryAfterSeconds: number | undefined
  readonly isNewNonce: boolean
}

async function ask(request: TokenRequest): Promise<Answer> {
  const { endpoint, clientId, clientSecret, fields, timeoutMs, prover } = request
  const { headers, fields: credentials } = authenticate(endpoint.method, clientId, clientSecret)
  const proof = prover?.proofFor('POST', endpoint.url)
  try {
    const response = await request.fetch(endpoint.url, {
      method: 'POST',
      headers: {
        ...headers,
        ...(proof === undefined ? {} : { DPoP: proof.header }),
        Accept: 'application/json',
        'Content-Type': 'application/x-www-form-urlencoded',
      },
      body: new URLSearchParams({ ...fields, ...credentials }).toString(),
      redirect: 'manual',
      signal: AbortSignal.timeout(timeoutMs),
    })
    return {
      status: response.status,
      document: readObject(await readAnswer(response, endpoint.url)),
      retryAfterSeconds: readRetryAfter(response.headers.get('retry-after'), request.nowMs),
      isNewNonce: proof !== undefined && prover!.learn(endpoint.url, response.headers, proof),
    }
  } catch (error) {
    if (isProblem(error)) throw error
    const what = reasonOf(error, timeoutMs)
    throw isTimeout(error) && isForUser(request) ? unavailable(endpoint.url, what) : down(endpoint.url, what)
  }
}

async function readAnswer(response: Response, url: string): Promise<string> {
  const text = await readText(response, maxResponseBytes)
  if (text === undefined) throw unavailable(url, `the answer is longer than ${maxResponseBytes} bytes`)
  return text
}

/** RFC 6749 §5.1 */
function readGrant(
  url: string,
  document: Readonly<Record<string, unknown>>,
  expected: TokenType,
): TokenResponse {
  const { access_token: token, token_type: type, expires_in: expiresIn, scope } = document
  if (typeof token !== 'string' || !isBearerToken(token))
    throw unavailable(url, 'the answer holds no access_token')
  // A bearer token where a bound one was asked for would be used by whoever steals it.
  if (typeof type !== 'string' || type.toLowerCase() !== expected.toLowerCase()) {
    throw unavailable(url, `the token is of another token_type than ${expected}`)
  }
  const lifetimeSeconds = readLifetime(expiresIn)
  if (!(lifetimeSeconds > 0)) throw unavailable(url, 'expires_in is no lifetime')
  const scopes = typeof scope === 'string' ? scope.split(' ').filter((name) => name !== '') : undefined
  return { token: Secret.fromText(token), lifetimeSeconds, scopes }
}

/** Seconds; some issuers write the number as a text. NaN for anything else. */
function readLifetime(expiresIn: unknown): number {
  if (expiresIn === undefined) return defaultLifetimeSeconds
  return typeof expiresIn === 'number' || typeof expiresIn === 'string' ? Number(expiresIn) : Number.NaN
}

/** RFC 6749 §5.2. Only an answer that says so in the standard's way is taken for a final no. */
function refusalOf(
  request: TokenRequest,
  status: number,
  document: Readonly<Record<string, unknown>>,
  retryAfterSeconds: number | undefined,
): Problem {
  const { url } = request.endpoint
  const error = quotable(document['error'], request) ?? (status === 401 ? 'invalid_client' : undefined)
  const isRedirect = status >= 300 && status < 400
  if (error === undefined || status < 400 || status === 429 || status >= 500 || passing.includes(error)) {
    const what = isRedirect
      ? `it answered with a redirect (${status}), which is not followed`
      : `it answered with status ${status}`
    const isDown =
      retryAfterSeconds !== undefined || downStatuses.includes(status) || error === 'temporarily_unavailable'
    // Limits are the client's, whomever it asks for.
    return isDown && (status === 429 || !isForUser(request))
      ? down(url, what, retryAfterSeconds)
      : unavailable(url, what, retryAfterSeconds)
  }
  const said = quotable(document['error_description'], request)
  return new Problem('token-refused', `${url}: ${error}${said === undefined ? '' : `: ${said}`}`, {
    next: nextSteps.get(error) ?? 'check what the issuer lets this client ask for',
    ...(retryAfterSeconds === undefined ? {} : { retryAfterSeconds }),
  })
}

/**
 * A short text of visible ASCII and blanks, as RFC 6749 §5.2 allows in an error. Undefined for anything else, and for
 * one that repeats the credentials that were sent: it would carry the secret into logs.
 */
function quotable(
  value: unknown,
  { endpoint, clientId, clientSecret, fields }: TokenRequest,
): string | undefined {
  if (typeof value !== 'string' || value === '' || value.length > maxErrorLength) return undefined
  for (let at = 0; at < value.length; at++) {
    const code = value.charCodeAt(at)
    if (code < 0x20 || code > 0x7e) return undefined
  }
  const { headers } = authenticate(endpoint.method, clientId, clientSecret)
  const basic = headers['Authorization']?.slice('Basic '.length)
  // Nothing was sent by a client that is known by its connection.
  const secrets = [clientSecret, fields['subject_token'] ?? ''].filter((text) => text !== '')
  const sent = secrets.flatMap((text) => [text, encodeURIComponent(text), inForm(text)])
  if (basic !== undefined) sent.push(basic)
  return sent.some((text) => value.includes(text)) ? undefined : value
}

/** As it stands in the body, and within Basic (RFC 6749 §2.3.1). */
function inForm(text: string): string {
  return new URLSearchParams({ _: text }).toString().slice('_='.length)
}

/** Asked on behalf of a user (RFC 8693): how that goes may lie in whose token is shown. */
function isForUser({ fields }: TokenRequest): boolean {
  return fields['subject_token'] !== undefined
}

/** Of this request; another one may fare better. */
function unavailable(url: string, what: string, retryAfterSeconds?: number): Problem {
  return new Problem('token-unavailable', `${url}: ${what}`, {
    next: nextWhenUnavailable,
    ...(retryAfterSeconds === undefined ? {} : { retryAfterSeconds }),
  })
}

function down(url: string, what: string, retryAfterSeconds?: number): IssuerDown {
  return new IssuerDown(`${url}: ${what}`, {
    next: nextWhenUnavailable,
    ...(retryAfterSeconds === undefined ? {} : { retryAfterSeconds }),
  })
}

function readObject(text: string): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? { ...value } : {}
  } catch {
    return {}
  }
}

/** Why fetch failed, by its code alone: what else an error says may quote the request. */
function reasonOf(error: unknown, timeoutMs: number): string {
  const { cause } = error as { cause?: { code?: unknown } }
  if (isTimeout(error)) return `no answer within ${timeoutMs} ms`
  return typeof cause?.code === 'string' ? `cannot be reached (${cause.code})` : 'cannot be reached'
}

function isTimeout(error: unknown): boolean {
  return (error as { name?: unknown } | null)?.name === 'TimeoutError'
}

/** RFC 6750 §2.1: b64token. Anything else could start another header when it is sent on. */
function isBearerToken(token: string): boolean {
  if (token.length > maxTokenLength) return false
  let end = token.length
  while (token[end - 1] === '=') end--
  for (let at = 0; at < end; at++) if (!tokenCharacters.includes(token[at]!)) return false
  return end > 0
}

const maxResponseBytes = 64 * 1024
const maxErrorLength = 300
/** RFC 6749 §5.1 only recommends expires_in. Asking once a minute is cheap; a token that is long dead is not. */
const defaultLifetimeSeconds = 60

const tokenCharacters = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~+/'

const nextWhenUnavailable = 'check that the issuer can be reached from here and is well'

/** Too many requests, or nobody behind a proxy to take them. A 500 may be one request's own fault. */
const downStatuses = [429, 502, 503, 504]

/** Errors that say "later" and not "no". */
const passing = ['temporarily_unavailable', 'server_error', 'slow_down', 'use_dpop_nonce']

const nextSteps: ReadonlyMap<string, string> = new Map(
  Object.entries({
    invalid_client: 'check clientId and what it shows: secret, key or assertion',
    unauthorized_client: 'let this client use the client credentials grant at the issuer',
    invalid_scope: 'ask only for scopes and roles that the issuer grants to this client',
    invalid_target: 'check audience or resource',
    invalid_dpop_proof: 'check the clock of this machine',
    unsupported_grant_type: 'this issuer grants no client credentials',
  }),
)
