import assert from 'node:assert/strict'
import { chmodSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { Secret } from '@countersign/sdk/core'
import { issuerAt } from '../../../../../test/gateway/stand.ts'
import { openIssuerKeys } from '../../issuer/keys/issuer-keys.ts'
import { openStore } from '../../store/open.ts'
import type { IssuerSettings, StoreSettings } from '../../trust/trust.ts'
import { checkStore } from './check-store.ts'

const seal = Secret.fromText('seal-seal-seal-seal-seal-seal-seal-seal')
const otherSeal = Secret.fromText('other-other-other-other-other-other-other')

test('a store that is not there yet, there, of another seal, and no store at all', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'countersign-doctor-'))
  t.after(() => rmSync(folder, { recursive: true }))
  const path = join(folder, 'countersign.db')
  const at = (store: StoreSettings, secret: Secret | undefined = seal) => linesOf(store, secret)
  assert.deepEqual(await at({ kind: 'sqlite', path }), ['warn store: the file is not there yet'])
  assert.equal(existsSync(path), false, 'a look makes no store')

  await makeKeys({ kind: 'sqlite', path })
  const good = 'pass store: sqlite, can be read and written'
  assert.deepEqual(await at({ kind: 'sqlite', path }), [good, 'pass seal: opens the key'])
  const [, broken] = await at({ kind: 'sqlite', path }, otherSeal)
  assert.match(broken!, /^fail seal: .*the seal secret is not the one it was sealed with/)

  writeFileSync(join(folder, 'other.db'), 'not a database at all, and long enough to be looked at as one')
  const [foreign] = await at({ kind: 'sqlite', path: join(folder, 'other.db') })
  assert.match(foreign!, /^fail store: /)
  assert.deepEqual(await at({ kind: 'memory' }), [
    'warn store: in memory: keys and clients are gone with the process',
  ])
})

test(
  'a folder that cannot be written to',
  { skip: process.getuid?.() === 0 && 'root may write anywhere' },
  async (t) => {
    const folder = mkdtempSync(join(tmpdir(), 'countersign-doctor-'))
    t.after(() => rmSync(folder, { recursive: true }))
    mkdirSync(join(folder, 'closed'))
    chmodSync(join(folder, 'closed'), 0o500)
    const [found] = await linesOf({ kind: 'sqlite', path: join(folder, 'closed/x.db') }, seal)
    assert.match(found!, /^fail store: .*closed cannot be written to \(EACCES\)$/)
  },
)

test('a database that is not there', async () => {
  const url = Secret.fromText('postgres://countersign:hunter2@127.0.0.1:1/countersign')
  const [found] = await linesOf({ kind: 'postgres', url }, seal)
  assert.match(found!, /^fail store: PostgreSQL: connect ECONNREFUSED/)
  assert.doesNotMatch(found!, /hunter2/)
})

/** What the first start of an issuer leaves behind. */
async function makeKeys(settings: StoreSettings): Promise<void> {
  const store = await openStore(settings)
  const log = { debug() {}, info() {}, warn() {}, error() {} }
  const ring = await openIssuerKeys({ settings: issuerWith(settings, seal), store, clock: Date.now, log })
  await ring.close()
  await store.close()
}

async function linesOf(store: StoreSettings, secret: Secret | undefined): Promise<string[]> {
  const found = await checkStore(issuerWith(store, secret))
  return found.map(({ verdict, check, text }) => `${verdict} ${check}: ${text}`)
}

function issuerWith(store: StoreSettings, secret: Secret | undefined): IssuerSettings {
  const settings = issuerAt('http://localhost:8080')
  return { ...settings, store, keys: { ...settings.keys, seal: secret, dangerouslyUnsealed: false } }
}
