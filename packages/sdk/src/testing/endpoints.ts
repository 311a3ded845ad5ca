import { createHash } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Jwk } from '../jwt/jwk.ts'
import { answerFault } from './fault.ts'
import type { Fault } from './fault.ts'
import type { TestIssuer } from './memory-issuer.ts'
import type { TestTokenEndpoint } from './token-endpoint.ts'

/** How the endpoints fail. */
export type Faults = {
  readonly metadata?: Fault
  readonly keys?: Fault
  readonly token?: Fault
  readonly revocations?: Fault
  /** How long every answer takes, milliseconds. */
  readonly delayMs?: number
  /** Goes on publishing the keys of this moment, whatever is rotated. */
  readonly staleKeys?: boolean
}

export type IssuerRequests = { metadata: number; keys: number; token: number; revocations: number }

/** What the endpoints answer from. */
export type Endpoints = {
  readonly issuer: TestIssuer
  readonly tokens: TestTokenEndpoint
  readonly keysMaxAgeSeconds: number
  readonly faults: Faults
  readonly keys: { readonly keys: readonly Jwk[] }
  /** Counted up. */
  readonly requests: IssuerRequests
}

/** Answers one request to an issuer's endpoints. */
export function answerIssuerRequest(
  request: IncomingMessage,
  response: ServerResponse,
  endpoints: Endpoints,
): void {
  const endpoint = paths[request.url ?? '']
  if (endpoint === undefined) return void response.writeHead(404).end()
  endpoints.requests[endpoint]++
  const fault = endpoints.faults[endpoint]
  if (fault !== undefined) return answerFault(fault, request, response)
  if (request.method !== (endpoint === 'token' ? 'POST' : 'GET')) return void response.writeHead(405).end()
  answers[endpoint](request, response, endpoints)
}

function answerMetadata(_: IncomingMessage, response: ServerResponse, { issuer: { url } }: Endpoints): void {
  sendJson(response, {
    issuer: url,
    jwks_uri: `${url}/.well-known/jwks.json`,
    token_endpoint: `${url}/token`,
    revocations_uri: `${url}/revocations`,
    grant_types_supported: ['client_credentials', 'urn:ietf:params:oauth:grant-type:token-exchange'],
    response_types_supported: [],
    token_endpoint_auth_methods_supported: ['client_secret_basic', 'client_secret_post', 'private_key_jwt'],
  })
}

function answerKeys(
  request: IncomingMessage,
  response: ServerResponse,
  { keys, keysMaxAgeSeconds }: Endpoints,
): void {
  const etag = `"${createHash('sha256').update(JSON.stringify(keys)).digest('base64url')}"`
  response.setHeader('Cache-Control', `public, max-age=${keysMaxAgeSeconds}`).setHeader('ETag', etag)
  if (request.headers['if-none-match'] === etag) response.writeHead(304).end()
  else sendJson(response, keys)
}

function answerTokens(request: IncomingMessage, response: ServerResponse, { tokens }: Endpoints): void {
  tokens.answer(request, response)
}

function answerRevocations(_: IncomingMessage, response: ServerResponse, { issuer }: Endpoints): void {
  response.writeHead(200, { 'Content-Type': 'application/revocations+jwt' }).end(issuer.revocationList())
}

function sendJson(response: ServerResponse, value: unknown): void {
  response.writeHead(200, { 'Content-Type': 'application/json' }).end(JSON.stringify(value))
}

const answers = {
  metadata: answerMetadata,
  keys: answerKeys,
  token: answerTokens,
  revocations: answerRevocations,
} as const

const paths: Readonly<Record<string, keyof typeof answers>> = {
  '/.well-known/openid-configuration': 'metadata',
  '/.well-known/oauth-authorization-server': 'metadata',
  '/.well-known/jwks.json': 'keys',
  '/token': 'token',
  '/revocations': 'revocations',
}
