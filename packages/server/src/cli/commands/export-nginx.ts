import { Problem } from '@countersign/sdk/core'
import { exportNginx } from '../../export/nginx.ts'
import type { Context } from '../context.ts'
import { exitCodes } from '../exit-codes.ts'
import { loadTrust } from '../find-trust.ts'

/** Prints configuration for nginx, which asks the gateway about each request. JSON: `{ "nginx": "…" }`. */
export async function run(context: Context, { listen = '80' }: { listen?: string }): Promise<number> {
  if (!/^[A-Za-z0-9.:[\]]+$/.test(listen)) {
    throw new Problem('usage', 'expected a port, or an address and a port, behind --listen')
  }
  const { trust } = await loadTrust(context, 'none')
  const text = exportNginx(trust, listen)
  context.terminal.print(context.json ? JSON.stringify({ nginx: text }, null, 2) : text.trimEnd())
  return exitCodes.ok
}
