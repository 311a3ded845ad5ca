import type { StoreSettings } from '../trust/trust.ts'
import { createMemoryStore } from './memory.ts'
import { openPostgresStore } from './postgres.ts'
import { openSqliteStore } from './sqlite.ts'
import type { BeforeMigration, Store } from './store.ts'

/**
 * Opens the store that the trust file names, and brings one of an earlier version up to date.
 *
 * @param options.beforeMigration may object to that: then the store stays as it is.
 * @throws Problem `store-unavailable`, `store-foreign`, `store-newer`
 *
 * @example
 * const store = await openStore({ kind: 'sqlite', path: 'countersign.db' })
 */
export async function openStore(settings: StoreSettings, options: OpenStoreOptions = {}): Promise<Store> {
  switch (settings.kind) {
    case 'memory':
      return createMemoryStore()
    case 'sqlite':
      return openSqliteStore({ path: settings.path, ...options })
    case 'postgres':
      return openPostgresStore({ url: settings.url, ...options })
  }
}

export type OpenStoreOptions = { readonly beforeMigration?: BeforeMigration }
