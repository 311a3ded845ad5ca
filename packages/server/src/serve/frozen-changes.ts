import type { Trust } from '../trust/trust.ts'

/**
 * Settings that a running process does not change: where it listens, its keys and its store. Names them, so that the one
 * who edits the file is told instead of left to wonder.
 *
 * Secrets cannot be compared by value here and need not be: what the store's URL is made of counts from the next start.
 */
export function frozenChanges(before: Trust, after: Trust): string[] {
  return frozen
    .filter(({ of }) => JSON.stringify(of(before)) !== JSON.stringify(of(after)))
    .map(({ name }) => name)
}

const frozen: readonly { readonly name: string; readonly of: (trust: Trust) => unknown }[] = [
  { name: 'issuer.url', of: ({ issuer }) => issuer?.url },
  { name: 'issuer.listen', of: ({ issuer }) => issuer?.listen },
  { name: 'issuer.store', of: ({ issuer }) => issuer?.store },
  {
    name: 'issuer.keys',
    of: ({ issuer }) => issuer && { ...issuer.keys, seal: issuer.keys.seal === undefined },
  },
  { name: 'issuer.tokens', of: ({ issuer }) => issuer?.tokens },
  { name: 'issuer.limits', of: ({ issuer }) => issuer?.limits },
  { name: 'operations', of: ({ operations }) => operations },
  { name: 'gateway.listen', of: ({ gateway }) => gateway?.listen },
  { name: 'gateway.authz', of: ({ gateway }) => gateway?.authz },
]
