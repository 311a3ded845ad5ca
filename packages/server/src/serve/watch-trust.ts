import { createHash } from 'node:crypto'
import { readFileSync, watch } from 'node:fs'
import type { FSWatcher } from 'node:fs'
import { dirname } from 'node:path'
import { isProblem } from '@countersign/sdk/core'
import type { Log } from '../log.ts'
import type { TrustReading } from '../trust/read.ts'
import type { Trust } from '../trust/trust.ts'

export type WatchOptions = {
  /** Absolute path of the trust file. */
  readonly file: string
  /** Looks at the file on SIGHUP only. */
  readonly onlyOnSignal?: boolean
  readonly log: Log
  readonly read: () => Promise<TrustReading>
  /**
   * Puts a good trust file to work.
   *
   * @param asked by SIGHUP
   * @returns settings that count only after a restart
   * @throws Problem, and changes nothing
   */
  readonly take: (trust: Trust, asked: boolean) => readonly string[]
  /** How often to look when nobody tells of changes, milliseconds; 30,000 unless given. */
  readonly pollMs?: number
}

/**
 * Follows the trust file while the servers run: a good one is put to work, a mistaken one is reported and nothing changes.
 *
 * The folder is watched, not the file: editors and Kubernetes replace the file (a ConfigMap by a link named `..data`), and
 * a watch on the old one would never fire. Its content decides, so that touching it changes nothing; a slow poll is for
 * file systems that tell nothing. SIGHUP reads the file anew in any case, also for changed secrets.
 */
export function watchTrust({ file, onlyOnSignal = false, log, read, take, pollMs = 30_000 }: WatchOptions): {
  close(): void
} {
  let known = contentHash(file)
  let busy: Promise<void> | undefined
  let again = false
  let closed = false
  let asked = false

  const reload = async (): Promise<void> => {
    const isAsked = asked
    asked = false
    try {
      const reading = await read()
      if (closed) return
      if (reading.kind === 'mistakes') {
        const [first] = reading.mistakes
        log.error('trust.mistaken', {
          file,
          mistakes: reading.mistakes.length,
          path: first?.path,
          line: first?.line,
          message: first?.message,
          next: 'the file before goes on; `countersign check` lists every mistake',
        })
        return
      }
      const changed = take(reading.trust, isAsked)
      log.info('trust.replaced', { file })
      if (changed.length > 0) log.warn('trust.restart-needed', { changed })
    } catch (error) {
      const said = isProblem(error)
        ? { code: error.code, message: error.message }
        : { message: 'it could not be read' }
      log.error('trust.refused', { file, ...said, next: 'the file before goes on' })
    }
  }
  const start = (): void => {
    if (busy !== undefined) {
      again = true
      return
    }
    busy = reload().finally(() => {
      busy = undefined
      if (again && !closed) {
        again = false
        start()
      }
    })
  }
  const look = (): void => {
    const now = contentHash(file)
    // Half written or being replaced: another change tells when it is done.
    if (now === undefined || now === known) return
    known = now
    start()
  }

  let timer: NodeJS.Timeout | undefined
  const soon = (): void => {
    clearTimeout(timer)
    timer = setTimeout(look, settleMs)
  }
  const onSignal = (): void => {
    known = contentHash(file) ?? known
    asked = true
    start()
  }
  process.on('SIGHUP', onSignal)
  const watcher = onlyOnSignal ? undefined : watchFolder(dirname(file), soon)
  const poll = onlyOnSignal ? undefined : setInterval(look, pollMs).unref()
  return {
    close() {
      closed = true
      process.off('SIGHUP', onSignal)
      clearTimeout(timer)
      clearInterval(poll)
      watcher?.close()
    },
  }
}

/** Some file systems cannot be watched; the poll is there for them. */
function watchFolder(folder: string, changed: () => void): FSWatcher | undefined {
  try {
    const watcher = watch(folder, { persistent: false }, changed)
    watcher.on('error', () => watcher.close())
    return watcher
  } catch {
    return undefined
  }
}

function contentHash(file: string): string | undefined {
  try {
    return createHash('sha256').update(readFileSync(file)).digest('hex')
  } catch {
    return undefined
  }
}

/** Editors write in several steps; one look after the last of them is enough. */
const settleMs = 50
