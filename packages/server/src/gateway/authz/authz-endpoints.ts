import type { Server } from 'node:net'
import { createAuthz } from './authz.ts'
import { createGrpcAuthz } from './authz-grpc.ts'
import { createFrontServer } from '../front/listen.ts'
import type { Front } from '../front/listen.ts'
import type { GatewayState } from '../gateway-state.ts'
import type { AuthzSettings } from '../../trust/trust.ts'

/** A place where another proxy asks what we would decide. */
export type AuthzEndpoint = {
  readonly settings: AuthzSettings
  /** Not listening yet. */
  readonly server: Server
  /** As that of the gateway itself. */
  readonly close: Front['close']
}

/** The decision endpoints of `gateway.authz`. */
export function createAuthzEndpoints(
  gateway: GatewayState,
  settings: readonly AuthzSettings[] = [],
): readonly AuthzEndpoint[] {
  return settings.map((one) => {
    if (one.proxy === 'envoyGrpc') {
      const { server, close } = createGrpcAuthz(gateway, one)
      return { settings: one, server, close: () => close(gateway.limits.drainMs) }
    }
    const { server, close } = createFrontServer(gateway.limits, createAuthz(gateway, one))
    return { settings: one, server, close }
  })
}
