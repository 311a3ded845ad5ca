import { closeSync, fsyncSync, openSync, unlinkSync, writeSync } from 'node:fs'
import { Problem } from '@countersign/sdk/core'

/** A new file that only its owner can read, open before there is anything to write: what cannot be kept must not be made. */
export type PrivateFile = {
  /** Writes the text and is sure that it is on disk. */
  keep(text: string): void
  /** Takes the file away again, unless something was kept in it. */
  drop(): void
}

/**
 * @throws Problem `file-exists`, `folder-unwritable`
 * @example
 * const file = openPrivate('shop.secret')
 * try { file.keep(await mint()) } finally { file.drop() }
 */
export function openPrivate(path: string): PrivateFile {
  let file: number | undefined = create(path)
  const close = (): void => {
    if (file !== undefined) closeSync(file)
    file = undefined
  }
  return {
    keep(text) {
      writeSync(file!, text)
      fsyncSync(file!)
      close()
    },
    drop() {
      if (file === undefined) return
      close()
      unlinkSync(path)
    },
  }
}

function create(path: string): number {
  try {
    // `wx`: nothing that is there is replaced, and no link followed.
    return openSync(path, 'wx', 0o600)
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'EEXIST') {
      const next = 'name another file, or move it away'
      throw new Problem('file-exists', `${path} is there already`, { next, cause })
    }
    throw new Problem('folder-unwritable', `${path} cannot be written`, { next: 'name another place', cause })
  }
}
