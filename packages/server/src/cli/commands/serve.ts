import { Problem } from '@countersign/sdk/core'
import { mistakesText } from '../../trust/mistake.ts'
import type { SecretsFor } from '../../trust/reading.ts'
import type { Context } from '../context.ts'
import { exitCodes } from '../exit-codes.ts'
import { loadTrust, readTrustFile } from '../find-trust.ts'
import { untilStopped } from '../until-stopped.ts'

type Options = {
  readonly only?: 'issuer' | 'gateway'
  readonly log: 'debug' | 'info' | 'warn' | 'error'
  readonly announce: string
  readonly watch: boolean
}

/**
 * Runs what the trust file declares until SIGTERM or SIGINT. The log goes to standard output: JSON lines, or short lines
 * on a terminal. A changed trust file counts from the next request on; a mistaken one never replaces a good one.
 */
export async function run(context: Context, { only, log: level, announce, watch }: Options): Promise<number> {
  const { terminal, env, json } = context
  const announceMs = readSeconds(announce) * 1000
  const secretsFor: SecretsFor = only ?? 'all'
  const { trust, file, warnings } = await loadTrust(context, secretsFor)
  if (warnings.length > 0) terminal.say(mistakesText(file.name, warnings))
  const [{ createLog }, { startServers }, { watchTrust }] = await Promise.all([
    import('../../serve/log.ts'),
    import('../../serve/start.ts'),
    import('../../serve/watch-trust.ts'),
  ])
  const log = createLog({
    level,
    pretty: terminal.isTerminal && !json,
    colour: terminal.paint('strong', '') !== '',
    write: (line) => void process.stdout.write(line),
  })
  const start = async () => {
    const servers = await startServers({ trust, log, ...(only === undefined ? {} : { only }) })
    const watching = watchTrust({
      file: file.path,
      onlyOnSignal: !watch,
      log,
      read: () => readTrustFile(file, env, secretsFor),
      take: (next) => servers.replace(next),
    })
    terminal.say(`serving ${file.name}; Ctrl-C stops`)
    return { servers, watching }
  }
  // Whatever ends us before we have stopped in good order, such as a log that nobody takes any more, is a failure.
  process.exitCode = exitCodes.failure
  // Node's own answer to SIGHUP is to end. The file is being read just now, so one that comes early has its wish.
  const early = (): void => {}
  process.on('SIGHUP', early)
  const starting = start().finally(() => process.off('SIGHUP', early))
  // Listened for from the beginning: whoever stops us while we start gets a stop in good order too.
  const stopped = untilStopped(async (signal) => {
    const { servers, watching } = await starting
    log.info('serve.signal', { signal })
    watching.close()
    await servers.close({ announceMs })
  })
  await starting
  await stopped
  return exitCodes.ok
}

function readSeconds(text: string): number {
  const seconds = /^[0-9]{1,3}$/.test(text) ? Number(text) : undefined
  if (seconds !== undefined) return seconds
  throw new Problem(
    'usage',
    `--announce: expected a number of seconds up to 999, got ${JSON.stringify(text)}`,
  )
}
