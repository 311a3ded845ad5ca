import { randomUUID } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { Problem } from '@countersign/sdk/core'
import { parse } from 'yaml'
import { openAdmin } from '../admin-access.ts'
import type { Context } from '../context.ts'
import { exitCodes } from '../exit-codes.ts'
import { openPrivate } from '../write-private.ts'

type Options = {
  readonly name?: string
  readonly service?: string
  readonly role?: readonly string[]
  readonly scope?: readonly string[]
  readonly settings?: string
  readonly secretFile?: string
}

/**
 * Makes a managed client. Its settings come from a file in the trust file's words, or are one service with roles and
 * scopes. The secret is shown this once, or written to a file.
 *
 * JSON: the client as the admin API has it, with `secret` unless that went to a file.
 */
export async function run(context: Context, options: Options): Promise<number> {
  const { terminal, json, cwd } = context
  const body = {
    ...(options.name === undefined ? {} : { name: options.name }),
    ...readSettings(options, cwd),
  }
  const admin = await openAdmin(context)
  const file = options.secretFile === undefined ? undefined : openPrivate(resolve(cwd, options.secretFile))
  let made: Record<string, unknown>
  try {
    made = (await admin.ask('POST', '/clients', { body, idempotencyKey: randomUUID() })).json
    const { secret } = made as { secret?: { secret: string } }
    if (secret !== undefined) file?.keep(`${secret.secret}\n`)
  } finally {
    file?.drop()
  }
  const { secret, ...client } = made as { id: string; secret?: { secret: string } }
  const shown = file === undefined ? secret : undefined
  if (json) {
    terminal.print(JSON.stringify(shown === undefined ? client : { ...client, secret: shown }, null, 2))
    return exitCodes.ok
  }
  terminal.print(client.id)
  if (shown !== undefined) {
    terminal.print(shown.secret)
    terminal.say('its id and its secret, which is shown this once')
  } else if (secret !== undefined) terminal.say(`its secret is in ${options.secretFile}`)
  return exitCodes.ok
}

function readSettings({ service, role, scope, settings }: Options, cwd: string): object {
  if (settings === undefined) {
    if (service !== undefined)
      return { may: { [service]: { ...named('roles', role), ...named('scopes', scope) } } }
    if (role === undefined && scope === undefined) return {}
    throw new Problem('usage', '--role and --scope are rights at a service', { next: 'say --service NAME' })
  }
  if (service !== undefined || role !== undefined || scope !== undefined) {
    throw new Problem('usage', '--settings says all of it', {
      next: 'leave --service, --role and --scope out',
    })
  }
  let read: unknown
  try {
    read = parse(readFileSync(resolve(cwd, settings), 'utf8'), { maxAliasCount: 0 })
  } catch (cause) {
    throw new Problem('usage', `--settings: ${settings} cannot be read as YAML`, {
      next: 'check the path',
      cause,
    })
  }
  if (typeof read === 'object' && read !== null && !Array.isArray(read)) return read
  throw new Problem('usage', `--settings: ${settings} holds no map`, {
    next: 'write what stands under clients.ID',
  })
}

function named(name: string, values: readonly string[] | undefined): object {
  return values === undefined ? {} : { [name]: values }
}
