import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Endpoints, TestClient } from './endpoints.ts'

/**
 * The token endpoint of the test issuer: client credentials (RFC 6749 §4.4) with the secret in the header or in the
 * form. It grants what is asked for (`scope`, `roles`, `audience` or `resource`) when the client may have it.
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

function grant(header: string | undefined, form: URLSearchParams, { clients, issuer }: Endpoints): Answer {
  const { clientId, secret } = readCredentials(header, form)
  const client = Object.hasOwn(clients, clientId) ? clients[clientId]! : undefined
  if (client === undefined || secret !== secretOf(client)) return refuse('invalid_client', 401)
  if (form.get('grant_type') !== 'client_credentials') return refuse('unsupported_grant_type')
  const scopes = readList(form.get('scope'), client, 'scopes')
  const roles = readList(form.get('roles'), client, 'roles')
  if (scopes === undefined || roles === undefined) return refuse('invalid_scope')
  const audience = form.get('audience') ?? form.get('resource')
  const token = issuer.token({
    clientId,
    ...(audience === null ? {} : { audience }),
    ...(scopes.length > 0 ? { scopes } : {}),
    ...(roles.length > 0 ? { roles } : {}),
  })
  return {
    status: 200,
    document: {
      access_token: token,
      token_type: 'Bearer',
      expires_in: issuer.lifetimeSeconds,
      ...(scopes.length > 0 ? { scope: scopes.join(' ') } : {}),
    },
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

function secretOf(client: TestClient): string {
  return typeof client === 'string' ? client : client.secret
}

/** What is asked for, or all there is when nothing is; undefined when it is more than the client may have. */
function readList(
  asked: string | null,
  client: TestClient,
  kind: 'roles' | 'scopes',
): readonly string[] | undefined {
  const allowed = typeof client === 'string' ? [] : (client[kind] ?? [])
  if (asked === null || asked === '') return allowed
  const names = asked.split(' ').filter((name) => name !== '')
  return names.every((name) => allowed.includes(name)) ? names : undefined
}

function refuse(error: string, status = 400): Answer {
  return { status, document: { error } }
}

const maxBodyLength = 64 * 1024
