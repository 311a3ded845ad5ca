import { copyStore } from '../../store/copy.ts'
import type { Context } from '../context.ts'
import { exitCodes } from '../exit-codes.ts'
import { readStoreArgument } from '../store-argument.ts'

/**
 * Copies everything in one store to another, empty one; all of it or nothing.
 *
 * JSON: `{ "from", "to", "keys", "clients", "auditRecords", "auditHead": { "sequence", "hash" }, "replayMarks", "revocations" }`.
 */
export async function run(context: Context, _options: unknown, from: string, to: string): Promise<number> {
  const { terminal, json } = context
  const [source, target] = [readStoreArgument(context, from), readStoreArgument(context, to)]
  terminal.say(`copying; nothing may write to ${from} meanwhile`)
  const copy = await copyStore(source, target)
  if (json) {
    terminal.print(JSON.stringify(copy, null, 2))
    return exitCodes.ok
  }
  const { keys, clients, auditRecords, auditHead, replayMarks, revocations } = copy
  terminal.print(`copied ${copy.from} to ${copy.to}`)
  const counts: readonly [number, string][] = [
    [keys, 'keys, retired ones included'],
    [clients, 'clients, marks of removed ones included'],
    [auditRecords, `audit records, the last one ${auditHead.sequence}:${auditHead.hash}`],
    [replayMarks, 'used-up ids'],
    [revocations, 'revocations'],
  ]
  for (const [count, what] of counts) terminal.print(`${String(count).padStart(8)} ${what}`)
  terminal.say('every row was read back and compared; the audit log is whole')
  terminal.say('  next: name the new store in issuer.store, and start the issuer on it')
  return exitCodes.ok
}
