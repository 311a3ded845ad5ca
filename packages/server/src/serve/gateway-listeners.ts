import type { Gateway } from '../gateway/gateway.ts'
import type { Log } from '../log.ts'
import type { Tracing } from '../tracing/tracing.ts'
import type { AuthzProxy, ListenAddress, Trust } from '../trust/trust.ts'
import { addressText, listen } from './listen.ts'

/**
 * The gateway listens, and each kind of proxy asks at an address of its own.
 *
 * @returns where, with the real ports
 * @throws Problem `port-taken`, `address-unusable`
 */
export async function listenGateway(
  gateway: Gateway,
  trust: Trust,
  log: Log,
  sharing: 'alone' | 'shared' = 'alone',
): Promise<GatewayAddresses> {
  const address = await listen(gateway.server, trust.gateway!.listen, 'gateway.listen', sharing)
  if (gateway.authz.length === 0) return { gateway: address }
  const authz: Partial<Record<AuthzProxy, ListenAddress>> = {}
  for (const { settings, server } of gateway.authz) {
    const { proxy } = settings
    const asked = await listen(server, settings.listen, `gateway.authz.${proxy}.listen`, sharing)
    authz[proxy] = asked
    log.info('serve.listening', { part: `authz ${proxy}`, address: addressText(asked) })
  }
  return { gateway: address, authz }
}

export type GatewayAddresses = {
  readonly gateway: ListenAddress
  readonly authz?: Readonly<Partial<Record<AuthzProxy, ListenAddress>>>
}

/** An SDK that was loaded before us leaves its mark there; without one, the API for spans is not even loaded. */
export async function tracingIfAny(): Promise<Tracing | undefined> {
  if (!(Symbol.for('opentelemetry.js.api.1') in globalThis)) return undefined
  return (await import('../tracing/tracing.ts')).openTracing()
}
