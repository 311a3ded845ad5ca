import { Problem } from '@countersign/sdk/core'
import type { StoreSettings } from '../trust/trust.ts'
import { createMemoryStore } from './memory.ts'
import { openSqliteStore } from './sqlite.ts'
import type { Store } from './store.ts'

/**
 * Opens the store that the trust file names.
 *
 * @throws Problem `store-unavailable`, `store-foreign`, `store-newer`, `store-unsupported`
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
      throw new Problem(
        'store-unsupported',
        'issuer.store: this version cannot keep its records in PostgreSQL yet',
        {
          next: 'use sqlite:<file> with the replicas on one machine',
        },
      )
  }
}
