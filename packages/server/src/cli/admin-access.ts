import { readFileSync, statSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { isLoopbackHost, parseStrictJson, Problem, Secret } from '@countersign/sdk/core'
import { createTokenSource } from '@countersign/sdk/client'
import { adminServiceName } from '../trust/admin-service.ts'
import { visible } from '../visible.ts'
import type { Context } from './context.ts'
import { findTrustFile, loadTrust } from './find-trust.ts'

/** The admin API, as the client whose credentials are at hand. */
export type AdminAccess = {
  readonly url: string
  /** @throws Problem `admin-refused` for a refusal, `admin-unreachable` for no answer and for 503 */
  ask(method: string, path: string, options?: AskOptions): Promise<AdminAnswer>
  /** Everything of a list, page by page. */
  pages(path: string, name: string): AsyncGenerator<Record<string, unknown>>
}

export type AskOptions = {
  readonly body?: object
  /** The revision that is meant; any when it does not matter which. */
  readonly ifMatch?: string
  readonly idempotencyKey?: string
}

export type AdminAnswer = { readonly json: Record<string, unknown>; readonly etag: string | undefined }

export type AdminCredentials = {
  readonly issuer: string
  /** Where the admin API listens, without a path. */
  readonly url: string
  readonly clientId: string
  readonly clientSecret: Secret
}

/**
 * Opens the admin API with the credentials that `countersign bootstrap` has written, or those in the environment:
 * `COUNTERSIGN_ADMIN_CLIENT` with `COUNTERSIGN_ADMIN_SECRET` or `COUNTERSIGN_ADMIN_SECRET_FILE`. Never from an argument.
 *
 * @throws Problem `usage` when there are none, or others can read them
 */
export async function openAdmin(context: Context): Promise<AdminAccess> {
  const { issuer, url, clientId, clientSecret } = await readCredentials(context)
  const source = createTokenSource({ issuer, clientId, clientSecret, audience: adminServiceName })
  const ask: AdminAccess['ask'] = async (method, path, { body, ifMatch, idempotencyKey } = {}) => {
    const token = await source.token()
    const headers: Record<string, string> = { Authorization: `Bearer ${token.secret.revealText()}` }
    if (ifMatch !== undefined) headers['If-Match'] = ifMatch
    if (idempotencyKey !== undefined) headers['Idempotency-Key'] = idempotencyKey
    return askAdmin(url, method, path, { headers, ...(body === undefined ? {} : { body }) })
  }
  return {
    url,
    ask,
    async *pages(path, name) {
      for (let after: string | undefined = ''; after !== undefined;) {
        const { json } = await ask('GET', `${path}?limit=1000&after=${encodeURIComponent(after)}`)
        yield* json[name] as Record<string, unknown>[]
        after = json['next'] as string | undefined
      }
    },
  }
}

/** One request to the admin API, with whatever shows who asks. */
export async function askAdmin(
  url: string,
  method: string,
  path: string,
  { headers = {}, body }: { readonly headers?: Record<string, string>; readonly body?: object } = {},
): Promise<AdminAnswer> {
  let response: Response
  let text: string
  try {
    response = await fetch(`${url}/admin${path}`, {
      method,
      redirect: 'error',
      signal: AbortSignal.timeout(15_000),
      headers: {
        Accept: 'application/json',
        ...headers,
        ...(body === undefined ? {} : { 'Content-Type': 'application/json' }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    })
    text = await response.text()
  } catch (cause) {
    throw new Problem('admin-unreachable', `no answer from the admin API at ${url}`, {
      next: url.startsWith('https:')
        ? 'check that the issuer runs, and that its certificate is for the name in COUNTERSIGN_ADMIN_URL and known here (NODE_EXTRA_CA_CERTS)'
        : 'check that the issuer runs, and that issuer.admin.listen is where you ask',
      cause,
    })
  }
  const parsed = text === '' ? {} : parseStrictJson(text)
  if (typeof parsed === 'string') throw new Problem('admin-unreachable', `${url} is no admin API: ${parsed}`)
  if (response.ok) return { json: parsed, etag: response.headers.get('etag') ?? undefined }
  throw refusal(url, response.status, parsed)
}

function refusal(url: string, status: number, json: Readonly<Record<string, unknown>>): Problem {
  const { detail, code, mistakes } = json
  const why = visible(typeof detail === 'string' ? detail : `status ${status}`)
  if (status === 503)
    return new Problem('admin-unreachable', `the admin API cannot decide right now: ${why}`, {
      next: 'try again',
    })
  if (status === 401 || (status === 403 && code === undefined)) {
    return new Problem('admin-refused', `the admin API at ${url} refuses this client (${status})`, {
      next:
        status === 401
          ? 'check that the client is still one'
          : 'the client needs another scope of countersign',
    })
  }
  const listed = (Array.isArray(mistakes) ? mistakes : []) as {
    path: string
    message: string
    next?: string
  }[]
  const others = listed.slice(1).map(({ path, message }) => `also ${path}: ${message}`)
  const next = [...(listed[0]?.next === undefined ? [] : [listed[0].next]), ...others].join('; ')
  return new Problem('admin-refused', why, next === '' ? {} : { next: visible(next) })
}

async function readCredentials(context: Context): Promise<AdminCredentials> {
  const { env } = context
  const clientId = env['COUNTERSIGN_ADMIN_CLIENT']
  if (clientId !== undefined && clientId !== '') {
    const place = await adminPlace(context)
    return { ...place, clientId, clientSecret: environmentSecret(context) }
  }
  const path = credentialsPath(context)
  let text: string
  try {
    if ((statSync(path).mode & 0o077) !== 0) {
      throw new Problem('usage', `others can read ${path}`, {
        next: `take that from them: chmod 600 ${path}`,
      })
    }
    text = readFileSync(path, 'utf8')
  } catch (cause) {
    if (cause instanceof Problem) throw cause
    throw new Problem('usage', `there are no admin credentials in ${path}`, {
      next: 'make the first client with `countersign bootstrap`, or set COUNTERSIGN_ADMIN_CLIENT and COUNTERSIGN_ADMIN_SECRET',
    })
  }
  const read = parseStrictJson(text)
  const field = (name: string): string => {
    const value = typeof read === 'string' ? undefined : read[name]
    if (typeof value === 'string') return value
    throw new Problem('usage', `${path} holds no admin credentials`, {
      next: 'name another file in COUNTERSIGN_ADMIN_CREDENTIALS',
    })
  }
  return {
    issuer: field('issuer'),
    url: checkAdminUrl(env['COUNTERSIGN_ADMIN_URL'] ?? field('admin')),
    clientId: field('client_id'),
    clientSecret: Secret.fromText(field('client_secret')),
  }
}

/** `$COUNTERSIGN_ADMIN_CREDENTIALS`, or countersign-admin.json beside the trust file. */
export function credentialsPath(context: Context): string {
  const named = context.env['COUNTERSIGN_ADMIN_CREDENTIALS']
  if (named !== undefined && named !== '') return resolve(context.cwd, named)
  let folder = context.cwd
  try {
    folder = dirname(findTrustFile(context).path)
  } catch {
    // Credentials say where the issuer is; the trust file need not be here.
  }
  return join(folder, 'countersign-admin.json')
}

/** The issuer and its admin API, as the trust file has them. */
export async function adminPlace(context: Context): Promise<Pick<AdminCredentials, 'issuer' | 'url'>> {
  const { trust, file } = await loadTrust(context, 'none')
  const admin = trust.issuer?.admin
  if (trust.issuer === undefined || admin === undefined) {
    throw new Problem('usage', `${file.name} has no issuer.admin`, {
      next: 'write `admin: {}` into its issuer section',
    })
  }
  const { host, port } = admin.listen
  // Who listens everywhere listens here as well.
  const near = host === '0.0.0.0' ? '127.0.0.1' : host === '::' ? '::1' : host
  const own = `${admin.tls === undefined ? 'http' : 'https'}://${near.includes(':') ? `[${near}]` : near}:${port}`
  return { issuer: trust.issuer.url, url: checkAdminUrl(context.env['COUNTERSIGN_ADMIN_URL'] ?? own) }
}

/** A token travels there: over https, or to this machine. */
function checkAdminUrl(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined
  const safe = url?.protocol === 'https:' || (url?.protocol === 'http:' && isLoopbackHost(url.hostname))
  if (url !== undefined && safe && url.origin === text.replace(/\/$/, '')) return url.origin
  throw new Problem('usage', 'the admin API’s URL must be https://host, or http:// on this machine', {
    next: 'set COUNTERSIGN_ADMIN_URL, such as https://admin.acme.example',
  })
}

function environmentSecret({ env, cwd }: Context): Secret {
  const value = env['COUNTERSIGN_ADMIN_SECRET']
  const file = env['COUNTERSIGN_ADMIN_SECRET_FILE']
  if (value !== undefined && value !== '' && file === undefined) return Secret.fromText(value)
  if (file !== undefined && (value === undefined || value === '')) {
    try {
      return Secret.fromText(readFileSync(resolve(cwd, file), 'utf8').replace(/\r?\n$/, ''))
    } catch (cause) {
      throw new Problem('usage', 'COUNTERSIGN_ADMIN_SECRET_FILE cannot be read', {
        next: 'check the path',
        cause,
      })
    }
  }
  throw new Problem(
    'usage',
    'expected exactly one of COUNTERSIGN_ADMIN_SECRET and COUNTERSIGN_ADMIN_SECRET_FILE',
  )
}
