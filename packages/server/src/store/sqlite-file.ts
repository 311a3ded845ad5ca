import { closeSync, openSync } from 'node:fs'
import * as sqlite from 'node:sqlite'
import { setTimeout as sleep } from 'node:timers/promises'
import { isProblem, Problem } from '@countersign/sdk/core'

/**
 * Opens a SQLite file, which is made when it is not there: readable by its owner only.
 *
 * @param path `:memory:` gives a database of its own.
 * @param options.busyTimeoutMs how long a write waits for another process's write, and the whole process with it.
 * @param options.readOnly the file must be there, and nothing is written to it.
 */
export function openSqliteFile(
  path: string,
  { busyTimeoutMs, readOnly = false }: { readonly busyTimeoutMs: number; readonly readOnly?: boolean },
): sqlite.DatabaseSync {
  if (path !== ':memory:' && !readOnly) createPrivately(path)
  return new Database(path, { timeout: busyTimeoutMs, readOnly })
}

/** What SQLite throws, as the Problem that the store's users know. */
export function sqliteUnavailable(path: string, error: unknown): Problem {
  if (isProblem(error)) return error
  const reason = error instanceof Error ? error.message : 'unknown failure'
  return new Problem('store-unavailable', `${path}: ${reason}`, {
    next: 'check that the file and its directory are writable, that the disk is not full, and that no other program holds a lock on it',
    cause: error,
    retryAfterSeconds: 5,
  })
}

/**
 * Does the work at once, or again a little later for as long as another process holds the lock. In between the event loop
 * is free, so that only those wait who have something to write.
 *
 * @param patienceMs how long it may take.
 * @param work does all of it or nothing.
 * @throws Problem `store-unavailable`
 */
export async function whileBusy<T>(path: string, patienceMs: number, work: () => T): Promise<T> {
  const untilMs = performance.now() + patienceMs
  for (let pauseMs = 1; ; pauseMs = Math.min(2 * pauseMs, longestPauseMs)) {
    try {
      return work()
    } catch (error) {
      if (!isBusy(error) || performance.now() + pauseMs > untilMs) throw sqliteUnavailable(path, error)
    }
    await sleep(pauseMs)
  }
}

/** SQLITE_BUSY, whatever the reason in its upper bytes. */
function isBusy(error: unknown): boolean {
  const { errcode } = (error ?? {}) as { readonly errcode?: unknown }
  return typeof errcode === 'number' && (errcode & 0xff) === 5
}

const longestPauseMs = 25

/**
 * SQLite gives its side files the mode of the file itself, so creating that one privately is enough. A file that is
 * there is not even opened: closing it would drop the locks of every other connection in this process.
 */
function createPrivately(path: string): void {
  try {
    closeSync(openSync(path, 'wx', 0o600))
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
  }
}

// Later versions of Node call the class `Database` and keep the old name for a while.
const Database = (sqlite as { Database?: typeof sqlite.DatabaseSync }).Database ?? sqlite.DatabaseSync
