import { exportTraefik } from '../../export/traefik.ts'
import type { Context } from '../context.ts'
import { exitCodes } from '../exit-codes.ts'
import { loadTrust } from '../find-trust.ts'

/** Prints dynamic configuration of Traefik, which asks the gateway about each request. JSON: `{ "traefik": "…" }`. */
export async function run(
  context: Context,
  { entryPoint = 'web', authz }: { entryPoint?: string; authz?: string },
): Promise<number> {
  const { trust } = await loadTrust(context, 'none')
  const text = exportTraefik(trust, { entryPoint, authz })
  context.terminal.print(context.json ? JSON.stringify({ traefik: text }, null, 2) : text.trimEnd())
  return exitCodes.ok
}
