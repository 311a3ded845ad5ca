import { exportEnvoy } from '../../export/envoy.ts'
import type { Context } from '../context.ts'
import { exitCodes } from '../exit-codes.ts'
import { listenOption } from '../export-listen.ts'
import { loadTrust } from '../find-trust.ts'

/** Prints a bootstrap of Envoy, which asks the gateway about each request. JSON: `{ "envoy": "…" }`. */
export async function run(
  context: Context,
  { listen = '80', authz }: { listen?: string; authz?: string },
): Promise<number> {
  const { trust } = await loadTrust(context, 'none')
  const text = exportEnvoy(trust, { listen: listenOption(listen), authz })
  context.terminal.print(context.json ? JSON.stringify({ envoy: text }, null, 2) : text.trimEnd())
  return exitCodes.ok
}
