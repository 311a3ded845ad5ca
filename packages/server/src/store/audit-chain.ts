import { hash } from 'node:crypto'
import type { AuditEntry, AuditHead, AuditRecord } from './store.ts'

/** Before the first record. */
export const emptyChain: AuditHead = Object.freeze({ sequence: 0, hash: '' })

/** Gives entries their places behind `head`: each record's hash covers its own bytes and the hash before it. */
export function chainEntries(head: AuditHead, entries: readonly AuditEntry[]): readonly AuditRecord[] {
  let last = head
  return entries.map((entry) => {
    const sequence = last.sequence + 1
    const record = { ...entry, sequence, hash: hashOf(last.hash, sequence, entry) }
    last = record
    return record
  })
}

export type ChainVerdict =
  | { readonly kind: 'whole'; readonly head: AuditHead }
  | { readonly kind: 'broken'; readonly sequence: number; readonly why: string }

/**
 * Follows a piece of the chain: `records` must stand behind `head` in order, with no record changed, left out, put in
 * or moved. A chain that was cut off at its end, or written anew from some record on, is whole in itself: for that
 * compare the head with one that was noted elsewhere.
 *
 * @example
 * const verdict = verifyChain(emptyChain, records)
 * if (verdict.kind === 'whole') console.log(verdict.head.sequence, verdict.head.hash)
 */
export function verifyChain(head: AuditHead, records: Iterable<AuditRecord>): ChainVerdict {
  let last = head
  for (const record of records) {
    const sequence = last.sequence + 1
    if (record.sequence !== sequence) {
      return { kind: 'broken', sequence, why: `record ${record.sequence} stands where ${sequence} should` }
    }
    if (record.hash !== hashOf(last.hash, sequence, record)) {
      return {
        kind: 'broken',
        sequence,
        why: `record ${sequence} or the one before it is not what was written`,
      }
    }
    last = { sequence, hash: record.hash }
  }
  return { kind: 'whole', head: { sequence: last.sequence, hash: last.hash } }
}

/** JSON keeps the members apart, whatever characters they hold; the first one says which form this is. */
function hashOf(previous: string, sequence: number, entry: AuditEntry): string {
  const { atMs, actor, action, subject, outcome, detail } = entry
  const bytes = JSON.stringify(['audit-1', previous, sequence, atMs, actor, action, subject, outcome, detail])
  return hash('sha256', bytes, 'base64url')
}
