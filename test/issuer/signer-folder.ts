/** Test support: a folder with keys for `signer-program.ts`, and the command that runs it. */
import { generateKeyPairSync } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

export type SignerFolder = {
  readonly path: string
  readonly command: readonly string[]
  addKey(name: string): void
  /** What the program does wrong from now on; `ok`: nothing. */
  turn(
    mode:
      | 'ok'
      | 'die'
      | 'hang'
      | 'garbage'
      | 'other-id'
      | 'other-key'
      | 'der'
      | 'short'
      | 'error'
      | 'odd-first'
      | 'odd-only',
  ): void
  remove(): void
}

export function signerFolder(...keys: readonly string[]): SignerFolder {
  const path = mkdtempSync(join(tmpdir(), 'countersign-signer-'))
  const folder: SignerFolder = {
    path,
    command: [process.execPath, program, path],
    addKey(name) {
      const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
      writeFileSync(join(path, `${name}.pem`), privateKey.export({ type: 'pkcs8', format: 'pem' }), {
        mode: 0o600,
      })
    },
    turn: (mode) => writeFileSync(join(path, 'mode'), mode),
    remove: () => rmSync(path, { recursive: true, force: true }),
  }
  for (const key of keys) folder.addKey(key)
  folder.turn('ok')
  return folder
}

const program = fileURLToPath(new URL('signer-program.ts', import.meta.url))
