import type { Log, LogFields } from '../log.ts'
import { looksSecret } from '../looks-secret.ts'
import { prettyLine } from './pretty-line.ts'

export type LogLevel = 'debug' | 'info' | 'warn' | 'error'

export type LogOptions = {
  readonly level?: LogLevel
  /** Short lines for people instead of JSON lines for machines. */
  readonly pretty?: boolean
  readonly colour?: boolean
  /** Stands in every line: which of several processes wrote it. */
  readonly worker?: number
  /** Takes whole lines, each with its line break. */
  readonly write: (line: string) => void
}

/**
 * The servers' log: one line an event, `{"level":…,"time":…,"event":…}` and the event's own fields.
 *
 * Only fields that are listed below get in, and no text that looks like a token or a key: what may be logged is decided
 * here, once, and not at each of the places that log. A field that is not listed leaves its name in `unlisted`.
 *
 * @example
 * const log = createLog({ write: (line) => process.stdout.write(line) })
 * log.info('keys.active', { keyId })   // {"level":"info","time":"2026-11-21T08:31:02.120Z","event":"keys.active",…}
 */
export function createLog({
  level = 'info',
  pretty = false,
  colour = false,
  worker,
  write,
}: LogOptions): Log {
  const lowest = levels.indexOf(level)
  const process = worker === undefined ? {} : { worker }
  const at = (name: LogLevel) => {
    if (levels.indexOf(name) < lowest) return () => {}
    return (event: string, fields: LogFields = {}): void => {
      const time = new Date().toISOString()
      const line = JSON.stringify({ level: name, time, ...process, event, ...listedOnly(fields) }) + '\n'
      write(pretty ? prettyLine(line, colour) : line)
    }
  }
  return { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') }
}

function listedOnly(fields: LogFields): Record<string, unknown> {
  const known: Record<string, unknown> = {}
  const unlisted: string[] = []
  for (const [name, value] of Object.entries(fields)) {
    if (value === undefined) continue
    if (logFields.has(name)) known[name] = safe(value)
    else unlisted.push(name)
  }
  return unlisted.length === 0 ? known : { ...known, unlisted }
}

function safe(value: Exclude<LogFields[string], undefined>): unknown {
  if (typeof value === 'string') return safeText(value)
  return Array.isArray(value) ? value.map((item) => safeText(String(item))) : value
}

/** The list of fields is the rule; this is for the message of a library that repeats what it was given. */
function safeText(text: string): string {
  if (looksSecret(text)) return '[hidden]'
  return text.length > maxTextLength ? `${text.slice(0, maxTextLength)}…` : text
}

const levels: readonly LogLevel[] = ['debug', 'info', 'warn', 'error']
const maxTextLength = 2000

/** Every field that may be logged. Names, ids, counts, addresses and reasons; nothing that opens anything. */
export const logFields: ReadonlySet<string> = new Set([
  // What happened
  'because',
  'code',
  'detail',
  'dryRun',
  'error',
  'failure',
  'message',
  'next',
  'outcome',
  'problem',
  'reason',
  'stack',
  'durationMs',
  'traceId',
  'status',
  // To which request
  'line',
  'method',
  'path',
  'requestId',
  'route',
  'service',
  'upstream',
  // By whom
  'address',
  'audience',
  'client',
  'clientId',
  'grant',
  'issuer',
  'keyId',
  'roles',
  'scope',
  'scopes',
  'subject',
  'tokenId',
  // With which keys, files and settings
  'activeFrom',
  'added',
  'algorithm',
  'changed',
  'expiresAt',
  'file',
  'leftOut',
  'lifetimeSeconds',
  'mistakes',
  'part',
  'removed',
  'signal',
  'stillServing',
  'url',
  'version',
  'worker',
])
