import type { DatabaseSync } from 'node:sqlite'
import type { ClientDraft, ClientRecord, Store } from './store.ts'

/** Managed clients in SQLite. `write` stands inside a transaction. */
export type SqliteClients = {
  changes(afterVersion: number, limit: number): readonly ClientRecord[]
  list(afterId: string, limit: number): readonly ClientRecord[]
  find(by: Parameters<Store['findClient']>[0]): ClientRecord | undefined
  write(client: ClientDraft, expectedRevision: number): ClientRecord | undefined
}

export function prepareClients(database: DatabaseSync): SqliteClients {
  const changes = database.prepare('SELECT * FROM client WHERE version > ? ORDER BY version LIMIT ?')
  const list = database.prepare('SELECT * FROM client WHERE id > ? AND removed = 0 ORDER BY id LIMIT ?')
  const byId = database.prepare('SELECT * FROM client WHERE id = ?')
  const byRequest = database.prepare('SELECT * FROM client WHERE request = ?')
  const count = database.prepare('UPDATE client_version SET version = version + 1 RETURNING version')
  // Another client with the same id or request is left alone, and nothing is returned then.
  const insert = database.prepare(
    `INSERT INTO client (id, revision, version, removed, request, settings) VALUES (?, 1, ?, ?, ?, ?)
     ON CONFLICT DO NOTHING RETURNING *`,
  )
  const update = database.prepare(
    `UPDATE client SET revision = revision + 1, version = ?, removed = ?, settings = ?
     WHERE id = ? AND revision = ? AND removed = 0 RETURNING *`,
  )

  return {
    changes: (afterVersion, limit) => (changes.all(afterVersion, limit) as ClientRow[]).map(toRecord),
    list: (afterId, limit) => (list.all(afterId, limit) as ClientRow[]).map(toRecord),
    find(by) {
      const row = 'id' in by ? byId.get(by.id) : byRequest.get(by.request)
      return row === undefined ? undefined : toRecord(row as ClientRow)
    },
    write({ id, request, removed, settings }, expectedRevision) {
      const { version } = count.get() as { version: number }
      const row =
        expectedRevision === 0
          ? insert.get(id, version, Number(removed), request ?? null, settings)
          : update.get(version, Number(removed), settings, id, expectedRevision)
      return row === undefined ? undefined : toRecord(row as ClientRow)
    },
  }
}

type ClientRow = {
  readonly id: string
  readonly revision: number
  readonly version: number
  readonly removed: number
  readonly request: string | null
  readonly settings: string
}

function toRecord({ id, revision, version, removed, request, settings }: ClientRow): ClientRecord {
  return { id, request: request ?? undefined, removed: removed === 1, settings, revision, version }
}
