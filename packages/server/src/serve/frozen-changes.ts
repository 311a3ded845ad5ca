import type { DpopSettings, Trust } from '../trust/trust.ts'

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

/** Those of them that workers read when they begin. */
export const renewable: ReadonlySet<string> = new Set([
  'gateway.listen',
  'gateway.tls',
  'gateway.clientCertificates',
  'gateway.dpop',
  'gateway.authz',
  'gateway.limits',
])

function withoutSecret(dpop: DpopSettings | undefined): unknown {
  return dpop && { nonces: dpop.nonces, nonceSecret: dpop.nonceSecret === undefined }
}

const frozen: readonly { readonly name: string; readonly of: (trust: Trust) => unknown }[] = [
  { name: 'issuer.url', of: ({ issuer }) => issuer?.url },
  { name: 'issuer.listen', of: ({ issuer }) => issuer?.listen },
  { name: 'issuer.store', of: ({ issuer }) => issuer?.store },
  {
    name: 'issuer.keys',
    of: ({ issuer }) => issuer && { ...issuer.keys, seal: issuer.keys.seal === undefined },
  },
  { name: 'issuer.admin', of: ({ issuer }) => issuer?.admin },
  { name: 'issuer.tokens', of: ({ issuer }) => issuer?.tokens },
  { name: 'issuer.tls', of: ({ issuer }) => issuer?.tls },
  { name: 'issuer.clientCertificates', of: ({ issuer }) => issuer?.clientCertificates },
  { name: 'issuer.mtlsUrl', of: ({ issuer }) => issuer?.mtlsUrl },
  { name: 'issuer.dpop', of: ({ issuer }) => withoutSecret(issuer?.dpop) },
  { name: 'issuer.limits', of: ({ issuer }) => issuer?.limits },
  { name: 'operations', of: ({ operations }) => operations },
  { name: 'gateway.workers', of: ({ gateway }) => gateway?.workers },
  { name: 'gateway.listen', of: ({ gateway }) => gateway?.listen },
  { name: 'gateway.tls', of: ({ gateway }) => gateway?.tls },
  { name: 'gateway.clientCertificates', of: ({ gateway }) => gateway?.clientCertificates },
  { name: 'gateway.dpop', of: ({ gateway }) => withoutSecret(gateway?.dpop) },
  { name: 'gateway.authz', of: ({ gateway }) => gateway?.authz },
  { name: 'gateway.limits', of: ({ gateway }) => gateway?.limits },
]
