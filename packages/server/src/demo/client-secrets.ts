import { randomBytes } from 'node:crypto'
import { chmodSync, mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Problem, Secret } from '@countersign/sdk/core'

/** A fresh secret of 256 random bits, as text that needs no quoting in a shell, a header or a form. */
export function randomSecret(): Secret {
  return Secret.fromText(randomBytes(32).toString('base64url'))
}

/**
 * Writes one file per secret (`orders` → `orders.secret`) into `folder`, readable by this user alone, and tells how
 * to take them away again. So that no secret has to be printed: a command reads it from its file.
 *
 * @throws Problem `folder-unwritable` when the folder or a file in it cannot be made
 */
export function writeSecrets(folder: string, secrets: Readonly<Record<string, Secret>>): { remove(): void } {
  const written: string[] = []
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 })
    for (const [name, secret] of Object.entries(secrets)) {
      const path = secretPath(folder, name)
      // Written aside and renamed: what stands there already (a link, a file with a wider mode) is not written to.
      const aside = `${path}.${randomBytes(4).toString('hex')}`
      writeFileSync(aside, secret.reveal(), { mode: 0o600, flag: 'wx' })
      chmodSync(aside, 0o600)
      renameSync(aside, path)
      written.push(path)
    }
  } catch (cause) {
    const reason = (cause as NodeJS.ErrnoException).code ?? 'unknown reason'
    throw new Problem('folder-unwritable', `cannot write the clients' secrets to ${folder} (${reason})`, {
      cause,
      next: 'start the demo in a folder you may write to, or name one: COUNTERSIGN_DEMO_FOLDER=…',
    })
  }
  return {
    remove() {
      for (const path of written) rmSync(path, { force: true })
    },
  }
}

/** Where the secret of a client stands. */
export function secretPath(folder: string, name: string): string {
  return join(folder, `${name}.secret`)
}
