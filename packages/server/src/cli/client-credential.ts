import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { isProblem, parseStrictJson, Problem, Secret } from '@countersign/sdk/core'
import { readPrivateJwk } from '@countersign/sdk/jwt'
import type { SigningKey } from '@countersign/sdk/jwt'
import type { Context } from './context.ts'

/** What a client shows, as the options of a command name it; one of them, or none. */
export type CredentialOptions = {
  readonly secretEnv?: string
  readonly secretFile?: string
  readonly keyFile?: string
  readonly assertionFile?: string
}

/** The same, as `createTokenSource` takes it. */
export type ClientCredential =
  { readonly clientSecret: Secret } | { readonly privateKey: SigningKey } | { readonly assertionFile: string }

/**
 * Reads what a client shows; never from an argument, which everybody on the machine could read in the list of processes.
 *
 * @returns undefined when no option names anything
 * @throws Problem `usage`, which repeats nothing of what was read
 */
export async function readCredential(
  context: Context,
  options: CredentialOptions,
): Promise<ClientCredential | undefined> {
  const given = (Object.keys(optionNames) as (keyof CredentialOptions)[]).filter(
    (name) => options[name] !== undefined,
  )
  if (given.length > 1) {
    const names = given.map((name) => optionNames[name])
    throw new Problem('usage', `${names.join(' and ')} exclude each other`, { next: 'say one of them' })
  }
  const { secretEnv, secretFile, keyFile, assertionFile } = options
  if (secretEnv !== undefined) return { clientSecret: fromVariable(context, secretEnv) }
  if (secretFile !== undefined) return { clientSecret: await fromFile(context, secretFile) }
  if (keyFile !== undefined) return { privateKey: readKey(context, keyFile) }
  return assertionFile === undefined ? undefined : { assertionFile: resolve(context.cwd, assertionFile) }
}

function fromVariable({ env }: Context, name: string): Secret {
  const value = env[name]
  if (value !== undefined && value !== '') return Secret.fromText(value)
  throw new Problem('usage', `--secret-env: the environment variable ${variable(name)} is not set`, {
    next: 'give its name, not the secret itself',
  })
}

/** Who types the secret in the place of its name must not see it in a log. */
function variable(name: string): string {
  return /^[A-Z][A-Z0-9_]{0,60}$/.test(name) ? name : 'of that name'
}

async function fromFile(context: Context, file: string): Promise<Secret> {
  const text =
    file === '-'
      ? await context.terminal.readInput()
      : readText(resolve(context.cwd, file), '--secret-file', file)
  const value = text.replace(/\r?\n$/, '')
  if (value !== '') return Secret.fromText(value)
  throw new Problem('usage', `--secret-file: ${file === '-' ? 'standard input' : file} is empty`)
}

function readKey(context: Context, file: string): SigningKey {
  const jwk = parseStrictJson(readText(resolve(context.cwd, file), '--key-file', file))
  const next = 'write the private key as a JWK with kty, alg and kid'
  if (typeof jwk === 'string') throw new Problem('usage', `--key-file: ${file} is no JWK: ${jwk}`, { next })
  try {
    return readPrivateJwk(jwk)
  } catch (cause) {
    if (!isProblem(cause)) throw cause
    throw new Problem('usage', `--key-file: ${file}: ${cause.message}`, { next, cause })
  }
}

function readText(path: string, option: string, name: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (cause) {
    throw new Problem('usage', `${option}: cannot read ${name}`, { next: 'check the path', cause })
  }
}

const optionNames: Readonly<Record<keyof CredentialOptions, string>> = {
  secretEnv: '--secret-env',
  secretFile: '--secret-file',
  keyFile: '--key-file',
  assertionFile: '--assertion-file',
}
