import { exportIstio } from '../../export/istio.ts'
import type { Context } from '../context.ts'
import { exitCodes } from '../exit-codes.ts'
import { loadTrust } from '../find-trust.ts'

/** Prints resources of Istio, whose ingress gateway asks ours about each request. JSON: `{ "istio": "…" }`. */
export async function run(
  context: Context,
  { authz, gateway, host }: { authz?: string; gateway?: string; host?: string },
): Promise<number> {
  const { trust } = await loadTrust(context, 'none')
  const text = exportIstio(trust, { authz, gateway, host })
  context.terminal.print(context.json ? JSON.stringify({ istio: text }, null, 2) : text.trimEnd())
  return exitCodes.ok
}
