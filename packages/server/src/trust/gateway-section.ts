import { authzSection, resolveAuthz } from './authz-section.ts'
import { dpopSection, resolveDpop } from './dpop-section.ts'
import { gatewayLimitsSection, resolveLimits } from './limits-section.ts'
import { mistake } from './reading.ts'
import type { Reading } from './reading.ts'
import { duration, listenAddress, realmText, wholeNumber } from './scalars.ts'
import { fields, located, optional, required } from './shape.ts'
import type { Shape } from './shape.ts'
import type { ServiceDrafts } from './service-section.ts'
import {
  clientCertificatesSection,
  resolveClientCertificates,
  resolveTls,
  tlsSection,
} from './tls-section.ts'
import type { GatewaySettings } from './trust.ts'
import { publicUrl } from './urls.ts'

/** The `gateway` section. */
export const gatewaySection = located(
  fields({
    listen: required(listenAddress(), 'Where it listens, host:port.'),
    realm: optional(realmText(), 'The realm of its challenges; countersign unless said otherwise.'),
    url: optional(
      publicUrl(),
      'The URL by which callers reach it: what DPoP proofs are for. Without it no bound token is taken.',
    ),
    dpop: optional(dpopSection, 'How DPoP proofs (RFC 9449) are checked.'),
    tls: optional(tlsSection('gateway'), 'Its certificate; plain http without.'),
    clientCertificates: optional(
      located(clientCertificatesSection('gateway')),
      'Asks callers for a certificate; {} for no more than that.',
    ),
    authz: optional(authzSection, 'Decisions for other proxies, each kind at an address of its own.'),
    workers: optional(
      wholeNumber({ min: 1, max: 128 }),
      'How many processes share its address, as many as there are cores for it; 1.',
    ),
    revocationsStaleAfter: optional(
      duration({ min: '20s', max: '1d' }),
      'How long it goes on while what our issuer has revoked cannot be had, before it answers 503; without end.',
    ),
    limits: optional(gatewayLimitsSection, 'How long and how much, where it is not to be as usual.'),
  }),
)

export type GatewayDraft = typeof gatewaySection extends Shape<infer T> ? T : never

/** The settings the gateway runs on; undefined when something in it was mistaken. */
export function resolveGateway(
  draft: GatewayDraft,
  proxies: readonly string[] | undefined,
  reading: Reading,
): GatewaySettings | undefined {
  const { listen, realm = 'countersign', url, dpop, authz, tls, clientCertificates } = draft.value
  const { revocationsStaleAfter: stale, workers, limits } = draft.value
  const loads = reading.secretsFor === 'all' || reading.secretsFor === 'gateway'
  const proofs = resolveDpop(dpop, loads, reading)
  const endpoints = authz === undefined ? {} : { authz: resolveAuthz(authz, listen, reading) }
  const surroundings = { hasTls: tls !== undefined, hasProxies: (proxies ?? []).length > 0 }
  const certificates = resolveClientCertificates(clientCertificates, surroundings, reading)
  if (listen === undefined) return undefined
  const known = {
    ...(url === undefined ? {} : { url }),
    ...(workers === undefined ? {} : { workers }),
    ...(stale === undefined ? {} : { revocationsStaleAfterSeconds: stale }),
    ...resolveLimits(limits),
  }
  return { listen, realm, ...known, ...proofs, ...resolveTls(tls), ...certificates, ...endpoints }
}

/** A binding that the gateway cannot check would refuse everybody. */
export function checkBindings(
  services: ServiceDrafts | undefined,
  gateway: GatewayDraft | undefined,
  reading: Reading,
): void {
  for (const { value } of services?.values() ?? []) {
    const { bind, upstream, tokenFrom } = value
    if (bind === undefined) continue
    if (upstream !== undefined && gateway !== undefined && gateway.value.url === undefined) {
      mistake(
        reading,
        bind,
        'the gateway does not know by which URL it is called',
        'write `url: https://…` in gateway',
      )
    }
    if (
      bind.value === 'certificate' &&
      upstream !== undefined &&
      gateway?.value.clientCertificates === undefined
    ) {
      mistake(
        reading,
        bind,
        'the gateway asks nobody for a certificate',
        'add `clientCertificates` to gateway',
      )
    }
    if (bind.value === 'certificate' || tokenFrom === undefined) continue
    if (tokenFrom.some(({ kind }) => kind === 'bearer')) continue
    mistake(
      reading,
      bind,
      'a token that is bound to a DPoP key stands in Authorization',
      'add bearer to tokenFrom',
    )
  }
}
