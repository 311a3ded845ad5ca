/**
 * Test support: a process of its own that copies a SQLite store, `copier.ts PATH sqlite|postgres PLACE`, says when it is
 * half-way, and stays there until something ends it.
 */
import { Secret } from '@countersign/sdk/core'
import type { StoreArchive } from '../../packages/server/src/store/archive.ts'
import { copyArchive } from '../../packages/server/src/store/copy.ts'
import { postgresArchive } from '../../packages/server/src/store/postgres-archive.ts'
import { sqliteArchive } from '../../packages/server/src/store/sqlite-archive.ts'

const [path = '', kind, place = ''] = process.argv.slice(2)
const target: StoreArchive =
  kind === 'sqlite' ? sqliteArchive({ path: place }) : postgresArchive({ url: Secret.fromText(place) })
const slow: StoreArchive = {
  ...target,
  load: (work) =>
    target.load((read, write) =>
      work(read, async (table, rows) => {
        await write(table, rows)
        if (table.name !== 'replay_mark') return
        process.send?.('half-way')
        await new Promise((resolve) => setTimeout(resolve, 60_000))
      }),
    ),
}
await copyArchive(sqliteArchive({ path }), slow)
