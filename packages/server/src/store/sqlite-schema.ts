import type { DatabaseSync } from 'node:sqlite'
import { Problem } from '@countersign/sdk/core'
import type { BeforeMigration, SealedKey } from './store.ts'

/**
 * Brings a database file to the newest schema, or creates it. Forward only: there is no way back, so a file written
 * by a later version is refused and left as it is.
 *
 * @param path for messages.
 * @throws Problem `store-foreign` or `store-newer`
 */
export function migrate(database: DatabaseSync, path: string, beforeMigration?: BeforeMigration): void {
  const version = schemaVersion(database, path)
  if (version > 0 && version < migrations.length) beforeMigration?.(sealedKeys(database))
  prepareToWrite(database, path)
  // Taking the write lock first makes replicas that start together queue up here; each looks again behind it.
  database.exec('BEGIN IMMEDIATE')
  try {
    bringUp(database, path)
    database.exec('COMMIT')
  } catch (error) {
    if (database.isTransaction) database.exec('ROLLBACK')
    throw error
  }
}

/** What comes before the first transaction that writes. @throws Problem `store-foreign` or `store-newer` */
export function prepareToWrite(database: DatabaseSync, path: string): void {
  // The look comes before the first write: another program's file must stay exactly as it was.
  schemaVersion(database, path)
  switchToWriteAheadLog(database)
  database.exec('PRAGMA synchronous = FULL')
}

/** Brings the schema to the newest version. Stands inside a transaction. */
export function bringUp(database: DatabaseSync, path: string): void {
  const version = schemaVersion(database, path)
  for (const statements of migrations.slice(version)) database.exec(statements)
  if (version < migrations.length) {
    database.exec(`PRAGMA application_id = ${applicationId}; PRAGMA user_version = ${migrations.length}`)
  }
}

/** The version of the file's schema, 0 for one that has none yet. @throws Problem `store-foreign` or `store-newer` */
export function schemaVersion(database: DatabaseSync, path: string): number {
  // The tables first: another process may be making the file ours between the two looks, and it does both at once.
  const tables = database.prepare('SELECT count(*) AS count FROM sqlite_schema').get() as { count: number }
  const owner = pragma(database, 'application_id')
  if (owner !== applicationId && (owner !== 0 || tables.count > 0)) {
    throw new Problem('store-foreign', `${path} is a database, but not one of Countersign's`, {
      next: 'name another file in issuer.store',
    })
  }
  const version = pragma(database, 'user_version')
  if (version > migrations.length) {
    throw new Problem(
      'store-newer',
      `${path} has schema version ${version}; this version of Countersign knows up to ${migrations.length}`,
      { next: 'run the version of Countersign that last wrote it, or a newer one' },
    )
  }
  return version
}

/** The ring is as old as the schema itself. */
function sealedKeys(database: DatabaseSync): readonly SealedKey[] {
  const rows = database.prepare('SELECT key_id, algorithm, sealed_key FROM ring_key').all()
  return (rows as { key_id: string; algorithm: string; sealed_key: string | null }[]).map((row) => ({
    keyId: row.key_id,
    algorithm: row.algorithm,
    sealedKey: row.sealed_key ?? undefined,
  }))
}

/** SQLite does not apply its busy timeout to this one switch, so that a second process may have to ask again. */
function switchToWriteAheadLog(database: DatabaseSync): void {
  for (let attempt = 1; ; attempt++) {
    try {
      database.exec('PRAGMA journal_mode = WAL')
      return
    } catch (error) {
      if (attempt === 50) throw error
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 20)
    }
  }
}

function pragma(database: DatabaseSync, name: string): number {
  const row = database.prepare(`PRAGMA ${name}`).get() as Record<string, number>
  return row[name] ?? 0
}

/** "CSGN" in the file's header says whose it is. */
const applicationId = 0x4353474e

/** One entry a version, in order. Entries are only ever added. */
const migrations = [
  `CREATE TABLE ring (only INTEGER PRIMARY KEY CHECK (only = 1), version INTEGER NOT NULL) STRICT;
   INSERT INTO ring VALUES (1, 0);
   CREATE TABLE ring_key (
     position INTEGER PRIMARY KEY,
     key_id TEXT NOT NULL UNIQUE,
     algorithm TEXT NOT NULL,
     sealed_key TEXT,
     announced_at_ms INTEGER NOT NULL,
     active_from_ms INTEGER NOT NULL,
     longest_token_seconds INTEGER NOT NULL,
     longest_cache_seconds INTEGER NOT NULL,
     retired_at_ms INTEGER,
     retired_because TEXT CHECK (retired_because IN ('rotated', 'removed')),
     CHECK ((retired_at_ms IS NULL) = (retired_because IS NULL))
   ) STRICT;
   CREATE TABLE replay_mark (
     scope TEXT NOT NULL,
     id TEXT NOT NULL,
     expires_at_ms INTEGER NOT NULL,
     PRIMARY KEY (scope, id)
   ) STRICT, WITHOUT ROWID;
   CREATE INDEX replay_mark_by_expiry ON replay_mark (expires_at_ms);`,
  `CREATE TABLE client_version (only INTEGER PRIMARY KEY CHECK (only = 1), version INTEGER NOT NULL) STRICT;
   INSERT INTO client_version VALUES (1, 0);
   CREATE TABLE client (
     id TEXT PRIMARY KEY,
     revision INTEGER NOT NULL,
     version INTEGER NOT NULL UNIQUE,
     removed INTEGER NOT NULL CHECK (removed IN (0, 1)),
     request TEXT UNIQUE,
     settings TEXT NOT NULL
   ) STRICT, WITHOUT ROWID;
   CREATE TABLE audit_head (
     only INTEGER PRIMARY KEY CHECK (only = 1), sequence INTEGER NOT NULL, hash TEXT NOT NULL
   ) STRICT;
   INSERT INTO audit_head VALUES (1, 0, '');
   CREATE TABLE audit_record (
     sequence INTEGER PRIMARY KEY,
     at_ms INTEGER NOT NULL,
     actor TEXT NOT NULL,
     action TEXT NOT NULL,
     subject TEXT NOT NULL,
     outcome TEXT NOT NULL CHECK (outcome IN ('done', 'refused')),
     detail TEXT NOT NULL,
     hash TEXT NOT NULL
   ) STRICT;`,
  `CREATE TABLE revocation_list (only INTEGER PRIMARY KEY CHECK (only = 1), version INTEGER NOT NULL) STRICT;
   -- A file that begins anew goes on above the one before: who follows the list never goes back.
   INSERT INTO revocation_list VALUES (1, unixepoch() * 1000);
   CREATE TABLE revocation (
     kind TEXT NOT NULL CHECK (kind IN ('token', 'subject', 'client', 'key')),
     id TEXT NOT NULL,
     issued_before_seconds INTEGER,
     revoked_at_ms INTEGER NOT NULL,
     expires_at_ms INTEGER NOT NULL,
     revoked_by TEXT,
     PRIMARY KEY (kind, id)
   ) STRICT, WITHOUT ROWID;
   CREATE INDEX revocation_by_expiry ON revocation (expires_at_ms);`,
]

export const newestSqliteSchema = migrations.length
