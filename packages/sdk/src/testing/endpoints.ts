import { createHash } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Jwk } from '../jwt/jwk.ts'
import type { Verifier } from '../jwt/verifier.ts'
import { answerTokenRequest } from './token-endpoint.ts'
import type { TestIssuer } from './memory-issuer.ts'

/** How the endpoints fail: with a status, or `reset`, which hangs up without an answer. */
export type Faults = {
  readonly metadata?: number | 'reset'
  readonly keys?: number | 'reset'
  readonly token?: number | 'reset'
  readonly revocations?: number | 'reset'
  /** How long every answer takes, milliseconds. */
  readonly delayMs?: number
  /** Goes on publishing the keys of this moment, whatever is rotated. */
  readonly staleKeys?: boolean
}

export type IssuerRequests = { metadata: number; keys: number; token: number; revocations: number }

/** A client's secret, and what it may ask for: roles and scopes that are not listed are refused. */
export type TestClient =
  | string
  | { readonly secret: string; readonly roles?: readonly string[]; readonly scopes?: readonly string[] }

/** What the endpoints answer from. */
export type Endpoints = {
  readonly issuer: TestIssuer
  /** Verifies what is exchanged: any token of this issuer. */
  readonly subjects: Verifier
  readonly clients: Readonly<Record<string, TestClient>>
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
  if (fault === 'reset') return void request.socket.destroy()
  if (fault !== undefined) return void response.writeHead(fault).end()
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
    token_endpoint_auth_methods_supported: ['client_secret_basic', 'client_secret_post'],
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

function answerRevocations(_: IncomingMessage, response: ServerResponse, { issuer }: Endpoints): void {
  response.writeHead(200, { 'Content-Type': 'application/revocations+jwt' }).end(issuer.revocationList())
}

function sendJson(response: ServerResponse, value: unknown): void {
  response.writeHead(200, { 'Content-Type': 'application/json' }).end(JSON.stringify(value))
}

const answers = {
  metadata: answerMetadata,
  keys: answerKeys,
  token: answerTokenRequest,
  revocations: answerRevocations,
} as const

const paths: Readonly<Record<string, keyof typeof answers>> = {
  '/.well-known/openid-configuration': 'metadata',
  '/.well-known/oauth-authorization-server': 'metadata',
  '/.well-known/jwks.json': 'keys',
  '/token': 'token',
  '/revocations': 'revocations',
}
