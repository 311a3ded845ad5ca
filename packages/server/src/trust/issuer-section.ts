import type { Secret } from '@countersign/sdk/core'
import { atKey, mistake } from './reading.ts'
import type { Reading, Spot } from './reading.ts'
import { adminSection, resolveAdmin } from './admin-section.ts'
import { fields, located, onlyTrue, optional, required } from './shape.ts'
import type { Shape } from './shape.ts'
import { rateLimit } from './rate-limit.ts'
import { dpopSection, resolveDpop } from './dpop-section.ts'
import { externalKeysSection, resolveExternalKeys } from './external-keys-section.ts'
import { duration, listenAddress, word } from './scalars.ts'
import {
  clientCertificatesSection,
  resolveClientCertificates,
  resolveTls,
  tlsSection,
} from './tls-section.ts'
import { issuerUrl, publicUrl } from './urls.ts'
import { loadSecret, secretReference, strongEnough } from './secret-reference.ts'
import { resolveStore, storeShape } from './store-section.ts'
import { signingAlgorithms } from './algorithm-names.ts'
import type { Tree } from './tree.ts'
import type { IssuerSettings } from './trust.ts'

/** The `issuer` section: our own issuer. */
export const issuerSection = located(
  fields({
    url: required(located(issuerUrl()), 'The issuer’s URL, which is the iss claim of its tokens, exactly.'),
    listen: required(listenAddress(), 'Where it listens, host:port.'),
    store: required(
      located(storeShape()),
      'memory:, sqlite:path, postgres://user@host/database, or { env: NAME } where such a URL with a password is.',
    ),
    keys: optional(
      fields({
        algorithm: optional(signingAlgorithm(), 'What tokens are signed with; ES256 unless said otherwise.'),
        rotateEvery: optional(
          duration({ min: '10m', max: '400d' }),
          'How long a key signs before the next one; 30d.',
        ),
        seal: optional(
          secretReference(),
          'Key-encryption secret: private keys are sealed with it in the store.',
        ),
        dangerouslyUnsealed: optional(onlyTrue(), 'Keep private keys in the store as they are.'),
        external: optional(
          externalKeysSection,
          'Private keys that another program holds, in a key service or an HSM; they never come here.',
        ),
      }),
      'The issuer’s own keys.',
    ),
    tokens: optional(
      fields({
        lifetime: optional(duration({ min: '10s', max: '1d' }), 'How long a token lives; 5m.'),
      }),
      'The tokens it signs.',
    ),
    dpop: optional(dpopSection, 'How DPoP proofs (RFC 9449) are checked.'),
    tls: optional(tlsSection('issuer'), 'Its certificate; plain http without.'),
    clientCertificates: optional(
      located(clientCertificatesSection('issuer')),
      'Asks clients for a certificate (RFC 8705); {} for registered ones alone.',
    ),
    mtlsUrl: optional(
      publicUrl(),
      'Where clients with certificates find the token endpoint, when that is another origin than the url’s.',
    ),
    admin: optional(adminSection, 'The admin API; none unless given, and {} is enough.'),
    limits: optional(
      fields({
        client: optional(rateLimit(), 'How often one client may ask for a token; as often as it likes.'),
        address: optional(
          rateLimit(),
          'How often one address (of IPv6: one /64) may ask for a token; as often as it likes.',
        ),
      }),
      'What is too much; then the answer is 429 with Retry-After.',
    ),
  }),
)

/** HMAC is named for what is wrong with it, since it is what people know. */
function signingAlgorithm(): Shape<(typeof signingAlgorithms)[number]> {
  const shape = word(signingAlgorithms)
  return {
    ...shape,
    read(spot, reading) {
      const { tree } = spot
      const name = tree.kind === 'scalar' ? tree.value : undefined
      if (name !== 'HS256' && name !== 'HS384' && name !== 'HS512') return shape.read(spot, reading)
      return mistake(
        reading,
        spot,
        `with ${name}, whoever verifies a token could sign one as well`,
        'write ES256',
      )
    },
  }
}

export type IssuerDraft = typeof issuerSection extends Shape<infer T> ? T : never

/** The settings the issuer runs on; undefined when something in it was mistaken. */
export function resolveIssuer(
  draft: IssuerDraft,
  proxies: readonly string[] | undefined,
  reading: Reading,
): IssuerSettings | undefined {
  const { url, listen, store, keys, tokens, limits, dpop, tls, mtlsUrl, clientCertificates } = draft.value
  const storeSettings = store === undefined ? undefined : resolveStore(store, loads(reading), reading)
  const seal = resolveSeal(draft, reading)
  checkNonces(draft, reading)
  const surroundings = { hasTls: tls !== undefined, hasProxies: (proxies ?? []).length > 0 }
  const certificates = resolveClientCertificates(clientCertificates, surroundings, reading)
  if (url === undefined || listen === undefined || storeSettings === undefined) return undefined
  return {
    url: url.value,
    listen,
    store: storeSettings,
    keys: {
      algorithm: keys?.algorithm ?? 'ES256',
      rotateEverySeconds: keys?.rotateEvery ?? 30 * 24 * 60 * 60,
      seal,
      dangerouslyUnsealed: keys?.dangerouslyUnsealed ?? false,
      ...resolveExternalKeys(keys?.external, reading),
    },
    tokens: { lifetimeSeconds: tokens?.lifetime ?? 5 * 60 },
    ...resolveDpop(dpop, loads(reading), reading),
    ...resolveTls(tls),
    ...certificates,
    ...(mtlsUrl === undefined ? {} : { mtlsUrl }),
    ...(limits === undefined ? {} : { limits }),
    ...(draft.value.admin === undefined ? {} : { admin: resolveAdmin(draft.value.admin, reading) }),
  }
}

/** Replicas share a PostgreSQL store; a nonce that each makes for itself would be refused by all the others. */
function checkNonces(draft: IssuerDraft, reading: Reading): void {
  const { dpop, keys, store } = draft.value
  if (dpop?.nonces !== true || dpop.nonceSecret !== undefined || keys?.dangerouslyUnsealed !== true) return
  const shared = store?.value.kind === 'reference' || store?.value.settings.kind === 'postgres'
  if (!shared) return
  const spot = { tree: draft.tree, path: [...draft.path, 'dpop', 'nonceSecret'] }
  mistake(
    reading,
    { ...spot, tree: atKey(draft.tree) },
    'missing: there is no seal to make nonces from',
    'name one',
  )
}

/** Whoever reads the store's file or a backup of it could sign tokens: so keys at rest are sealed. */
function resolveSeal(draft: IssuerDraft, reading: Reading): Secret | undefined {
  const { keys, store } = draft.value
  const spot: Spot = { tree: draft.tree, path: [...draft.path, 'keys', 'seal'] }
  if (keys?.seal !== undefined && keys.dangerouslyUnsealed === true) {
    return mistake(
      reading,
      keys.seal,
      'seal and dangerouslyUnsealed exclude each other',
      'take one of them out',
    )
  }
  if (keys?.seal !== undefined) {
    if (!loads(reading)) return undefined
    const secret = loadSecret(keys.seal, reading)
    if (secret !== undefined) strongEnough(secret, sealStrength, keys.seal, reading)
    return secret
  }
  const onDisk =
    store !== undefined && (store.value.kind === 'reference' || store.value.settings.kind !== 'memory')
  if (onDisk && keys?.dangerouslyUnsealed !== true) {
    // A mistaken seal has been reported already.
    if (sealWasWritten(draft)) return undefined
    mistake(reading, { ...spot, tree: atKey(keysTree(draft) ?? draft.tree) }, sealMissing, sealNext)
  }
  return undefined
}

function keysTree({ tree }: IssuerDraft): Tree | undefined {
  return tree.kind === 'map' ? tree.entries.get('keys') : undefined
}

function sealWasWritten(draft: IssuerDraft): boolean {
  const keys = keysTree(draft)
  return keys?.kind === 'map'
    ? keys.entries.has('seal') || keys.entries.has('dangerouslyUnsealed')
    : keys !== undefined
}

function loads(reading: Reading): boolean {
  return reading.secretsFor === 'all' || reading.secretsFor === 'issuer'
}

const sealStrength = {
  bytes: 32,
  why: 'a seal key needs at least 32 (256 bits, as RFC 7518 §3.2 asks of HMAC keys)',
}
const sealMissing = 'missing: private keys would lie open in the store'
const sealNext =
  'write `keys: { seal: { env: COUNTERSIGN_SEAL_KEY } }`, or `store: memory:`, or `keys: { dangerouslyUnsealed: true }`'
