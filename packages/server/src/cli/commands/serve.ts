import { Problem } from '@countersign/sdk/core'
import { mistakesText } from '../../trust/mistake.ts'
import type { Log } from '../../log.ts'
import { workerPlace, workerVariable } from '../../serve/workers/worker-place.ts'
import type { SecretsFor } from '../../trust/reading.ts'
import type { Context } from '../context.ts'
import { exitCodes } from '../exit-codes.ts'
import { loadTrust, readTrustText, trustText } from '../find-trust.ts'
import { untilStopped } from '../until-stopped.ts'

type Options = {
  readonly only?: 'issuer' | 'gateway'
  readonly log: 'debug' | 'info' | 'warn' | 'error'
  readonly announce: string
  readonly workers?: string
  readonly watch: boolean
}

/**
 * Runs what the trust file declares until SIGTERM or SIGINT. The log goes to standard output: JSON lines, or short lines
 * on a terminal. A changed trust file counts from the next request on; a mistaken one never replaces a good one.
 */
export async function run(context: Context, options: Options): Promise<number> {
  const { only, announce, watch } = options
  const { terminal, env } = context
  const place = workerPlace(env)
  if (place !== undefined) return runPlace(context, options, place)
  const announceMs = readSeconds(announce) * 1000
  const asked = readCount(options.workers)
  const secretsFor: SecretsFor = only ?? 'all'
  const loaded = await loadTrust(context, secretsFor)
  const { trust, file, warnings } = loaded
  if (warnings.length > 0) terminal.say(mistakesText(file.name, warnings))
  const [log, { startServers }, { watchTrust }] = await Promise.all([
    openLog(context, options),
    import('../../serve/start.ts'),
    import('../../serve/watch-trust.ts'),
  ])
  let { text } = loaded
  const count = only === 'issuer' ? 1 : (asked ?? trust.gateway?.workers ?? 1)
  const workers =
    count === 1 || trust.gateway === undefined
      ? {}
      : {
          workers: (await import('../../serve/workers/workers.ts')).createWorkers({
            count,
            text,
            file: file.path,
            log,
          }),
        }
  const start = async () => {
    const servers = await startServers({ trust, log, ...(only === undefined ? {} : { only }), ...workers })
    const watching = watchTrust({
      file: file.path,
      onlyOnSignal: !watch,
      log,
      read: () => readTrustText((text = trustText(file)), file.path, env, secretsFor),
      take: (next, renew) => servers.replace(next, { text, renew }),
    })
    process.on('SIGUSR2', () => servers.renewWorkers())
    terminal.say(`serving ${file.name}; Ctrl-C stops`)
    return { servers, watching }
  }
  // Whatever ends us before we have stopped in good order, such as a log that nobody takes any more, is a failure.
  process.exitCode = exitCodes.failure
  // Node's own answer to these is to end. All is being read and started just now, so who is early has their wish.
  const early = (): void => {}
  for (const signal of ['SIGHUP', 'SIGUSR2'] as const) process.on(signal, early)
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

/** One of the gateway's processes: what it does, the primary says. */
async function runPlace(context: Context, options: Options, place: number): Promise<number> {
  const { env } = context
  delete env[workerVariable]
  const [log, { runWorker }] = await Promise.all([
    openLog(context, options, place),
    import('../../serve/workers/worker.ts'),
  ])
  return runWorker({ log, read: (text, path) => readTrustText(text, path, env, 'gateway') })
}

async function openLog({ terminal, json }: Context, { log: level }: Options, worker?: number): Promise<Log> {
  const { createLog } = await import('../../serve/log.ts')
  return createLog({
    level,
    pretty: terminal.isTerminal && !json,
    colour: terminal.paint('strong', '') !== '',
    ...(worker === undefined ? {} : { worker }),
    write: (line) => void process.stdout.write(line),
  })
}

function readCount(text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  const count = /^[0-9]{1,3}$/.test(text) ? Number(text) : 0
  if (count >= 1 && count <= 128) return count
  throw new Problem('usage', `--workers: expected a number from 1 to 128, got ${JSON.stringify(text)}`)
}

function readSeconds(text: string): number {
  const seconds = /^[0-9]{1,3}$/.test(text) ? Number(text) : undefined
  if (seconds !== undefined) return seconds
  throw new Problem(
    'usage',
    `--announce: expected a number of seconds up to 999, got ${JSON.stringify(text)}`,
  )
}
