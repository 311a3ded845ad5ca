import { logIn } from '../../demo/login.ts'
import { readDemoSettings } from '../../demo/settings.ts'
import { localUrl } from '../../demo/trust-text.ts'
import type { Context } from '../context.ts'
import { exitCodes } from '../exit-codes.ts'

export type DemoLoginFlags = { readonly providerPort?: string; readonly audience?: string }

/** `countersign demo login alice`: prints the person's access token and nothing else, for `$(…)`. */
export async function run(
  { terminal, env, cwd, json }: Context,
  { providerPort, audience }: DemoLoginFlags,
  user: string,
): Promise<number> {
  const { ports } = readDemoSettings({ flags: { provider: providerPort }, env, cwd })
  const issuer = localUrl(ports.provider)
  const accessToken = await logIn({ user, issuer, ...(audience === undefined ? {} : { audience }) })
  terminal.print(json ? JSON.stringify({ access_token: accessToken, token_type: 'Bearer' }) : accessToken)
  return exitCodes.ok
}
