import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { parseStrictJson, Problem } from '@countersign/sdk/core'
import { emptyChain, verifyChain } from '../../store/audit-chain.ts'
import type { AuditHead, AuditRecord } from '../../store/store.ts'
import { openAdmin } from '../admin-access.ts'
import type { Context } from '../context.ts'
import { exitCodes } from '../exit-codes.ts'

/**
 * Follows the audit log's chain from its first record, in the issuer or in an exported file. It prints where the chain
 * ends: noted elsewhere and given as `--head`, that finds a log that was cut off or written anew.
 *
 * JSON: `{ "whole", "head": { "sequence", "hash" } }` or `{ "whole": false, "sequence", "why" }`.
 */
export async function run(context: Context, { head }: { head?: string }, file?: string): Promise<number> {
  const { terminal, json } = context
  const noted = head === undefined ? undefined : readHead(head)
  const { records, kept } =
    file === undefined ? await fetchRecords(context) : readRecords(resolve(context.cwd, file))
  const verdict = verifyChain(emptyChain, records)
  const wrong =
    verdict.kind === 'broken'
      ? { sequence: verdict.sequence, why: verdict.why }
      : (missing(records, kept, 'the head that is kept beside the records') ??
        missing(records, noted, 'the head that was given'))
  if (wrong !== undefined) {
    if (json) terminal.print(JSON.stringify({ whole: false, ...wrong }, null, 2))
    else terminal.print(`broken at ${wrong.sequence}: ${wrong.why}`)
    return exitCodes.denied
  }
  const { sequence, hash } = verdict.kind === 'whole' ? verdict.head : emptyChain
  if (json) terminal.print(JSON.stringify({ whole: true, head: { sequence, hash } }, null, 2))
  else {
    terminal.print(`${sequence}:${hash}`)
    terminal.say(`whole: ${sequence} records; note the head elsewhere and give it as --head next time`)
  }
  return exitCodes.ok
}

/** Whether the record that a head names is still the one it was. */
function missing(
  records: readonly AuditRecord[],
  head: AuditHead | undefined,
  what: string,
): { sequence: number; why: string } | undefined {
  if (head === undefined || head.sequence === 0 || records[head.sequence - 1]?.hash === head.hash)
    return undefined
  return { sequence: head.sequence, why: `${what} is not in the chain: it was cut off or written anew` }
}

async function fetchRecords(context: Context): Promise<{ records: AuditRecord[]; kept: AuditHead }> {
  const admin = await openAdmin(context)
  const { json } = await admin.ask('GET', '/audit?limit=1')
  const records: AuditRecord[] = []
  for await (const record of admin.pages('/audit', 'records')) records.push(record as AuditRecord)
  return { records, kept: json['head'] as AuditHead }
}

function readRecords(path: string): { records: AuditRecord[]; kept: undefined } {
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch (cause) {
    throw new Problem('usage', `cannot read ${path}`, { next: 'check the path', cause })
  }
  const records = text.split('\n').flatMap((line, index) => {
    if (line === '') return []
    const record = parseStrictJson(line)
    if (typeof record === 'string') throw new Problem('usage', `${path}:${index + 1}: ${record}`)
    return [record as unknown as AuditRecord]
  })
  return { records, kept: undefined }
}

function readHead(text: string): AuditHead {
  const match = /^([0-9]{1,15}):([A-Za-z0-9_-]{43})$/.exec(text)
  if (match !== null) return { sequence: Number(match[1]), hash: match[2]! }
  throw new Problem('usage', '--head: expected SEQUENCE:HASH, as an earlier verification has printed it')
}
