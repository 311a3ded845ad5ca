import { Problem } from '@countersign/sdk/core'
import { visible } from '../visible.ts'

/** What is said of a published key; its numbers are left out. */
export type PublishedKey = {
  readonly kid: string | undefined
  readonly alg: string | undefined
  readonly kty: string
  readonly use: string | undefined
}

/**
 * Fetches what an issuer publishes of its keys, found by its metadata (RFC 8414 §3, OpenID Connect Discovery §4).
 *
 * @throws Problem `issuer-unreachable`
 */
export async function fetchPublishedKeys(issuer: string): Promise<PublishedKey[]> {
  const base = issuer.endsWith('/') ? issuer.slice(0, -1) : issuer
  const metadata = await fetchJson(`${base}/.well-known/openid-configuration`, issuer)
  if (metadata['issuer'] !== issuer) {
    throw new Problem('issuer-unreachable', `${base} describes itself as another issuer`, {
      next: 'write the issuer exactly as its metadata does',
    })
  }
  const { jwks_uri: jwksUri } = metadata
  if (typeof jwksUri !== 'string' || !URL.canParse(jwksUri)) throw unreachable(issuer, 'it names no key set')
  const { keys } = await fetchJson(jwksUri, issuer)
  if (!Array.isArray(keys)) throw unreachable(issuer, 'its key set holds no keys')
  return (keys as unknown[]).flatMap((key) => {
    if (typeof key !== 'object' || key === null) return []
    const { kid, alg, kty, use } = key as Record<string, unknown>
    return [{ kid: textOf(kid), alg: textOf(alg), kty: textOf(kty) ?? '?', use: textOf(use) }]
  })
}

async function fetchJson(url: string, issuer: string): Promise<Record<string, unknown>> {
  let response
  try {
    response = await fetch(url, {
      redirect: 'error',
      signal: AbortSignal.timeout(5_000),
      headers: { accept: 'application/json' },
    })
    if (response.ok) return (await response.json()) as Record<string, unknown>
  } catch (cause) {
    throw unreachable(issuer, reasonOf(cause), cause)
  }
  throw unreachable(issuer, `${new URL(url).pathname} answers with status ${response.status}`)
}

function unreachable(issuer: string, why: string, cause?: unknown): Problem {
  return new Problem('issuer-unreachable', `no key set from ${issuer}: ${why}`, {
    next: 'check that the issuer runs and can be reached from here',
    cause,
  })
}

function reasonOf(error: unknown): string {
  if (error instanceof SyntaxError) return 'it answers with something that is not JSON'
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error
  if (cause instanceof Error && 'code' in cause && typeof cause.code === 'string') return cause.code
  return cause instanceof Error && cause.name === 'TimeoutError' ? 'no answer within 5 seconds' : 'no answer'
}

function textOf(value: unknown): string | undefined {
  return typeof value === 'string' ? visible(value.slice(0, 256)) : undefined
}
