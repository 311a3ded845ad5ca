import type { IncomingMessage, ServerResponse } from 'node:http'
import { readPrincipal } from '../policy/principal.ts'
import type { Endpoints, TestClient } from './endpoints.ts'

/**
 * The token endpoint of the test issuer: client credentials (RFC 6749 §4.4) with the secret in the header or in the
 * form, and token exchange (RFC 8693) for any token of this issuer. It grants what is asked for (`scope`, `roles`,
 * `audience` or `resource`) when the client may have it; in an exchange, when the subject has it as well.
 */
export function answerTokenRequest(
  request: IncomingMessage,
  response: ServerResponse,
  endpoints: Endpoints,
): void {
  let body = ''
  request.setEncoding('utf8')
  request.on('data', (chunk: string) => {
    body += chunk
    if (body.length > maxBodyLength) request.destroy()
  })
  request.on('end', () => {
    const { status, document } = grant(request.headers.authorization, new URLSearchParams(body), endpoints)
    response.writeHead(status, {
      'Content-Type': 'application/json',
      'Cache-Control': 'no-store',
      ...(status === 401 ? { 'WWW-Authenticate': 'Basic realm="test issuer"' } : {}),
    })
    response.end(JSON.stringify(document))
  })
}

type Answer = { readonly status: number; readonly document: object }

function grant(header: string | undefined, form: URLSearchParams, endpoints: Endpoints): Answer {
  const { clients, issuer } = endpoints
  const { clientId, secret } = readCredentials(header, form)
  const client = Object.hasOwn(clients, clientId) ? clients[clientId]! : undefined
  if (client === undefined || secret !== secretOf(client)) return refuse('invalid_client', 401)
  const isExchange = form.get('grant_type') === exchangeGrant
  if (!isExchange && form.get('grant_type') !== 'client_credentials') return refuse('unsupported_grant_type')
  const subject = isExchange ? readSubject(form, endpoints) : undefined
  if (isExchange && subject === undefined) return refuse('invalid_request')
  const scopes = readList(form.get('scope'), client, 'scopes', subject?.scopes)
  const roles = readList(form.get('roles'), client, 'roles', subject?.roles)
  if (scopes === undefined || roles === undefined) return refuse('invalid_scope')
  const audience = form.get('audience') ?? form.get('resource')
  const lifetimeSeconds = Math.min(issuer.lifetimeSeconds, subject?.secondsLeft ?? Infinity)
  const token = issuer.token({
    clientId,
    lifetimeSeconds,
    ...(subject === undefined ? {} : { subject: subject.name, actor: [clientId, ...subject.actors] }),
    ...(audience === null ? {} : { audience }),
    ...(scopes.length > 0 ? { scopes } : {}),
    ...(roles.length > 0 ? { roles } : {}),
  })
  return {
    status: 200,
    document: {
      access_token: token,
      token_type: 'Bearer',
      expires_in: lifetimeSeconds,
      ...(isExchange ? { issued_token_type: accessTokenType } : {}),
      ...(scopes.length > 0 ? { scope: scopes.join(' ') } : {}),
    },
  }
}

type ShownSubject = {
  readonly name: string
  readonly actors: readonly string[]
  readonly scopes: ReadonlySet<string>
  readonly roles: ReadonlySet<string>
  readonly secondsLeft: number
}

/** Who the exchanged token is about; undefined for a token that is not good. */
function readSubject(form: URLSearchParams, { issuer, subjects }: Endpoints): ShownSubject | undefined {
  if (form.get('subject_token_type') !== accessTokenType) return undefined
  const verification = subjects.verifyNow(form.get('subject_token') ?? '')
  if (verification?.kind !== 'verified') return undefined
  const principal = readPrincipal(verification.token)
  if ('reason' in principal || principal.subject === undefined) return undefined
  const { subject: name, scopes, roles, expiresAtSeconds } = principal
  const actors: string[] = []
  for (let actor = principal.actor; actor !== undefined; actor = actor.actor) actors.push(actor.subject)
  const secondsLeft = Math.floor(expiresAtSeconds - issuer.clock() / 1000)
  return { name, actors, scopes, roles, secondsLeft }
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

function secretOf(client: TestClient): string {
  return typeof client === 'string' ? client : client.secret
}

/** What is asked for, or all there is when nothing is; undefined when it is more than the client may have. */
function readList(
  asked: string | null,
  client: TestClient,
  kind: 'roles' | 'scopes',
  held: ReadonlySet<string> | undefined,
): readonly string[] | undefined {
  const may = typeof client === 'string' ? [] : (client[kind] ?? [])
  const allowed = held === undefined ? may : may.filter((name) => held.has(name))
  if (asked === null || asked === '') return allowed
  const names = asked.split(' ').filter((name) => name !== '')
  return names.every((name) => allowed.includes(name)) ? names : undefined
}

function refuse(error: string, status = 400): Answer {
  return { status, document: { error } }
}

const exchangeGrant = 'urn:ietf:params:oauth:grant-type:token-exchange'
const accessTokenType = 'urn:ietf:params:oauth:token-type:access_token'
const maxBodyLength = 64 * 1024
