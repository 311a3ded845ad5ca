import type { Server } from 'node:http'
import { createAdminApi } from '../admin/admin-api.ts'
import type { AdminApiOptions } from '../admin/admin-api.ts'
import type { observeAdmin } from '../admin/admin-metrics.ts'
import type { TlsSettings, Trust } from '../trust/trust.ts'
import { createIssuerListener } from './issuer-listener.ts'
import { drain } from './listen.ts'

/** The admin API on a server of its own: what clients of services can reach leads to nothing of it. */
export type AdminServer = {
  readonly server: Server
  replace(trust: Trust): void
  close(drainMs: number): Promise<void>
}

/**
 * @param observe called with each request before it is answered
 * @throws Problem `tls-files-unusable`, and those of the admin API
 */
export async function openAdminServer(
  { tls, ...options }: AdminApiOptions & { readonly tls?: TlsSettings | undefined },
  observe?: ReturnType<typeof observeAdmin>,
): Promise<AdminServer> {
  const api = await createAdminApi(options)
  const server = await createIssuerListener(
    { tls, where: 'issuer.admin.tls', log: options.log },
    (request, response) => {
      observe?.(request, response)
      api.listener(request, response)
    },
  ).catch((error: unknown) => {
    api.close()
    throw error
  })
  return {
    server,
    replace: api.replace,
    async close(drainMs) {
      api.close()
      await drain(server, drainMs)
    },
  }
}
