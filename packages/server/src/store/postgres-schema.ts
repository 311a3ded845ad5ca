import { Problem } from '@countersign/sdk/core'
import type { PostgresConnection, PostgresPool } from './postgres-pool.ts'
import type { BeforeMigration, SealedKey } from './store.ts'

/**
 * Brings the database's `countersign` schema to the newest version, or creates it. Forward only.
 *
 * @throws Problem `store-newer`, `store-unavailable`
 */
export async function migratePostgres(
  pool: Pick<PostgresPool, 'transaction'>,
  beforeMigration?: BeforeMigration,
): Promise<void> {
  await pool.transaction(async (connection) => {
    await lockPostgresSchema(connection)
    const version = await postgresSchemaVersion(connection)
    if (version > migrations.length) {
      throw new Problem(
        'store-newer',
        `the PostgreSQL store has schema version ${version}; this version of Countersign knows up to ${migrations.length}`,
        { next: 'run the version of Countersign that last wrote it, or a newer one' },
      )
    }
    if (version === migrations.length) return
    if (version > 0 && beforeMigration !== undefined) beforeMigration(await sealedKeys(connection))
    await bringUpPostgres(connection, version)
  })
}

/** Until the transaction's end nobody else looks at the schema's version: those who start together queue up here. */
export async function lockPostgresSchema(connection: PostgresConnection): Promise<void> {
  await connection.query({ text: `SELECT pg_advisory_xact_lock(${migrationLock})` })
}

/** The schema's version; 0 when there is none yet. */
export async function postgresSchemaVersion(connection: PostgresConnection): Promise<number> {
  const table = await connection.query({ text: `SELECT to_regclass('countersign.schema_version') AS name` })
  if ((table.rows[0] as { name: string | null }).name === null) return 0
  const { rows } = await connection.query({ text: 'SELECT version FROM countersign.schema_version' })
  return (rows[0] as { version: number }).version
}

/** Brings the schema from `version` to the newest one. Stands inside a transaction. */
export async function bringUpPostgres(connection: PostgresConnection, version: number): Promise<void> {
  for (const text of migrations.slice(version)) await connection.query({ text })
  await connection.query({ text: `UPDATE countersign.schema_version SET version = ${migrations.length}` })
}

/** The ring is as old as the schema itself. */
async function sealedKeys(connection: PostgresConnection): Promise<readonly SealedKey[]> {
  const { rows } = await connection.query({
    text: 'SELECT key_id, algorithm, sealed_key FROM countersign.ring_key',
  })
  return (rows as readonly { key_id: string; algorithm: string; sealed_key: string | null }[]).map((row) => ({
    keyId: row.key_id,
    algorithm: row.algorithm,
    sealedKey: row.sealed_key ?? undefined,
  }))
}

/** "CSGN": any number does, as long as it stays the same. */
const migrationLock = 0x4353474e

/** One entry a version, in order. Entries are only ever added. */
const migrations = [
  `CREATE SCHEMA IF NOT EXISTS countersign;
   CREATE TABLE countersign.schema_version (version integer NOT NULL);
   INSERT INTO countersign.schema_version VALUES (0);
   CREATE TABLE countersign.ring (version bigint NOT NULL);
   INSERT INTO countersign.ring VALUES (0);
   CREATE TABLE countersign.ring_key (
     position integer PRIMARY KEY,
     key_id text NOT NULL UNIQUE,
     algorithm text NOT NULL,
     sealed_key text,
     announced_at_ms bigint NOT NULL,
     active_from_ms bigint NOT NULL,
     longest_token_seconds bigint NOT NULL,
     longest_cache_seconds bigint NOT NULL,
     retired_at_ms bigint,
     retired_because text CHECK (retired_because IN ('rotated', 'removed')),
     CHECK ((retired_at_ms IS NULL) = (retired_because IS NULL))
   );
   CREATE TABLE countersign.replay_mark (
     scope text NOT NULL,
     id text NOT NULL,
     expires_at_ms bigint NOT NULL,
     PRIMARY KEY (scope, id)
   );
   CREATE INDEX replay_mark_by_expiry ON countersign.replay_mark (expires_at_ms);`,
  `CREATE TABLE countersign.client_version (version bigint NOT NULL);
   INSERT INTO countersign.client_version VALUES (0);
   CREATE TABLE countersign.client (
     id text COLLATE "C" PRIMARY KEY,
     revision bigint NOT NULL,
     version bigint NOT NULL UNIQUE,
     removed boolean NOT NULL,
     request text UNIQUE,
     settings text NOT NULL
   );
   CREATE TABLE countersign.audit_head (sequence bigint NOT NULL, hash text NOT NULL);
   INSERT INTO countersign.audit_head VALUES (0, '');
   CREATE TABLE countersign.audit_record (
     sequence bigint PRIMARY KEY,
     at_ms bigint NOT NULL,
     actor text NOT NULL,
     action text NOT NULL,
     subject text NOT NULL,
     outcome text NOT NULL CHECK (outcome IN ('done', 'refused')),
     detail text NOT NULL,
     hash text NOT NULL
   );`,
  `CREATE TABLE countersign.revocation_list (version bigint NOT NULL);
   -- A database that begins anew goes on above the one before: who follows the list never goes back.
   INSERT INTO countersign.revocation_list VALUES ((extract(epoch FROM now()) * 1000)::bigint);
   CREATE TABLE countersign.revocation (
     kind text NOT NULL CHECK (kind IN ('token', 'subject', 'client', 'key')),
     id text NOT NULL,
     issued_before_seconds bigint,
     revoked_at_ms bigint NOT NULL,
     expires_at_ms bigint NOT NULL,
     revoked_by text,
     PRIMARY KEY (kind, id)
   );
   CREATE INDEX revocation_by_expiry ON countersign.revocation (expires_at_ms);`,
]

export const newestPostgresSchema = migrations.length
