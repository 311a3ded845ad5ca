import { createReadStream } from 'node:fs'
import { resolve } from 'node:path'
import { createInterface } from 'node:readline'
import { parseStrictJson, Problem } from '@countersign/sdk/core'
import { visible } from '../../visible.ts'
import type { Context } from '../context.ts'
import { exitCodes } from '../exit-codes.ts'

type Options = {
  readonly denied?: boolean
  readonly service?: string
  readonly client?: string
  readonly id?: string
}

/**
 * Shows what the gateway has decided, line by line as its log brings it: from a file, or from what is piped in. To follow
 * a file that grows, `tail -F gateway.log | countersign tail`.
 *
 * JSON: the log's own lines, those that were asked for.
 */
export async function run(context: Context, options: Options, file?: string): Promise<number> {
  const { terminal, json, cwd } = context
  if ((file === undefined || file === '-') && terminal.inputIsTerminal) {
    throw new Problem('usage', 'there is no log to read', {
      next: 'for example `countersign serve --log debug | countersign tail`',
    })
  }
  let [seen, shown] = [0, 0]
  for await (const line of linesOf(file, cwd)) {
    const record = readRecord(line)
    if (record === undefined) continue
    seen++
    if (!isWanted(record, options)) continue
    shown++
    terminal.print(json ? line : recordText(record, context))
  }
  if (seen === 0) terminal.say('no decision is in it; `serve --log debug` also writes down what is allowed')
  else if (shown === 0) terminal.say(`of ${seen} decisions in it none fits`)
  return exitCodes.ok
}

type LogRecord = Readonly<Record<string, unknown>>

async function* linesOf(file: string | undefined, cwd: string): AsyncGenerator<string> {
  const input = file === undefined || file === '-' ? process.stdin : createReadStream(resolve(cwd, file))
  try {
    yield* createInterface({ input, crlfDelay: Infinity })
  } catch (cause) {
    throw new Problem('usage', `${file} cannot be read`, { next: 'name the file the gateway logs to', cause })
  }
}

/** Other lines of the log, and lines that are none, are passed over. */
function readRecord(line: string): LogRecord | undefined {
  if (!line.includes('"gateway.')) return undefined
  const record = parseStrictJson(line)
  if (typeof record === 'string') return undefined
  return record['event'] === 'gateway.denied' || record['event'] === 'gateway.allowed' ? record : undefined
}

function isWanted(record: LogRecord, { denied, service, client, id }: Options): boolean {
  if (denied === true && record['outcome'] !== 'deny') return false
  if (service !== undefined && record['service'] !== service) return false
  if (client !== undefined && record['clientId'] !== client) return false
  return id === undefined || record['requestId'] === id || record['tokenId'] === id
}

function recordText(record: LogRecord, { terminal: { paint } }: Context): string {
  const { time, outcome, dryRun, status, method, path, service, route, line, reason, detail } = record
  const who = record['clientId'] ?? record['subject']
  const word = outcome === 'allow' ? 'allow' : dryRun === true ? 'dry run' : 'deny'
  const style = { allow: 'good', deny: 'bad', 'dry run': 'unsure' } as const
  const parts = [
    paint('faint', String(time).slice(11, 19)),
    paint(style[word], word.padEnd(7)),
    status === undefined ? '   ' : String(status),
    `${said(method)} ${said(path)}`,
  ]
  if (reason !== undefined) parts.push(`${said(reason)}: ${said(detail)}`)
  if (who !== undefined) parts.push(`by ${said(who)}`)
  if (record['tokenId'] !== undefined) parts.push(`token ${said(record['tokenId'])}`)
  if (service !== undefined) {
    parts.push(
      paint(
        'faint',
        route === undefined ? said(service) : `${said(service)} ${said(route)} line ${said(line)}`,
      ),
    )
  }
  return parts.join('  ')
}

/** What a caller sent must not steer the terminal. */
function said(value: unknown): string {
  return value === undefined ? '-' : visible(String(value))
}
