import { existsSync } from 'node:fs'
import type { DatabaseSync, StatementSync } from 'node:sqlite'
import { batchRows, refuseFilled, refuseMissing, refuseOtherVersion } from './archive.ts'
import type { ReadTable, StoreArchive, WriteRows } from './archive.ts'
import { openSqliteFile, sqliteUnavailable } from './sqlite-file.ts'
import { bringUp, newestSqliteSchema, prepareToWrite, schemaVersion } from './sqlite-schema.ts'
import { tables } from './tables.ts'
import type { Column, Row, Table, Value } from './tables.ts'

/** A SQLite file as a whole. */
export function sqliteArchive({ path, busyTimeoutMs = 5000 }: SqliteArchiveOptions): StoreArchive {
  const name = `sqlite:${path}`

  const withFile = async <Result>(
    readOnly: boolean,
    work: (database: DatabaseSync) => Promise<Result>,
  ): Promise<Result> => {
    let database: DatabaseSync | undefined
    try {
      database = openSqliteFile(path, { busyTimeoutMs, readOnly })
      return await work(database)
    } catch (error) {
      throw sqliteUnavailable(path, error)
    } finally {
      // An open transaction ends with its connection, undone.
      database?.close()
    }
  }

  return {
    name,
    async dump(work) {
      if (!existsSync(path)) throw refuseMissing(name)
      return withFile(true, async (database) => {
        // Every reading in one transaction sees the same moment, whoever writes meanwhile.
        database.exec('BEGIN DEFERRED')
        const version = schemaVersion(database, path)
        if (version === 0) throw refuseMissing(name)
        refuseOtherVersion(name, version, newestSqliteSchema)
        return work(readerOf(database))
      })
    },
    load: (work) =>
      withFile(false, async (database) => {
        prepareToWrite(database, path)
        database.exec('BEGIN IMMEDIATE')
        const version = schemaVersion(database, path)
        if (version === 0) bringUp(database, path)
        else refuseOtherVersion(name, version, newestSqliteSchema)
        const read = readerOf(database)
        await refuseFilled(name, read)
        for (const table of tables) database.exec(`DELETE FROM ${table.name}`)
        const result = await work(read, writerOf(database))
        database.exec('COMMIT')
        return result
      }),
  }
}

export type SqliteArchiveOptions = {
  readonly path: string
  /** How long a write waits for another process's write, in milliseconds. */
  readonly busyTimeoutMs?: number
}

function readerOf(database: DatabaseSync): ReadTable {
  return async function* ({ name, columns, order }) {
    const statement = database.prepare(`SELECT ${namesOf(columns)} FROM ${name} ORDER BY ${order.join(', ')}`)
    let rows: Row[] = []
    for (const record of statement.iterate()) {
      rows.push(columns.map((column) => fromColumn(column, (record as Record<string, Value>)[column.name]!)))
      if (rows.length < batchRows) continue
      yield rows
      rows = []
    }
    if (rows.length > 0) yield rows
  }
}

/** A table with one row has a column more, `only`, which SQLite fills with 1 by itself: the first row's number. */
function writerOf(database: DatabaseSync): WriteRows {
  const statements = new Map<Table, StatementSync>()
  return (table, rows) => {
    const { name, columns } = table
    let insert = statements.get(table)
    if (insert === undefined) {
      insert = database.prepare(
        `INSERT INTO ${name} (${namesOf(columns)}) VALUES (${columns.map(() => '?').join(', ')})`,
      )
      statements.set(table, insert)
    }
    for (const row of rows)
      insert.run(...row.map((value) => (typeof value === 'boolean' ? Number(value) : value)))
  }
}

function namesOf(columns: readonly Column[]): string {
  return columns.map(({ name }) => name).join(', ')
}

/** SQLite has no truth values. */
function fromColumn({ type }: Column, value: Value): Value {
  return type === 'flag' ? value === 1 : value
}
