/** A table as every database driver has it: by the same name, with the same columns. */
export type Table = {
  readonly name: string
  readonly columns: readonly Column[]
  /** The columns in whose order its rows are read. */
  readonly order: readonly string[]
  /** What a new store has here: no row, or one that counts from where it says. */
  readonly fresh: 'no-row' | 'from-zero' | 'from-now'
}

export type Column = { readonly name: string; readonly type: 'integer' | 'text' | 'flag' }

/** A row's values in the order of the table's columns. */
export type Row = readonly Value[]
export type Value = number | string | boolean | null

const integer = (name: string): Column => ({ name, type: 'integer' })
const text = (name: string): Column => ({ name, type: 'text' })

/** Every table of the store, for what must know all of them: copying. Tests hold each driver's schema against it. */
export const tables: readonly Table[] = [
  { name: 'ring', columns: [integer('version')], order: ['version'], fresh: 'from-zero' },
  {
    name: 'ring_key',
    columns: [
      integer('position'),
      text('key_id'),
      text('algorithm'),
      text('sealed_key'),
      integer('announced_at_ms'),
      integer('active_from_ms'),
      integer('longest_token_seconds'),
      integer('longest_cache_seconds'),
      integer('retired_at_ms'),
      text('retired_because'),
    ],
    order: ['position'],
    fresh: 'no-row',
  },
  { name: 'client_version', columns: [integer('version')], order: ['version'], fresh: 'from-zero' },
  {
    name: 'client',
    columns: [
      text('id'),
      integer('revision'),
      integer('version'),
      { name: 'removed', type: 'flag' },
      text('request'),
      text('settings'),
    ],
    order: ['id'],
    fresh: 'no-row',
  },
  {
    name: 'audit_head',
    columns: [integer('sequence'), text('hash')],
    order: ['sequence'],
    fresh: 'from-zero',
  },
  {
    name: 'audit_record',
    columns: [
      integer('sequence'),
      integer('at_ms'),
      text('actor'),
      text('action'),
      text('subject'),
      text('outcome'),
      text('detail'),
      text('hash'),
    ],
    order: ['sequence'],
    fresh: 'no-row',
  },
  {
    name: 'replay_mark',
    columns: [text('scope'), text('id'), integer('expires_at_ms')],
    order: ['scope', 'id'],
    fresh: 'no-row',
  },
  { name: 'revocation_list', columns: [integer('version')], order: ['version'], fresh: 'from-now' },
  {
    name: 'revocation',
    columns: [
      text('kind'),
      text('id'),
      integer('issued_before_seconds'),
      integer('revoked_at_ms'),
      integer('expires_at_ms'),
      text('revoked_by'),
    ],
    order: ['kind', 'id'],
    fresh: 'no-row',
  },
]
