import { trustedProxies } from './operations-section.ts'
import { mistake } from './reading.ts'
import type { Reading } from './reading.ts'
import { listenAddress } from './scalars.ts'
import { fields, located, optional, required } from './shape.ts'
import type { Shape } from './shape.ts'
import type { AuthzProxy, AuthzSettings, ListenAddress } from './trust.ts'

/**
 * The `gateway.authz` section: decisions for other proxies. Each kind of proxy has an address of its own, because what a
 * proxy says about a request is believed, and a request must not be able to choose in whose words it is read.
 */
export const authzSection = fields({
  nginx: optional(endpoint(), 'For auth_request of nginx.'),
  traefik: optional(endpoint(), 'For ForwardAuth of Traefik.'),
  caddy: optional(endpoint(), 'For forward_auth of Caddy.'),
  envoy: optional(endpoint(), 'For ext_authz of Envoy over HTTP, with the path prefix /authz.'),
  envoyGrpc: optional(endpoint(), 'For ext_authz of Envoy over gRPC.'),
  haproxy: optional(endpoint(), 'For the Lua action that `countersign export haproxy` writes.'),
} satisfies Record<AuthzProxy, unknown>)

export type AuthzDraft = typeof authzSection extends Shape<infer T> ? T : never

/** @param listen where the gateway itself listens: who can reach it must not reach a decision endpoint by it */
export function resolveAuthz(
  draft: AuthzDraft,
  listen: ListenAddress | undefined,
  reading: Reading,
): readonly AuthzSettings[] {
  const settings: AuthzSettings[] = []
  const taken = listen === undefined ? [] : [listen]
  for (const [proxy, one] of Object.entries(draft) as [AuthzProxy, AuthzDraft[AuthzProxy]][]) {
    const address = one?.value.listen
    if (one === undefined || address === undefined) continue
    const { host, port } = address.value
    if (port !== 0 && taken.some((other) => other.port === port && other.host === host)) {
      mistake(reading, address, 'something else of the gateway listens there', 'choose another port')
    }
    taken.push(address.value)
    if (one.value.peers === undefined && !loopback.includes(host)) {
      mistake(
        reading,
        address,
        'whoever reaches this address is believed about requests',
        'name the proxies in peers, or listen on 127.0.0.1',
      )
    }
    settings.push({ proxy, listen: address.value, peers: one.value.peers ?? [] })
  }
  return settings
}

function endpoint() {
  return located(
    fields({
      listen: required(located(listenAddress()), 'Where it listens for this proxy alone, host:port.'),
      peers: optional(
        trustedProxies(),
        'Addresses or networks the proxy asks from; needed unless it listens on loopback.',
      ),
    }),
  )
}

const loopback = ['127.0.0.1', '::1', 'localhost']
