import type { StoreSettings } from '../trust/trust.ts'
import { createMemoryStore } from './memory.ts'
import { openPostgresStore } from './postgres.ts'
import { openSqliteStore } from './sqlite.ts'
import type { Store } from './store.ts'

/**
 * Opens the store that the trust file names.
 *
 * @throws Problem `store-unavailable`, `store-foreign`, `store-newer`
 *
 * @example
 * const store = await openStore({ kind: 'sqlite', path: 'countersign.db' })
 */
export async function openStore(settings: StoreSettings): Promise<Store> {
  switch (settings.kind) {
    case 'memory':
      return createMemoryStore()
    case 'sqlite':
      return openSqliteStore({ path: settings.path })
    case 'postgres':
      return openPostgresStore({ url: settings.url })
  }
}
