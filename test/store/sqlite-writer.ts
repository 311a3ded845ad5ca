/**
 * Test support: a process of its own that writes to a store. `flood` says each write on stdout once it is
 * acknowledged and goes on until it is killed; `ring` makes one attempt at a new ring and reports who won.
 */
import { writeSync } from 'node:fs'
import { openSqliteStore } from '../../packages/server/src/store/sqlite.ts'
import { keyRecord } from './contract.ts'

const [mode, path = '', scope = ''] = process.argv.slice(2)
const store = openSqliteStore({ path })

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
