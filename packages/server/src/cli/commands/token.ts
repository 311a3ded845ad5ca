import { nearest, Problem } from '@countersign/sdk/core'
import { createTokenSource } from '@countersign/sdk/client'
import type { Client, Trust } from '../../trust/trust.ts'
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
    throw nothingToShow({ id: options.client })
  // The secrets of others need not be at hand.
  const { trust, file } = await loadTrust(context, given === undefined ? { client: options.client } : 'none')
  const issuer = options.issuer === undefined ? trust.issuer?.url : checkIssuerUrl(options.issuer)
  if (issuer === undefined) {
    throw new Problem('usage', `${file.name} has no issuer section`, {
      next: 'name the issuer with --issuer',
    })
  }
  const client = trust.clients.get(options.client)
  if (client !== undefined && options.issuer === undefined) checkService(trust, client, options, file.name)
  const secret = client?.secrets.at(-1)
  const credential = given ?? (secret && { clientSecret: secret })
  if (credential !== undefined) return { issuer, credential }
  if (client !== undefined) throw nothingToShow(client)
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

/** What the issuer would refuse in words of its own is said here in the command's. */
function checkService(trust: Trust, { id, may }: Client, { service }: Options, file: string): void {
  const names = may.map((grant) => grant.service)
  if (service === undefined) {
    if (names.length < 2) return
    throw new Problem('usage', `the client "${id}" may call several services`, {
      next: `say --service ${names.join(' | ')}`,
    })
  }
  const known = [...trust.services.values()].some(({ name, audience }) => [name, audience].includes(service))
  if (known || names.includes(service)) return
  const near = nearest(service, names)
  throw new Problem('usage', `${file} has no service ${JSON.stringify(service)}`, {
    next: near === undefined ? `this client may call ${names.join(', ') || 'none'}` : `did you mean ${near}?`,
  })
}

function nothingToShow({
  id,
  assertion,
  certificate,
}: Pick<Client, 'id' | 'assertion' | 'certificate'>): Problem {
  const about = `the client ${JSON.stringify(id)}`
  if (assertion?.kind === 'own') {
    return new Problem('usage', `no private key for ${about}`, {
      next: 'say --key-file PATH, a JWK with kty, alg and kid',
    })
  }
  if (assertion?.kind === 'federated') {
    return new Problem('usage', `nothing for ${about} to show`, {
      next: 'say --assertion-file PATH, a token that its platform has signed',
    })
  }
  if (certificate !== undefined) {
    return new Problem('usage', `${about} shows a TLS certificate, which this command has not`, {
      next: 'ask with `curl --cert client.pem --key client-key.pem -d grant_type=client_credentials -d client_id=…`',
    })
  }
  return new Problem('usage', `no secret for ${about}`, {
    next: 'say --secret-env NAME, or --secret-file PATH (- is standard input)',
  })
}
