/** Test support: a folder with a trust file, its issuer and admin API running, and admin credentials in the folder. */
import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startServers } from '../../packages/server/src/serve/start.ts'
import { readTrust } from '../../packages/server/src/trust/read.ts'
import { freePort } from './issuer.ts'
import { countersign, playSession } from './session.ts'
import type { CommandResult } from './session.ts'

export type AdminSession = {
  readonly folder: string
  readonly url: string
  /** Runs a command line and gives what it printed; it must have worked. */
  run(...args: string[]): Promise<string>
  try(...args: string[]): Promise<CommandResult>
  /** Plays a golden file of packages/server/src/cli/golden. */
  play(name: string, names?: readonly (readonly [string, string])[]): Promise<void>
  close(): Promise<void>
}

export async function openAdminSession({ bootstrapped = true } = {}): Promise<AdminSession> {
  const folder = mkdtempSync(join(tmpdir(), 'countersign-admin-cli-'))
  const [port, adminPort] = [await freePort(), await freePort()]
  const url = `http://localhost:${port}`
  const text = `issuer: { url: '${url}', listen: 127.0.0.1:${port}, store: 'memory:', admin: { listen: 127.0.0.1:${adminPort} } }
services:
  billing:
    audience: https://billing.acme.example
    roles: [reader, admin]
    routes: { GET /invoices: { roles: reader } }
`
  writeFileSync(join(folder, 'countersign.yaml'), text)
  const reading = readTrust(text, { file: join(folder, 'countersign.yaml'), env: {}, readFile: () => '' })
  const trust = reading.kind === 'trust' ? reading.trust : assert.fail(JSON.stringify(reading.mistakes))
  const servers = await startServers({ trust, drainMs: 200 })
  const tryIt = (...args: string[]): Promise<CommandResult> => countersign(args, { cwd: folder })
  const run = async (...args: string[]): Promise<string> => {
    const { stdout, stderr, code } = await tryIt(...args)
    assert.equal(code, 0, `countersign ${args.join(' ')}: ${stderr}`)
    return stdout.trimEnd()
  }
  if (bootstrapped) await run('bootstrap')
  const admin = bootstrapped ? clientOf(folder) : 'nobody'
  return {
    folder,
    url,
    run,
    try: tryIt,
    play: (name, names = []) =>
      playSession(join(import.meta.dirname, '../../packages/server/src/cli/golden', name), {
        cwd: folder,
        names: [
          ...names,
          [admin, 'ADMIN'],
          [folder, 'FOLDER'],
          [url, 'ISSUER'],
          [`http://127.0.0.1:${adminPort}`, 'ADMIN-API'],
        ],
        hide: [
          // Ids of tokens are base64url of the same length: some look like an id of a client, and so do parts of a KID.
          [/"tokenId": ?"[\w-]{22}"/g, '"tokenId": "…"'],
          [/(?<![\w-])c[A-Za-z0-9]{21}(?![\w-])/g, 'ID'],
          [/\b[A-Za-z0-9]{44}\b/g, 'SECRET'],
          [/\b[0-9]+:[A-Za-z0-9_-]{43}/g, 'HEAD'],
          [/[A-Za-z0-9_-]{43}/g, 'KID'],
          [/[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]+Z/g, 'TIME'],
          [/"id": ?"[A-Za-z0-9]{8}"/g, '"id": "…"'],
          [/"secrets":\["[A-Za-z0-9]{8}"\]/g, '"secrets":["…"]'],
        ],
      }),
    async close() {
      await servers.close()
      rmSync(folder, { recursive: true })
    },
  }
}

function clientOf(folder: string): string {
  const kept = readFileSync(join(folder, 'countersign-admin.json'), 'utf8')
  return (JSON.parse(kept) as { client_id: string }).client_id
}
