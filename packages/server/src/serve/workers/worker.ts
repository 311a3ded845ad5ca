import cluster from 'node:cluster'
import { isProblem, Problem, Secret } from '@countersign/sdk/core'
import { createGateway } from '../../gateway/gateway.ts'
import type { Gateway } from '../../gateway/gateway.ts'
import type { Log } from '../../log.ts'
import { observeProcess } from '../../metrics/process-metrics.ts'
import { createMetrics } from '../../metrics/registry.ts'
import { createAccessLog } from '../../tracing/access-log.ts'
import type { TrustReading } from '../../trust/read.ts'
import type { Trust } from '../../trust/trust.ts'
import { logDecision } from '../decision-log.ts'
import { listenGateway, tracingIfAny } from '../gateway-listeners.ts'
import { createAsking } from './ask-primary.ts'
import type { Asking } from './ask-primary.ts'
import type { FromWorker, ToWorker } from './messages.ts'

export type WorkerOptions = {
  readonly log: Log
  /** Reads a trust file's text, with its secrets. */
  readonly read: (text: string, file: string) => Promise<TrustReading>
  /** How long requests at hand may take when it leaves, milliseconds; 10,000 unless given. */
  readonly drainMs?: number
}

/**
 * Runs the gateway in a process that shares its address with others, until the primary says to leave.
 *
 * Signals are the primary's: a terminal and a service manager send them to all processes at once, and only the primary
 * knows who goes when. A worker whose primary is gone ends at once, since nobody could tell it of used proofs any more.
 *
 * @returns how it ended: 0 when it was told to leave, 1 when it could not begin
 */
export async function runWorker({ log, read, drainMs = 10_000 }: WorkerOptions): Promise<0 | 1> {
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP', 'SIGUSR2'] as const)
    process.on(signal, () => undefined)
  // A primary that is gone is noticed by the end of its channel, and then there is nothing more to say.
  cluster.worker?.on('error', () => undefined)
  const asking = createAsking((asks) => {
    void tell({ kind: 'asks', asks })
    return process.connected
  })
  let opening: Promise<Worker> | undefined
  let worker: Worker | undefined
  const code = await new Promise<0 | 1>((end) => {
    process.on('message', (message: ToWorker) => {
      switch (message.kind) {
        case 'start':
          opening = open(message, { log, read, drainMs, asking })
          opening.then(
            (opened) => (worker = opened),
            (error: unknown) => void tell({ kind: 'failed', ...described(error) }).then(() => end(1)),
          )
          return
        case 'trust':
          return void opening?.then((opened) => opened.replace(message.text)).catch(() => undefined)
        case 'answers':
          return asking.settle(message.answers)
        case 'numbers':
          return void worker?.tellNumbers()
        case 'leave':
          // One that has not begun yet has nothing to finish.
          if (worker === undefined) return end(0)
          return void worker.leave(message).then(() => end(0))
      }
    })
    void tell({ kind: 'hello' })
  })
  // Otherwise Node waits for more to be told.
  if (process.connected) process.disconnect!()
  return code
}

type Worker = {
  replace(text: string): void
  tellNumbers(): Promise<void>
  leave(how: { readonly announceMs: number; readonly unnoticed: boolean }): Promise<void>
}

type Start = Extract<ToWorker, { kind: 'start' }>

async function open(
  start: Start,
  { log, read, drainMs, asking }: Required<WorkerOptions> & { readonly asking: Asking },
): Promise<Worker> {
  const { file, processes, viaName, nonceSecret, issuerAtHand } = start
  const trust = await readTrust(start.text, file, read)
  const metrics = createMetrics()
  const stopObserving = observeProcess(metrics)
  const accessLog = createAccessLog(log, trust.operations?.accessLogShare ?? 0)
  const tracing = await tracingIfAny()
  const gateway = createGateway({
    trust,
    log,
    onDecision: logDecision(log),
    limits: { drainMs },
    ...(trust.operations?.listen === undefined ? {} : { metrics }),
    ...(accessLog === undefined ? {} : { accessLog }),
    ...(tracing === undefined ? {} : { tracing }),
    shared: {
      processes,
      viaName,
      ...(issuerAtHand ? { revocationsEverySeconds: 1 } : {}),
      nonceSecret: new Secret(Buffer.from(nonceSecret, 'base64')),
      replays: asking.replays,
      buckets: asking.buckets,
    },
  })
  try {
    await keysOf(gateway, start)
    void tell({ kind: 'listening', addresses: await listenGateway(gateway, trust, log, 'shared') })
  } catch (error) {
    await gateway.close()
    stopObserving()
    throw error
  }
  const beat = (): void => void tell({ kind: 'beat', isReady: gateway.isReady() })
  beat()
  const beats = setInterval(beat, beatMs)
  const tellNumbers = (): Promise<void> => tell({ kind: 'numbers', reading: metrics.read() })
  let reloads = Promise.resolve()
  return {
    tellNumbers,
    replace(text) {
      // One after the other: the last one told is the last one to count.
      reloads = reloads.then(async () => {
        try {
          gateway.replace(await readTrust(text, file, read))
          log.info('trust.replaced', { file })
        } catch (error) {
          log.error('trust.refused', { file, ...described(error), next: 'the file before goes on' })
        }
      })
    },
    async leave(how) {
      await gateway.close(how)
      clearInterval(beats)
      stopObserving()
      await tellNumbers()
    },
  }
}

/** The primary has read it without a mistake; but secrets and files are read anew, and may have gone meanwhile. */
async function readTrust(text: string, file: string, read: WorkerOptions['read']): Promise<Trust> {
  const reading = await read(text, file)
  if (reading.kind === 'trust') return reading.trust
  const [first] = reading.mistakes
  throw new Problem('trust-invalid', `${file}: ${first?.message ?? 'it has mistakes'}`, {
    next: '`countersign check` lists every mistake',
  })
}

/**
 * Looks for keys before anybody is let in: who listens gets its share of the connections, and without keys it could only
 * answer 503 to them, while others have the keys.
 */
async function keysOf(gateway: Gateway, { keysWithinMs, needsKeys }: Start): Promise<void> {
  const untilMs = performance.now() + keysWithinMs
  while (!gateway.isReady()) {
    if (performance.now() < untilMs) await new Promise((resolve) => setTimeout(resolve, 50))
    else if (needsKeys) {
      throw new Problem('keys-unavailable', 'it has got no keys to decide with', {
        next: 'see that the issuer can be reached from here',
      })
    } else return
  }
}

/** Resolved when it has left, or when there is nobody any more to take it. */
function tell(message: FromWorker): Promise<void> {
  return new Promise((resolve) => {
    if (process.send === undefined || !process.connected) return resolve()
    process.send(message, undefined, undefined, () => resolve())
  })
}

function described(error: unknown): { readonly message: string; readonly next: string | undefined } {
  if (isProblem(error)) return { message: error.message, next: error.next }
  return { message: `a defect in countersign: ${String(error)}`, next: undefined }
}

const beatMs = 500
