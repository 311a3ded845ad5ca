import type { PostgresConnection, PostgresPool } from './postgres-pool.ts'
import type { ClientDraft, ClientRecord, Store } from './store.ts'

type Reading = Pick<PostgresPool, 'run'>

/** By name: a later version may add some while this one runs. */
const columns = 'id, revision, version, removed, request, settings'

export async function readClientChanges(
  pool: Reading,
  afterVersion: number,
  limit: number,
): Promise<readonly ClientRecord[]> {
  const text = `SELECT ${columns} FROM countersign.client WHERE version > $1 ORDER BY version LIMIT $2`
  const { rows } = await pool.run({ name: 'client-changes', text, values: [afterVersion, limit] })
  return (rows as readonly ClientRow[]).map(toRecord)
}

export async function listClients(
  pool: Reading,
  afterId: string,
  limit: number,
): Promise<readonly ClientRecord[]> {
  const text = `SELECT ${columns} FROM countersign.client WHERE id > $1 AND NOT removed ORDER BY id LIMIT $2`
  const { rows } = await pool.run({ text, values: [afterId, limit] })
  return (rows as readonly ClientRow[]).map(toRecord)
}

export async function findClient(
  pool: Reading,
  by: Parameters<Store['findClient']>[0],
): Promise<ClientRecord | undefined> {
  const [column, value] = 'id' in by ? ['id', by.id] : ['request', by.request]
  const { rows } = await pool.run({
    text: `SELECT ${columns} FROM countersign.client WHERE ${column} = $1`,
    values: [value],
  })
  return rows[0] === undefined ? undefined : toRecord(rows[0] as ClientRow)
}

/** Stands inside a transaction. Changes of all clients queue up at one row, so that they are seen in their order. */
export async function writeClient(
  connection: PostgresConnection,
  { id, request, removed, settings }: ClientDraft,
  expectedRevision: number,
): Promise<ClientRecord | undefined> {
  const counted = await connection.query({
    text: 'UPDATE countersign.client_version SET version = version + 1 RETURNING version',
  })
  const { version } = counted.rows[0] as { version: string }
  const { rows } =
    expectedRevision === 0
      ? await connection.query({
          // Another client with the same id or request is left alone, and nothing is returned then.
          text: `INSERT INTO countersign.client (${columns}) VALUES ($1, 1, $2, $3, $4, $5)
                 ON CONFLICT DO NOTHING RETURNING ${columns}`,
          values: [id, version, removed, request ?? null, settings],
        })
      : await connection.query({
          text: `UPDATE countersign.client SET revision = revision + 1, version = $1, removed = $2, settings = $3
                 WHERE id = $4 AND revision = $5 AND NOT removed RETURNING ${columns}`,
          values: [version, removed, settings, id, expectedRevision],
        })
  return rows[0] === undefined ? undefined : toRecord(rows[0] as ClientRow)
}

/** `bigint` columns come as text. */
type ClientRow = {
  readonly id: string
  readonly revision: string
  readonly version: string
  readonly removed: boolean
  readonly request: string | null
  readonly settings: string
}

function toRecord({ id, revision, version, removed, request, settings }: ClientRow): ClientRecord {
  return {
    id,
    request: request ?? undefined,
    removed,
    settings,
    revision: Number(revision),
    version: Number(version),
  }
}
