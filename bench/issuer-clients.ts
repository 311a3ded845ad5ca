import { hash } from 'node:crypto'
import { managedText } from '../packages/server/src/issuer/clients/managed-client.ts'
import type { Store } from '../packages/server/src/store/store.ts'

/** The secret of the managed client of this number; known to the bench only. */
export function managedSecret(index: number): string {
  return `secret-of-managed-client-${index}`.padEnd(44, 'x')
}

export function managedId(index: number): string {
  return `managed${index}`
}

/** Puts many clients into a store, as the admin API would one by one. */
export async function addManagedClients(store: Store, count: number): Promise<void> {
  for (let index = 0; index < count; index++) {
    const digest = hash('sha256', managedSecret(index), 'base64url')
    const settings = managedText({
      name: `service ${index}`,
      disabled: false,
      settings: { may: { billing: { roles: ['reader'], scopes: ['invoices:read'] } } },
      secrets: [{ id: 'first', digest, createdAtMs: 0 }],
      createdAtMs: 0,
      changedAtMs: 0,
    })
    await store.writeClient({ id: managedId(index), request: undefined, removed: false, settings }, 0, [])
  }
}
