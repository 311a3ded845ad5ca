import { createServer } from '../net/node-http.ts'
import type { Server } from 'node:http'
import { createAdminApi } from '../admin/admin-api.ts'
import type { AdminApiOptions } from '../admin/admin-api.ts'
import type { observeAdmin } from '../admin/admin-metrics.ts'
import { issuerServerOptions, protectServer } from '../issuer/http/server-options.ts'
import type { Trust } from '../trust/trust.ts'
import { drain } from './listen.ts'

/** The admin API on a server of its own: what clients of services can reach leads to nothing of it. */
export type AdminServer = {
  readonly server: Server
  replace(trust: Trust): void
  close(drainMs: number): Promise<void>
}

/** @param observe called with each request before it is answered */
export async function openAdminServer(
  options: AdminApiOptions,
  observe?: ReturnType<typeof observeAdmin>,
): Promise<AdminServer> {
  const api = await createAdminApi(options)
  const server = createServer(issuerServerOptions, (request, response) => {
    observe?.(request, response)
    api.listener(request, response)
  })
  protectServer(server)
  return {
    server,
    replace: api.replace,
    async close(drainMs) {
      api.close()
      await drain(server, drainMs)
    },
  }
}
