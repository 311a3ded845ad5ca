import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { Problem, Secret } from '@countersign/sdk/core'
import { createTokenSource } from '@countersign/sdk/client'
import type { Context } from '../context.ts'
import { exitCodes } from '../exit-codes.ts'
import { findTrustFile, loadTrust } from '../find-trust.ts'
import { checkIssuerUrl } from '../issuer-choice.ts'

type Options = {
  readonly client: string
  readonly service?: string
  readonly scope?: readonly string[]
  readonly role?: readonly string[]
  readonly issuer?: string
  readonly secretEnv?: string
  readonly secretFile?: string
}

/**
 * Gets an access token as a client (RFC 6749 §4.4) and prints it, and nothing else, so that it can be used in `$(…)`.
 *
 * The client's secret comes from where the trust file says, or from `--secret-env` or `--secret-file`; never from an
 * argument, which everybody on the machine could read in the list of processes.
 *
 * JSON, in the words of RFC 6749 §5.1: `{ "access_token", "token_type", "expires_in", "scope" }`.
 */
export async function run(context: Context, options: Options): Promise<number> {
  const { terminal, json } = context
  const { issuer, secret } = await chooseIssuerAndSecret(context, options)
  const source = createTokenSource({
    issuer,
    clientId: options.client,
    clientSecret: secret,
    ...(options.service === undefined ? {} : { audience: options.service }),
    ...(options.scope === undefined ? {} : { scopes: options.scope }),
    ...(options.role === undefined ? {} : { roles: options.role }),
  })
  const { secret: token, expiresAtMs, scopes } = await source.token()
  if (json) {
    const answer = {
      access_token: token.revealText(),
      token_type: 'Bearer',
      expires_in: Math.round((expiresAtMs - Date.now()) / 1000),
      ...(scopes === undefined ? {} : { scope: scopes.join(' ') }),
    }
    terminal.print(JSON.stringify(answer, null, 2))
  } else {
    terminal.print(token.revealText())
  }
  return exitCodes.ok
}

async function chooseIssuerAndSecret(
  context: Context,
  options: Options,
): Promise<{ issuer: string; secret: Secret }> {
  const given = await readSecret(context, options)
  if (options.issuer !== undefined && given !== undefined)
    return { issuer: checkIssuerUrl(options.issuer), secret: given }
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
  const secret = given ?? client?.secrets.at(-1)
  if (secret !== undefined) return { issuer, secret }
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

async function readSecret(context: Context, { secretEnv, secretFile }: Options): Promise<Secret | undefined> {
  if (secretEnv !== undefined && secretFile !== undefined) {
    throw new Problem('usage', '--secret-env and --secret-file exclude each other', {
      next: 'say one of them',
    })
  }
  if (secretEnv !== undefined) {
    const value = context.env[secretEnv]
    if (value !== undefined && value !== '') return Secret.fromText(value)
    throw new Problem('usage', `--secret-env: the environment variable is not set`, {
      next: 'check its name',
    })
  }
  if (secretFile === undefined) return undefined
  const text =
    secretFile === '-'
      ? await context.terminal.readInput()
      : readText(resolve(context.cwd, secretFile), secretFile)
  const value = text.replace(/\r?\n$/, '')
  if (value !== '') return Secret.fromText(value)
  throw new Problem('usage', `--secret-file: ${secretFile === '-' ? 'standard input' : secretFile} is empty`)
}

function readText(path: string, name: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (cause) {
    throw new Problem('usage', `--secret-file: cannot read ${name}`, { next: 'check the path', cause })
  }
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
