import { Problem } from '@countersign/sdk/core'
import { tables } from './tables.ts'
import type { Row, Table } from './tables.ts'

/** A database as a whole, row by row and as it lies there: for moving a store from one kind to another. */
export type StoreArchive = {
  /** What it is called in messages; holds no password. */
  readonly name: string
  /**
   * Gives `work` everything in the store as it is at one moment, and changes nothing in it.
   *
   * @throws Problem `store-missing`, `store-older`, `store-newer`, `store-foreign` or `store-unavailable`
   */
  dump<Result>(work: (read: ReadTable) => Promise<Result>): Promise<Result>
  /**
   * Fills an empty store, which is made when it is not there: with all that `work` writes, or with nothing when it throws
   * or the process dies in it. Nobody else writes to the store meanwhile.
   *
   * @throws Problem `store-not-empty`, and those of `dump` but `store-missing`
   */
  load<Result>(work: (read: ReadTable, write: WriteRows) => Promise<Result>): Promise<Result>
}

/** A table's rows in its order, some at a time. */
export type ReadTable = (table: Table) => AsyncIterable<readonly Row[]>
export type WriteRows = (table: Table, rows: readonly Row[]) => Promise<void> | void

/** How many rows are under way at once. */
export const batchRows = 1000

/** A copy goes between equal schemas; bringing one up to date is for the issuer that will live with it. */
export function refuseOtherVersion(name: string, version: number, known: number): void {
  if (version > known) {
    throw new Problem(
      'store-newer',
      `${name} has schema version ${version}; this version of Countersign knows up to ${known}`,
      { next: 'run the version of Countersign that last wrote it, or a newer one' },
    )
  }
  if (version < known) {
    throw new Problem(
      'store-older',
      `${name} has schema version ${version}; this version of Countersign has ${known}`,
      {
        next: 'start this version’s issuer on it once, which brings it up to date, and stop it again',
      },
    )
  }
}

export function refuseMissing(name: string): Problem {
  return new Problem('store-missing', `there is no store of Countersign in ${name}`, {
    next: 'check the name; a trust file says it in issuer.store',
  })
}

/** Anything at all in the target is somebody's: copying over it could lose keys, or bring revoked things back to life. */
export async function refuseFilled(name: string, read: ReadTable): Promise<void> {
  for (const table of tables) {
    for await (const rows of read(table)) {
      const isFresh =
        table.fresh === 'from-now' || (table.fresh === 'from-zero' && rows.length === 1 && rows[0]![0] === 0)
      if (isFresh) continue
      throw new Problem(
        'store-not-empty',
        `${name} is not empty: there is something in its table ${table.name}`,
        {
          next: 'name a new file or an empty database; nothing has been changed',
        },
      )
    }
  }
}
