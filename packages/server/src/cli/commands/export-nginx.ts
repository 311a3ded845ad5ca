import { exportNginx } from '../../export/nginx.ts'
import type { Context } from '../context.ts'
import { exitCodes } from '../exit-codes.ts'
import { listenOption } from '../export-listen.ts'
import { loadTrust } from '../find-trust.ts'

/** Prints configuration for nginx, which asks the gateway about each request. JSON: `{ "nginx": "…" }`. */
export async function run(
  context: Context,
  { listen = '80', authz }: { listen?: string; authz?: string },
): Promise<number> {
  const { trust } = await loadTrust(context, 'none')
  const text = exportNginx(trust, listenOption(listen), authz)
  context.terminal.print(context.json ? JSON.stringify({ nginx: text }, null, 2) : text.trimEnd())
  return exitCodes.ok
}
