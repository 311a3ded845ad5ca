import { readJwks } from './jwks.ts'
import type { VerificationKey } from './key.ts'
import { fetchMetadata } from '../core/metadata.ts'
import { Problem } from '../core/problem.ts'
import type { RemoteKeySetOptions } from './remote-key-set.ts'
import { safeGetJson } from '../core/safe-get.ts'
import type { SafeGetLimits } from '../core/safe-get.ts'

/** What an issuer's key endpoint has answered. */
export type FetchedKeys = {
  /** Where the keys were found. */
  readonly jwksUri: string
  /** Undefined: they are those that the ETag stands for. */
  readonly keys: readonly VerificationKey[] | undefined
  readonly etag: string | undefined
  /** How long they may be used before asking again, milliseconds. */
  readonly ttlMs: number
}

/**
 * Fetches an issuer's keys once, finding out first where they stand unless that is known.
 *
 * @param etag of the keys at hand (RFC 9110 §8.8.3); undefined: there are none.
 * @throws Problem `fetch-failed`, `fetch-refused` or `key-invalid`.
 * @example
 * const { keys, ttlMs } = await fetchKeys({ issuer: 'https://issuer.acme.example' }, limits, undefined, undefined)
 */
export async function fetchKeys(
  options: Pick<
    RemoteKeySetOptions,
    'issuer' | 'jwksUri' | 'algorithms' | 'defaultTtlSeconds' | 'maxTtlSeconds'
  >,
  limits: SafeGetLimits,
  knownUri: string | undefined,
  etag: string | undefined,
): Promise<FetchedKeys> {
  const { issuer, algorithms } = options
  const jwksUri = knownUri ?? options.jwksUri ?? (await discover(issuer, limits))
  const reply = await safeGetJson(jwksUri, limits, etag)
  const unchanged = reply.status === 304 && etag !== undefined
  if (!unchanged && reply.status !== 200) {
    throw new Problem('fetch-failed', `${jwksUri}: answered ${reply.status}`)
  }
  const rules = { where: jwksUri, ...(algorithms === undefined ? {} : { algorithms }) }
  return {
    jwksUri,
    keys: unchanged ? undefined : readJwks(reply.document, rules),
    etag: reply.etag,
    ttlMs: 1000 * ttlSeconds(reply.cacheControl, options),
  }
}

async function discover(issuer: string, limits: SafeGetLimits): Promise<string> {
  const metadata = await fetchMetadata(issuer, limits)
  const uri = metadata['jwks_uri']
  if (typeof uri !== 'string') throw new Problem('fetch-failed', `${issuer}: its metadata has no jwks_uri`)
  return uri
}

/** How long the reply may be used (RFC 9111 §5.2.2), within our bounds. */
function ttlSeconds(
  cacheControl: string | undefined,
  options: Pick<RemoteKeySetOptions, 'defaultTtlSeconds' | 'maxTtlSeconds'>,
): number {
  const most = options.maxTtlSeconds ?? 3600
  let seconds = options.defaultTtlSeconds ?? 600
  let reusable = true
  for (const directive of (cacheControl ?? '').toLowerCase().split(',')) {
    const [name, value] = directive.trim().split('=', 2)
    if (name === 'no-store' || name === 'no-cache') reusable = false
    else if (name === 'max-age' && value !== undefined && /^\d{1,9}$/.test(value)) seconds = Number(value)
  }
  if (!reusable) seconds = 0
  return Math.min(Math.max(seconds, minTtlSeconds), most)
}

const minTtlSeconds = 30
