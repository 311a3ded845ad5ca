import { createRequire } from 'node:module'
import { Problem } from '@countersign/sdk/core'
import type { Secret } from '@countersign/sdk/core'

/** The part of a `pg` connection that the store uses. */
export type PostgresConnection = {
  query(
    statement: PostgresStatement,
  ): Promise<{ readonly rows: readonly unknown[]; readonly rowCount: number | null }>
}

export type PostgresStatement = {
  readonly text: string
  readonly values?: readonly unknown[]
  /** Prepared under this name, once a connection. */
  readonly name?: string
}

/** Connections to one database. */
export type PostgresPool = {
  /** Runs one statement. @throws Problem `store-unavailable` */
  run(statement: PostgresStatement): ReturnType<PostgresConnection['query']>
  /** Runs `work` in a transaction, undone as a whole when it throws. @throws Problem `store-unavailable` */
  transaction<Result>(work: (connection: PostgresConnection) => Promise<Result>): Promise<Result>
  close(): Promise<void>
}

/**
 * Opens a pool that waits for nothing longer than `timeoutMs`, and whose commits are on disk when they return,
 * whatever the server's own default is.
 *
 * @param url `postgres://user:password@host/database`; no message ever shows it.
 * @param idleMs how long a transaction may wait for its next statement before the server ends it; 0: for ever.
 * @throws Problem `store-unavailable` when the URL cannot be read.
 */
export function openPostgresPool(url: Secret, timeoutMs: number, idleMs = 2 * timeoutMs): PostgresPool {
  const pool = createPool(url, timeoutMs, idleMs)
  // A connection that breaks while idle is replaced by the pool; unheard, its error would end the process.
  pool.on('error', () => {})
  let closed: Promise<void> | undefined

  const attempt = async <Result>(work: () => Promise<Result>): Promise<Result> => {
    if (closed !== undefined) throw new Problem('store-unavailable', 'the PostgreSQL store is closed')
    try {
      return await work()
    } catch (error) {
      throw postgresUnavailable(error)
    }
  }

  return {
    run: (statement) => attempt(() => pool.query(statement)),
    transaction: (work) =>
      attempt(async () => {
        const client = await pool.connect()
        // Its queries tell of a connection that breaks; told once more as an event that nobody hears, it ends the process.
        client.on('error', ignore)
        let broken = true
        try {
          await client.query({ text: 'BEGIN' })
          const result = await work(client)
          await client.query({ text: 'COMMIT' })
          broken = false
          return result
        } catch (error) {
          broken = await client.query({ text: 'ROLLBACK' }).then(
            () => false,
            () => true,
          )
          throw error
        } finally {
          // A connection in an unknown state is not given to anybody else.
          client.release(broken)
          client.off('error', ignore)
        }
      }),
    close: () => (closed ??= pool.end()),
  }
}

type DriverPool = PostgresConnection & {
  connect(): Promise<DriverClient>
  end(): Promise<void>
  on(event: 'error', listener: () => void): void
}

type DriverClient = PostgresConnection & {
  release(destroy: boolean): void
  on(event: 'error', listener: () => void): void
  off(event: 'error', listener: () => void): void
}

function ignore(): void {}

/** The driver is loaded when the first store needs it: most processes never do. */
function createPool(url: Secret, timeoutMs: number, idleMs: number): DriverPool {
  const driver = createRequire(import.meta.url)('pg') as { Pool: new (options: object) => DriverPool }
  const connectionString = url.revealText()
  if (!URL.canParse(connectionString)) {
    throw new Problem('store-unavailable', 'issuer.store: the PostgreSQL URL cannot be read', {
      next: 'write it as postgres://user:password@host:5432/database',
    })
  }
  return new driver.Pool({
    connectionString,
    application_name: 'countersign',
    connectionTimeoutMillis: timeoutMs,
    statement_timeout: timeoutMs,
    lock_timeout: timeoutMs,
    query_timeout: 2 * timeoutMs,
    // A replica that freezes or is cut off between two statements must not hold the rows that all others wait for.
    idle_in_transaction_session_timeout: idleMs,
    options: '-c synchronous_commit=on',
    keepAlive: true,
    max: 4,
  })
}

/** What the driver throws, as the Problem that the store's users know. */
export function postgresUnavailable(error: unknown): unknown {
  // Ours, such as a store of a later version, say more than "unavailable".
  if (error instanceof Problem) return error
  const { message, code } = error as { message?: unknown; code?: unknown }
  const what = typeof message === 'string' && message !== '' ? message : String(code ?? 'unknown failure')
  return new Problem('store-unavailable', `PostgreSQL: ${what}`, {
    next: 'check that the server runs, that its address, database and password are right, and that its disk is not full',
    retryAfterSeconds: 5,
  })
}
