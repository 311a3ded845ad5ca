import { accessSync, constants, existsSync } from 'node:fs'
import { dirname } from 'node:path'
import { isProblem } from '@countersign/sdk/core'
import { createKeySeal } from '../../issuer/keys/key-seal.ts'
import { openStore } from '../../store/open.ts'
import { postgresArchive } from '../../store/postgres-archive.ts'
import { sqliteArchive } from '../../store/sqlite-archive.ts'
import type { KeyRecord, Store } from '../../store/store.ts'
import type { IssuerSettings, StoreSettings } from '../../trust/trust.ts'
import { fail, pass, reasonOf, warn } from './finding.ts'
import type { Finding } from './finding.ts'

/**
 * Whether the issuer could work with its store: it is there, of this version, can be written to, and its keys open with the
 * seal. Nothing in it is changed, and a store of another version is not even opened.
 */
export async function checkStore({ store: settings, keys }: IssuerSettings): Promise<Finding[]> {
  if (settings.kind === 'memory') {
    return [
      warn('store', 'in memory: keys and clients are gone with the process', 'name a file or a database'),
    ]
  }
  const missing = await whatHinders(settings)
  if (missing !== undefined) return [missing]
  let store: Store | undefined
  try {
    store = await openStore(settings)
    // A statement that writes, of which nothing can be the object: no mark counted only until 1970.
    await store.sweep(0)
    const { keys: records } = await store.readRing()
    return [pass('store', `${settings.kind}, can be read and written`), checkSeal(records, keys)]
  } catch (error) {
    return [failed(error)]
  } finally {
    await store?.close()
  }
}

/** Opening a store may bring it up to date, which is not for a look at it to do. */
async function whatHinders(
  settings: Exclude<StoreSettings, { kind: 'memory' }>,
): Promise<Finding | undefined> {
  if (settings.kind === 'sqlite' && !existsSync(settings.path)) return checkFolder(settings.path)
  const archive =
    settings.kind === 'sqlite'
      ? sqliteArchive({ path: settings.path })
      : postgresArchive({ url: settings.url })
  try {
    await archive.dump(async () => undefined)
    return undefined
  } catch (error) {
    if (isProblem(error) && error.code === 'store-missing') {
      return warn('store', 'nothing is in it yet', 'the first start of the issuer makes its tables')
    }
    if (isProblem(error) && error.code === 'store-older')
      return warn('store', error.message, error.next ?? '')
    return failed(error)
  }
}

function checkFolder(path: string): Finding {
  const folder = dirname(path)
  try {
    accessSync(folder, constants.W_OK)
    return warn('store', 'the file is not there yet', 'the first start of the issuer makes it')
  } catch (error) {
    return fail(
      'store',
      `${folder} cannot be written to (${reasonOf(error)})`,
      'make it, or let this user write there',
    )
  }
}

function checkSeal(
  records: readonly KeyRecord[],
  { seal, dangerouslyUnsealed }: IssuerSettings['keys'],
): Finding {
  const kept = records.filter(({ sealedKey }) => sealedKey !== undefined)
  if (seal === undefined) {
    const why = dangerouslyUnsealed ? 'said so in the file' : 'there is none'
    return warn('seal', `private keys are readable in the store: ${why}`, 'set issuer.keys.seal')
  }
  if (kept.length === 0)
    return warn('seal', 'there is no key to open with it yet', 'the first start of the issuer makes one')
  try {
    const { open } = createKeySeal(seal)
    for (const { keyId, algorithm, sealedKey } of kept) open(sealedKey!, { keyId, algorithm })
    return pass('seal', `opens ${kept.length === 1 ? 'the key' : `all ${kept.length} keys`}`)
  } catch (error) {
    return failed(error, 'seal')
  }
}

function failed(error: unknown, check = 'store'): Finding {
  const next = isProblem(error) ? error.next : undefined
  return fail(check, reasonOf(error), next ?? 'look at the store')
}
