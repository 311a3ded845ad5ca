import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import type { AuthzProxy } from '../../packages/server/src/trust/trust.ts'
import { openStand } from './stand.ts'
import type { Stand, StandOptions } from './stand.ts'

/** A gateway with a decision endpoint for one kind of proxy, both on loopback ports. */
export async function openAuthzStand(
  proxy: AuthzProxy,
  { peers = [], ...options }: StandOptions & { readonly peers?: readonly string[] } = {},
): Promise<AuthzStand> {
  const listen = { host: '127.0.0.1', port: 0 }
  const stand = await openStand('http://127.0.0.1:1', {
    ...options,
    authz: [{ proxy, listen, peers }],
  })
  const { server } = stand.gateway.authz[0]!
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return { ...stand, authzPort: (server.address() as AddressInfo).port }
}

export type AuthzStand = Stand & {
  /** Where the decision endpoint listens. */
  readonly authzPort: number
}
