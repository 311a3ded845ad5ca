import type { RevocationRecord } from './store.ts'

/**
 * What two revocations of the same kind and id are together: nothing that was revoked becomes good again by a second one.
 *
 * @returns undefined when `known` says all of it already.
 */
export function mergeRevocations(
  known: RevocationRecord,
  next: RevocationRecord,
): RevocationRecord | undefined {
  const issuedBefore = Math.max(known.issuedBeforeSeconds ?? Infinity, next.issuedBeforeSeconds ?? Infinity)
  const expiresAtMs = Math.max(known.expiresAtMs, next.expiresAtMs)
  if (expiresAtMs === known.expiresAtMs && issuedBefore === (known.issuedBeforeSeconds ?? Infinity)) {
    return undefined
  }
  const issuedBeforeSeconds = issuedBefore === Infinity ? undefined : issuedBefore
  return { ...next, issuedBeforeSeconds, expiresAtMs }
}
