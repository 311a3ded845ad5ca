import { Problem } from '@countersign/sdk/core'
import { createTokenSource } from '@countersign/sdk/client'
import { readCredential } from '../client-credential.ts'
import type { ClientCredential, CredentialOptions } from '../client-credential.ts'
import type { Context } from '../context.ts'
import { exitCodes } from '../exit-codes.ts'
import { findTrustFile, loadTrust } from '../find-trust.ts'
import { checkIssuerUrl } from '../issuer-choice.ts'

type Options = CredentialOptions & {
  readonly client: string
  readonly service?: string
  readonly scope?: readonly string[]
  readonly role?: readonly string[]
  readonly issuer?: string
  readonly dpop?: boolean
}

/**
 * Gets an access token as a client (RFC 6749 §4.4) and prints it, and nothing else, so that it can be used in `$(…)`.
 *
 * What the client shows comes from where the trust file says, or from `--secret-env`, `--secret-file`, `--key-file` or
 * `--assertion-file`; never from an argument, which everybody on the machine could read in the list of processes.
 *
 * With `--dpop` the token is bound to a key that ends with this command: to look at, not to call with.
 *
 * JSON, in the words of RFC 6749 §5.1: `{ "access_token", "token_type", "expires_in", "scope" }`.
 */
export async function run(context: Context, options: Options): Promise<number> {
  const { terminal, json } = context
  const { issuer, credential } = await chooseIssuer(context, options)
  const source = createTokenSource({
    issuer,
    clientId: options.client,
    ...credential,
    ...(options.dpop === true ? { dpop: true } : {}),
    ...(options.service === undefined ? {} : { audience: options.service }),
    ...(options.scope === undefined ? {} : { scopes: options.scope }),
    ...(options.role === undefined ? {} : { roles: options.role }),
  })
  const { secret: token, expiresAtMs, scopes } = await source.token()
  if (json) {
    const answer = {
      access_token: token.revealText(),
      token_type: options.dpop === true ? 'DPoP' : 'Bearer',
      expires_in: Math.round((expiresAtMs - Date.now()) / 1000),
      ...(scopes === undefined ? {} : { scope: scopes.join(' ') }),
    }
    terminal.print(JSON.stringify(answer, null, 2))
  } else {
    terminal.print(token.revealText())
  }
  return exitCodes.ok
}

async function chooseIssuer(
  context: Context,
  options: Options,
): Promise<{ issuer: string; credential: ClientCredential }> {
  const given = await readCredential(context, options)
  if (options.issuer !== undefined && given !== undefined)
    return { issuer: checkIssuerUrl(options.issuer), credential: given }
  if (options.issuer !== undefined && given === undefined && !hasTrustFile(context))
    throw noSecret(options.client)
  // With the secret at hand, the others in the file need not be.
  const { trust, file } = await loadTrust(context, given === undefined ? 'issuer' : 'none')
  const issuer = options.issuer === undefined ? trust.issuer?.url : checkIssuerUrl(options.issuer)
  if (issuer === undefined) {
    throw new Problem('usage', `${file.name} has no issuer section`, {
      next: 'name the issuer with --issuer',
    })
  }
  const client = trust.clients.get(options.client)
  const secret = client?.secrets.at(-1)
  const credential = given ?? (secret && { clientSecret: secret })
  if (credential !== undefined) return { issuer, credential }
  if (client !== undefined) throw noSecret(options.client)
  const { nearest } = await import('@countersign/sdk/core')
  const near = nearest(options.client, trust.clients.keys())
  throw new Problem('usage', `${file.name} has no client ${JSON.stringify(options.client)}`, {
    next:
      near === undefined
        ? `known: ${[...trust.clients.keys()].join(', ') || 'none'}`
        : `did you mean ${near}?`,
  })
}

function hasTrustFile(context: Context): boolean {
  try {
    findTrustFile(context)
    return true
  } catch {
    return false
  }
}

function noSecret(client: string): Problem {
  return new Problem('usage', `no secret for the client ${JSON.stringify(client)}`, {
    next: 'say --secret-env NAME, or --secret-file PATH (- is standard input)',
  })
}
