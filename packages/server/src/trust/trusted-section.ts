import { Secret } from '@countersign/sdk/core'
import type { Algorithm } from '@countersign/sdk/jwt'
import { randomBytes } from 'node:crypto'
import { mistake } from './reading.ts'
import type { Reading } from './reading.ts'
import { fields, located, named, oneOrMany, optional, required } from './shape.ts'
import type { Shape } from './shape.ts'
import { audience, claimText, jsonPointer, nameKey, word } from './scalars.ts'
import { keySetUrl, readIssuerUrl } from './urls.ts'
import { loadSecret, secretReference } from './secret-reference.ts'
import { allAlgorithms, isSecretAlgorithm, secretBytes } from './algorithm-names.ts'
import { ownIssuerName } from './service-section.ts'
import type { TrustedIssuer } from './trust.ts'

/** The `trusted` section: issuers other than ours. */
export const trustedSection = named(
  nameKey('names of trusted issuers', { [ownIssuerName]: 'it stands for our own issuer in accepts' }),
  fields({
    issuer: required(
      located(claimText('an issuer such as https://login.acme.example')),
      'Its iss claim, exactly.',
    ),
    audience: required(audience(), 'What its tokens must carry in aud to be meant for us.'),
    algorithms: optional(
      oneOrMany(located(word(allAlgorithms)), { what: 'algorithms' }),
      'What its tokens may be signed with; needed unless there is a secret (then HS256).',
    ),
    type: optional(
      claimText('a token type such as at+jwt'),
      'The typ its tokens must carry; at+jwt, or JWT with a secret.',
    ),
    jwks: optional(
      located(keySetUrl()),
      'The URL of its key set; found by discovery at the issuer unless given.',
    ),
    secret: optional(
      located(secretReference()),
      'The secret it signs with (HMAC): shared, so only where there is no other way.',
    ),
    roles: optional(jsonPointer(), 'JSON Pointer to the roles in its claims; /roles.'),
  }),
)

export type TrustedDrafts = typeof trustedSection extends Shape<infer T> ? T : never
export type TrustedDraft = TrustedDrafts extends ReadonlyMap<string, infer D> ? D : never

/** One trusted issuer with its defaults; undefined when something in it was mistaken. */
export function resolveTrusted(
  name: string,
  draft: TrustedDraft,
  reading: Reading,
): TrustedIssuer | undefined {
  const { issuer, audience: meantFor, type, roles, secret } = draft.value
  const algorithms = resolveAlgorithms(draft, reading)
  const keys = resolveKeys(draft, algorithms, reading)
  if (issuer === undefined || meantFor === undefined || keys === undefined) return undefined
  return {
    name,
    issuer: issuer.value,
    audience: meantFor,
    algorithms,
    type: type ?? (secret === undefined ? 'at+jwt' : 'JWT'),
    keys,
    roles,
  }
}

/** A secret verifies HMAC and nothing else, a public key everything but HMAC (RFC 8725 §3.1: no confusion). */
function resolveAlgorithms(draft: TrustedDraft, reading: Reading): readonly Algorithm[] {
  const { algorithms } = draft.value
  const secret = has(draft, 'secret')
  if (algorithms === undefined) {
    if (secret) return ['HS256']
    if (!has(draft, 'algorithms')) {
      const spot = {
        path: [...draft.path, 'algorithms'],
        tree: { ...draft.tree, place: draft.tree.keyPlace },
      }
      mistake(
        reading,
        spot,
        'missing',
        'write what its tokens are signed with, such as `algorithms: [RS256]`',
      )
    }
    return []
  }
  for (const algorithm of algorithms) {
    if (isSecretAlgorithm(algorithm.value) === secret) continue
    if (secret)
      mistake(reading, algorithm, `${algorithm.value} is not verified with a secret`, 'write HS256, or jwks')
    else
      mistake(
        reading,
        algorithm,
        `${algorithm.value} needs a secret`,
        'write what its public keys are for, such as RS256',
      )
  }
  return [...new Set(algorithms.map(({ value }) => value))]
}

function resolveKeys(
  draft: TrustedDraft,
  algorithms: readonly Algorithm[],
  reading: Reading,
): TrustedIssuer['keys'] | undefined {
  const { issuer, jwks, secret } = draft.value
  if (secret !== undefined && has(draft, 'jwks')) {
    return mistake(
      reading,
      secret,
      'secret and jwks exclude each other',
      'prefer jwks: then nothing is shared',
    )
  }
  if (secret !== undefined) return resolveSecret(secret, algorithms, reading)
  if (has(draft, 'secret')) return undefined
  if (jwks !== undefined) return { kind: 'jwks', url: jwks.value }
  if (has(draft, 'jwks') || issuer === undefined) return undefined
  const url = readIssuerUrl(issuer.value)
  if ('value' in url) return { kind: 'discovery' }
  const next = 'write an https URL, or give the key set’s own URL: `jwks: https://…`'
  return mistake(reading, issuer, `its keys cannot be discovered: ${url.message}`, next)
}

function resolveSecret(
  reference: NonNullable<TrustedDraft['value']['secret']>,
  algorithms: readonly Algorithm[],
  reading: Reading,
): TrustedIssuer['keys'] | undefined {
  // Random bytes where no secret is wanted: nothing can be verified with them, so a slip fails closed.
  if (reading.secretsFor === 'none' || typeof reading.secretsFor === 'object')
    return { kind: 'secret', secret: new Secret(randomBytes(64)), dangerouslyShort: false }
  const secret = loadSecret(reference.value, reading)
  if (secret === undefined) return undefined
  const needed = Math.max(32, ...algorithms.map((name) => (isSecretAlgorithm(name) ? secretBytes[name] : 0)))
  const short = secret.byteLength < needed
  if (short && !reading.dangerouslyShortSecrets) {
    const message = `the secret has ${secret.byteLength} bytes; HMAC needs at least ${needed} (RFC 7518 §3.2)`
    return mistake(
      reading,
      reference,
      message,
      `agree on a longer one, such as from \`openssl rand -base64 ${needed}\``,
    )
  }
  return { kind: 'secret', secret, dangerouslyShort: short }
}

function has({ tree }: TrustedDraft, key: string): boolean {
  return tree.kind === 'map' && tree.entries.has(key)
}
