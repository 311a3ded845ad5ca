import { randomBytes } from 'node:crypto'
import { existsSync, writeFileSync } from 'node:fs'
import { basename, dirname, relative, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Problem } from '@countersign/sdk/core'
import type { Context } from '../context.ts'
import { exitCodes } from '../exit-codes.ts'

/**
 * Writes a trust file that works, and beside it a file with fresh secrets that only this user can read. Never replaces
 * anything unless told to.
 *
 * JSON: `{ "trustFile", "secretsFile" }`.
 */
export function run(
  { terminal, cwd, json }: Context,
  { force = false }: { force?: boolean },
  file = 'countersign.yaml',
): number {
  const trustPath = resolve(cwd, file)
  const secretsPath = trustPath.replace(/\.ya?ml$/, '') + '.env'
  for (const path of force ? [] : [trustPath, secretsPath]) {
    if (!existsSync(path)) continue
    throw new Problem('file-exists', `${shown(path, cwd)} is there already`, {
      next: 'say --force to replace it, or name another file: `countersign init other.yaml`',
    })
  }
  write(secretsPath, secretsText(), cwd, force, 0o600)
  write(trustPath, trustText(schemaPath(dirname(trustPath)), basename(secretsPath)), cwd, force, 0o644)
  const [trustName, secretsName] = [shown(trustPath, cwd), shown(secretsPath, cwd)]
  if (json) {
    terminal.print(JSON.stringify({ trustFile: trustName, secretsFile: secretsName }, null, 2))
    return exitCodes.ok
  }
  terminal.print(`wrote ${trustName}`)
  terminal.print(`wrote ${secretsName} (fresh secrets; keep it out of version control)`)
  const flags = `--env ${secretsName}${file === 'countersign.yaml' ? '' : ` --config ${trustName}`}`
  terminal.say(`  next: countersign check ${flags}`)
  terminal.say(`        countersign serve ${flags}`)
  return exitCodes.ok
}

function write(path: string, text: string, cwd: string, force: boolean, mode: number): void {
  try {
    // `wx` fails when somebody made the file since we looked.
    writeFileSync(path, text, { flag: force ? 'w' : 'wx', mode })
  } catch (cause) {
    const code = cause instanceof Error && 'code' in cause ? String(cause.code) : 'unknown reason'
    throw new Problem('folder-unwritable', `cannot write ${shown(path, cwd)} (${code})`, {
      next: 'check that the folder is there and that this user may write in it',
      cause,
    })
  }
}

function shown(path: string, cwd: string): string {
  const near = relative(cwd, path)
  return near.startsWith('..') ? path : near
}

/** Where an editor finds the schema: in this package, relative where that is likely to hold for everybody. */
function schemaPath(folder: string): string {
  const path = fileURLToPath(import.meta.resolve('#schema'))
  const near = relative(folder, path)
  return near.startsWith('..') ? './node_modules/countersign/schema/trust-file.schema.json' : `./${near}`
}

function secretsText(): string {
  const line = (name: string): string => `${name}=${randomBytes(32).toString('base64url')}\n`
  return `# Secrets for countersign.yaml. Not for version control.\n${line('COUNTERSIGN_SEAL_KEY')}${line('ORDERS_SECRET')}`
}

function trustText(schema: string, secretsName: string): string {
  return `# yaml-language-server: $schema=${schema}
# Who may call what. \`countersign check\` reads it, \`countersign serve\` runs it.
# Secrets are never in here: they come from the environment (${secretsName}).

issuer:
  url: http://localhost:8080 # the iss claim of its tokens, exactly
  listen: 127.0.0.1:8080
  store: sqlite:countersign.db
  keys: { seal: { env: COUNTERSIGN_SEAL_KEY } }

gateway:
  listen: 127.0.0.1:9001

services:
  billing:
    audience: https://billing.acme.example
    roles: [reader, admin]
    upstream: http://127.0.0.1:9101
    at: /billing
    routes:
      GET /health: open
      GET /invoices: { roles: reader }
      GET /invoices/{id}: { roles: reader }
      POST /invoices: { roles: admin }

clients:
  orders:
    authenticate: { secret: { env: ORDERS_SECRET } }
    may: { billing: { roles: [reader] } }
`
}
