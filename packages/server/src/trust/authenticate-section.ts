import { isProblem } from '@countersign/sdk/core'
import type { Secret } from '@countersign/sdk/core'
import { createKeySet } from '@countersign/sdk/jwt'
import { signingAlgorithms } from './algorithm-names.ts'
import { clientCertificate } from './certificate-shape.ts'
import { federatedSection, resolveFederated } from './federated-section.ts'
import { publicKey } from './jwk-shape.ts'
import type { PathStep } from './mistake.ts'
import { mistake, oneOf } from './reading.ts'
import type { Located, Reading } from './reading.ts'
import { word } from './scalars.ts'
import { loadSecret, secretReference, strongEnough } from './secret-reference.ts'
import type { SecretReference } from './secret-reference.ts'
import { fields, list, located, oneOrMany, onlyTrue, optional, required } from './shape.ts'
import type { Shape } from './shape.ts'
import type { Client, ClientKeys } from './trust.ts'
import { keySetUrl } from './urls.ts'

/** `clients.NAME.authenticate`: how a client proves who it is; exactly one way. */
export const authenticateSection = located(
  fields({
    secret: optional(
      located(oneOrMany(secretReference(), { what: 'secrets' })),
      'Where its secret is; two while one replaces the other.',
    ),
    keys: optional(
      located(clientKeys()),
      'Its public keys, for private_key_jwt: a list of JWKs, or { jwks: URL, algorithms }.',
    ),
    legacyAudience: optional(
      located(onlyTrue()),
      'Also take assertions for the token endpoint’s URL, as older libraries write them.',
    ),
    certificate: optional(
      located(clientCertificate()),
      'Its TLS certificate (RFC 8705): by one name in it, or its thumbprint.',
    ),
    federated: optional(federatedSection, 'The platform that speaks for it, instead of anything it holds.'),
  }),
)

export type AuthenticateDraft = typeof authenticateSection extends Shape<infer T> ? T : never

/** What a client can show; undefined when something in it was mistaken. */
export function resolveAuthenticate(
  draft: AuthenticateDraft,
  reading: Reading,
): Pick<Client, 'secrets' | 'assertion' | 'certificate'> | undefined {
  const { tree, value } = draft
  const written = ways.filter((way) => tree.kind === 'map' && tree.entries.has(way))
  if (written.length === 0) return mistake(reading, draft, `expected one of ${oneOf(ways)}`)
  if (written.length > 1) {
    return mistake(reading, draft, `${written.join(' and ')} exclude each other`, 'keep the stronger one')
  }
  const { secret, keys, legacyAudience, federated, certificate } = value
  if (legacyAudience !== undefined && !written.includes('keys')) {
    return mistake(reading, legacyAudience, 'is for clients with keys', 'leave it out')
  }
  if (secret !== undefined) {
    const secrets = resolveSecrets(secret, reading)
    return secrets === undefined ? undefined : { secrets }
  }
  if (federated !== undefined) {
    const assertion = resolveFederated(federated, reading)
    return assertion === undefined ? undefined : { secrets: [], assertion }
  }
  if (certificate !== undefined) return { secrets: [], certificate: certificate.value }
  if (keys === undefined) return undefined
  return {
    secrets: [],
    assertion: { kind: 'own', keys: keys.value, legacyAudience: legacyAudience !== undefined },
  }
}

function resolveSecrets(
  references: Located<readonly SecretReference[]>,
  reading: Reading,
): readonly Secret[] | undefined {
  if (references.value.length > 2) {
    return mistake(
      reading,
      references,
      'more than two secrets',
      'two are enough while one replaces the other',
    )
  }
  if (!loadsSecretsOf(references.path[1], reading)) return []
  const secrets: Secret[] = []
  for (const reference of references.value) {
    const secret = loadSecret(reference, reading)
    if (secret === undefined) continue
    if (reading.dangerouslyShortSecrets || strongEnough(secret, clientStrength, reference, reading))
      secrets.push(secret)
  }
  return secrets
}

/** @param client its id, which stands behind `clients` in the path */
function loadsSecretsOf(client: PathStep | undefined, { secretsFor }: Reading): boolean {
  if (typeof secretsFor === 'object') return secretsFor.client === client
  return secretsFor === 'all' || secretsFor === 'issuer'
}

/** A list of JWKs that stand here, or where they are published. */
function clientKeys(): Shape<ClientKeys> {
  const here = list(publicKey(), { what: 'public keys' })
  const published = fields({
    jwks: required(keySetUrl(), 'The URL of its key set.'),
    algorithms: optional(
      oneOrMany(word(signingAlgorithms), { what: 'algorithms' }),
      'What its keys may be used for; every public-key algorithm, by each key’s own alg, unless said otherwise.',
    ),
  })
  return {
    schema: { anyOf: [here.schema, published.schema] },
    read(spot, reading) {
      if (spot.tree.kind === 'map') {
        const draft = published.read(spot, reading)
        if (draft?.jwks === undefined) return undefined
        return { kind: 'jwks', url: draft.jwks, algorithms: draft.algorithms ?? signingAlgorithms }
      }
      const keys = here.read(spot, reading)
      if (keys === undefined) return undefined
      try {
        createKeySet(keys)
      } catch (error) {
        // Two of one name, for example: an assertion could then mean either.
        if (!isProblem(error)) throw error
        return mistake(reading, spot, error.message)
      }
      return { kind: 'keys', keys }
    },
  }
}

const ways = ['secret', 'keys', 'federated', 'certificate']

const clientStrength = {
  bytes: 32,
  why: 'a client secret needs at least 32 (RFC 6749 §10.10: it must not be guessed)',
}
