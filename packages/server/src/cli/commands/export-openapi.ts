import type { Context } from '../context.ts'
import { exitCodes } from '../exit-codes.ts'
import { loadTrust } from '../find-trust.ts'

/** Prints the admin API's OpenAPI 3.1 document. */
export async function run(context: Context): Promise<number> {
  const { trust } = await loadTrust(context, 'none')
  const { openApi } = await import('../../admin/openapi.ts')
  const url = trust.issuer?.url ?? 'https://issuer.example'
  context.terminal.print(JSON.stringify(openApi(url), null, 2))
  return exitCodes.ok
}
