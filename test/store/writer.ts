/**
 * Test support: a process of its own that writes to a store, `writer.ts flood|ring sqlite|postgres PLACE [SCOPE]`.
 * `flood` says each write on stdout once it is acknowledged and goes on until something stops it; `ring` makes one
 * attempt at a new ring and reports whether it won.
 */
import { writeSync } from 'node:fs'
import { Secret } from '@countersign/sdk/core'
import { openPostgresStore } from '../../packages/server/src/store/postgres.ts'
import { openSqliteStore } from '../../packages/server/src/store/sqlite.ts'
import { keyRecord } from './contract.ts'

const [mode, kind, place = '', scope = ''] = process.argv.slice(2)
const store =
  kind === 'sqlite'
    ? openSqliteStore({ path: place })
    : await openPostgresStore({ url: Secret.fromText(place), timeoutMs: 20_000 })

if (mode === 'ring') {
  process.send?.(await store.replaceRing(0, [keyRecord(`made by ${process.pid}`)]))
  await store.close()
} else {
  let { version } = await store.readRing()
  for (let count = 0; ; count++) {
    await store.putOnce(scope, `${count}`, 9e12, 1000)
    writeSync(1, `mark ${count}\n`)
    await store.replaceRing(version, [keyRecord(`a${version + 1}`), keyRecord(`b${version + 1}`)])
    version++
    writeSync(1, `ring ${version}\n`)
  }
}
