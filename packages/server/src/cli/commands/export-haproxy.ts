import { exportHaproxy } from '../../export/haproxy.ts'
import type { Context } from '../context.ts'
import { exitCodes } from '../exit-codes.ts'
import { listenOption } from '../export-listen.ts'
import { loadTrust } from '../find-trust.ts'

/**
 * Prints configuration of HAProxy, which asks the gateway about each request; with `--lua` the action it asks by. JSON has
 * both: `{ "haproxy": "…", "lua": "…" }`.
 */
export async function run(
  context: Context,
  { listen = '80', authz, lua = false }: { listen?: string; authz?: string; lua?: boolean },
): Promise<number> {
  const { trust } = await loadTrust(context, 'none')
  const place = /^[0-9]+$/.test(listen) ? `:${listen}` : listenOption(listen)
  const files = exportHaproxy(trust, { listen: place, authz })
  if (context.json) context.terminal.print(JSON.stringify({ haproxy: files.config, lua: files.lua }, null, 2))
  else context.terminal.print((lua ? files.lua : files.config).trimEnd())
  return exitCodes.ok
}
