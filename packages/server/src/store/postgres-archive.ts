import { Problem } from '@countersign/sdk/core'
import type { Secret } from '@countersign/sdk/core'
import { batchRows, refuseFilled, refuseMissing, refuseOtherVersion } from './archive.ts'
import type { ReadTable, StoreArchive, WriteRows } from './archive.ts'
import { openPostgresPool, postgresUnavailable } from './postgres-pool.ts'
import type { PostgresConnection } from './postgres-pool.ts'
import {
  bringUpPostgres,
  lockPostgresSchema,
  newestPostgresSchema,
  postgresSchemaVersion,
} from './postgres-schema.ts'
import { tables } from './tables.ts'
import type { Column, Row, Value } from './tables.ts'

/** The `countersign` schema of a PostgreSQL database as a whole. */
export function postgresArchive({ url, timeoutMs = 30_000 }: PostgresArchiveOptions): StoreArchive {
  const name = withoutPassword(url)

  const inTransaction = async <Result>(
    work: (connection: PostgresConnection) => Promise<Result>,
  ): Promise<Result> => {
    // Between two statements the other store is read, as long as that takes.
    const pool = openPostgresPool(url, timeoutMs, 0)
    try {
      // Named here: by the time it is caught, it may have come through the other store's code as well.
      return await pool.transaction((connection) =>
        work({
          query: (statement) =>
            connection.query(statement).catch((error: unknown) => {
              throw postgresUnavailable(error)
            }),
        }),
      )
    } finally {
      await pool.close()
    }
  }

  return {
    name,
    dump: (work) =>
      inTransaction(async (connection) => {
        // Every reading sees the same moment, whoever writes meanwhile.
        await connection.query({ text: 'SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY' })
        const version = await postgresSchemaVersion(connection)
        if (version === 0) throw refuseMissing(name)
        refuseOtherVersion(name, version, newestPostgresSchema)
        return work(readerOf(connection))
      }),
    load: (work) =>
      inTransaction(async (connection) => {
        // Whoever starts on this database meanwhile waits here, and then finds a store in it.
        await lockPostgresSchema(connection)
        const version = await postgresSchemaVersion(connection)
        if (version === 0) await bringUpPostgres(connection, 0)
        else refuseOtherVersion(name, version, newestPostgresSchema)
        await connection.query({ text: `LOCK TABLE ${tables.map(inSchema).join(', ')} IN EXCLUSIVE MODE` })
        const read = readerOf(connection)
        await refuseFilled(name, read)
        for (const table of tables) await connection.query({ text: `DELETE FROM ${inSchema(table)}` })
        return work(read, writerOf(connection, name))
      }),
  }
}

export type PostgresArchiveOptions = {
  readonly url: Secret
  /** How long a connection, a lock or a statement may take, in milliseconds. */
  readonly timeoutMs?: number
}

function readerOf(connection: PostgresConnection): ReadTable {
  return async function* (table) {
    const { columns, order } = table
    const orders = order.map((column) => (isText(columns, column) ? `${column} COLLATE "C"` : column))
    // A cursor of its own: the answer to one big question would stand in memory as a whole.
    await connection.query({
      text: `DECLARE copied NO SCROLL CURSOR FOR SELECT ${namesOf(columns)} FROM ${inSchema(table)} ORDER BY ${orders.join(', ')}`,
    })
    try {
      for (;;) {
        const { rows } = await connection.query({ text: `FETCH ${batchRows} FROM copied` })
        const found = rows as readonly Record<string, Value>[]
        if (found.length > 0)
          yield found.map((row) => columns.map((column) => fromColumn(column, row[column.name]!)))
        if (found.length < batchRows) return
      }
    } finally {
      // In a transaction that has failed it is gone already.
      await connection.query({ text: 'CLOSE copied' }).catch(() => undefined)
    }
  }
}

function writerOf(connection: PostgresConnection, storeName: string): WriteRows {
  return async (table, rows) => {
    const { columns } = table
    refuseZeroBytes(rows, table.name, storeName)
    const arrays = columns.map(({ type }, index) => `$${index + 1}::${columnTypes[type]}[]`)
    await connection.query({
      text: `INSERT INTO ${inSchema(table)} (${namesOf(columns)}) SELECT * FROM unnest(${arrays.join(', ')})`,
      values: columns.map((_, index) => rows.map((row) => row[index])),
    })
  }
}

/** SQLite keeps them, PostgreSQL has no place for them. Nothing of ours writes one; what callers send may hold any. */
function refuseZeroBytes(rows: readonly Row[], table: string, storeName: string): void {
  if (!rows.some((row) => row.some((value) => typeof value === 'string' && value.includes('\0')))) return
  throw new Problem(
    'store-copy-failed',
    `table ${table} holds a text with a zero byte, which ${storeName} cannot keep`,
  )
}

/** `bigint` columns come as text, so that none loses digits; ours are far below that. */
function fromColumn({ type }: Column, value: Value): Value {
  return type === 'integer' && value !== null ? Number(value) : value
}

function isText(columns: readonly Column[], column: string): boolean {
  return columns.some(({ name, type }) => name === column && type === 'text')
}

function namesOf(columns: readonly Column[]): string {
  return columns.map(({ name }) => name).join(', ')
}

function inSchema({ name }: { readonly name: string }): string {
  return `countersign.${name}`
}

/** Where it is and who asks, but not by which password. */
function withoutPassword(url: Secret): string {
  const text = url.revealText()
  if (!URL.canParse(text)) return 'PostgreSQL'
  const { protocol, username, host, pathname } = new URL(text)
  return `${protocol}//${username === '' ? '' : `${username}@`}${host}${pathname}`
}

const columnTypes = { integer: 'bigint', text: 'text', flag: 'boolean' } as const
