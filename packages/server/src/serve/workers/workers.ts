import cluster from 'node:cluster'
import { randomBytes } from 'node:crypto'
import { Problem, Secret } from '@countersign/sdk/core'
import { createProofReplays } from '@countersign/sdk/jwt'
import { createGateway, newViaName } from '../../gateway/gateway.ts'
import type { Log } from '../../log.ts'
import { countedOnly, mergeReadings } from '../../metrics/merge.ts'
import type { FamilyReading, Metrics } from '../../metrics/registry.ts'
import { createTokenBuckets } from '../../token-bucket.ts'
import type { Trust } from '../../trust/trust.ts'
import type { GatewayAddresses } from '../gateway-listeners.ts'
import { createSharedAnswers } from './shared-answers.ts'
import { WorkerProcess } from './worker-process.ts'
import type { WorkerEnd } from './worker-process.ts'

export type WorkersOptions = {
  /** How many processes. */
  readonly count: number
  /** The trust file's text and where it is. */
  readonly text: string
  readonly file: string
  readonly log: Log
  /** How long requests at hand may take when a worker leaves, milliseconds; 10,000 unless given. */
  readonly drainMs?: number
}

/** The gateway, in several processes at one address. */
export type GatewayWorkers = {
  /**
   * @param issuerAtHand our issuer is in this process
   * @returns where they listen
   * @throws Problem `worker-failed`, and none is left
   */
  start(metrics: Metrics | undefined, issuerAtHand: boolean): Promise<GatewayAddresses>
  /** @throws Problem when the gateway cannot be put to work by this trust file */
  check(trust: Trust): void
  /** Tells all workers of another trust file, which has been checked. */
  replace(text: string): void
  /** Replaces them one after the other: the new one listens before the old one leaves. One at a time, however often asked. */
  renew(): Promise<void>
  /** Whether at least one of them is ready to be sent requests. */
  isReady(): boolean
  /** What all of them, and those before them, have counted. */
  readings(): Promise<readonly FamilyReading[]>
  /** Lets all of them finish; none is left then. */
  close(options?: { readonly announceMs?: number }): Promise<void>
}

/**
 * Runs the gateway in `count` processes at one address. They share one listening socket, so that a connection that waits
 * to be accepted is lost with none of them; one that ends unasked is replaced, after a while that grows.
 *
 * @example
 * const workers = createWorkers({ count: 4, text, file, log })
 * const { gateway } = await workers.start(metrics)
 */
export function createWorkers({
  count,
  file,
  log,
  drainMs = 10_000,
  ...given
}: WorkersOptions): GatewayWorkers {
  let { text } = given
  let issuerAtHand = false
  const viaName = newViaName()
  const nonceSecret = randomBytes(32).toString('base64')
  const shared = createSharedAnswers()
  const places: Place[] = Array.from({ length: count }, (_, index) => ({
    number: index + 1,
    worker: undefined,
    failures: 0,
    timer: undefined,
  }))
  const leaving = new Set<WorkerProcess>()
  /** What workers had counted that have ended. */
  let counted: FamilyReading[] = []
  const restarts = { crashed: 0, renewed: 0 }
  let closing: Promise<void> | undefined
  let renewing: Promise<void> | undefined
  let again = false
  let watch: NodeJS.Timeout | undefined

  const fork = (
    place: Place,
    keys: { readonly withinMs: number; readonly needed: boolean },
  ): WorkerProcess => {
    const start = () =>
      ({
        kind: 'start',
        text,
        file,
        processes: count,
        viaName,
        issuerAtHand,
        nonceSecret,
        keysWithinMs: keys.withinMs,
        needsKeys: keys.needed,
      }) as const
    const worker = new WorkerProcess(place.number, start, (ask) => shared.answer(ask))
    void worker.ended.then((end) => {
      counted = mergeReadings([counted, countedOnly(worker.reading)])
      leaving.delete(worker)
      if (place.worker === worker) lost(place, worker, end)
    })
    return worker
  }
  /** A worker has ended that nobody has told to. */
  const lost = (place: Place, worker: WorkerProcess, end: WorkerEnd): void => {
    place.worker = undefined
    if (closing !== undefined || worker.leaving) return
    if (performance.now() - worker.startedMs > steadyMs) place.failures = 0
    const waitMs = place.failures === 0 ? 0 : Math.min(longestWaitMs, 250 * 2 ** place.failures)
    place.failures += 1
    restarts.crashed += 1
    log.error('worker.ended', { worker: place.number, ...endFields(end) })
    place.timer = setTimeout(() => {
      place.worker = fork(place, { withinMs: 5_000, needed: false })
      void place.worker.listening.then((addresses) => {
        if (addresses !== undefined) log.info('worker.started', { worker: place.number })
      })
    }, waitMs)
  }
  const leave = async (worker: WorkerProcess, announceMs: number, unnoticed: boolean): Promise<void> => {
    leaving.add(worker)
    const drainsMs = unnoticed ? drainMs * 6 : drainMs
    await worker.leave({ announceMs, unnoticed }, announceMs + drainsMs + 5_000)
  }
  const renewAll = async (): Promise<void> => {
    log.info('workers.renewing')
    for (const place of places) {
      if (closing !== undefined) return
      // It is to be replaced anyway.
      if (place.worker === undefined) continue
      const next = fork(place, { withinMs: 30_000, needed: true })
      leaving.add(next)
      const addresses = await next.listening
      leaving.delete(next)
      if (closing !== undefined) return leave(next, 0, false)
      if (addresses === undefined) {
        log.error('workers.not-renewed', {
          worker: place.number,
          ...endFields(await next.ended),
          next: 'the workers that were not replaced yet go on',
        })
        return
      }
      // Another one, when the old one has ended meanwhile.
      const present = place.worker
      clearTimeout(place.timer)
      place.worker = next
      restarts.renewed += 1
      if (present !== undefined) await leave(present, 0, true)
    }
    log.info('workers.renewed')
  }
  /** One that says nothing any more takes its connections with it, but not its place. */
  const lookAfter = (): void => {
    for (const { worker, number } of places) {
      if (worker === undefined || worker.leaving || worker.lookAfter() < hungLooks) continue
      log.error('worker.hangs', { worker: number })
      worker.kill()
    }
  }
  const all = (): WorkerProcess[] => {
    const placed = places.flatMap(({ worker }) => (worker === undefined ? [] : [worker]))
    return [...new Set([...placed, ...leaving])]
  }

  return {
    async start(metrics, hasIssuer) {
      issuerAtHand = hasIssuer
      if (!cluster.isPrimary) {
        throw new Problem('worker-failed', 'this process is itself a worker of some other cluster', {
          next: 'start countersign by itself, or with --workers 1',
        })
      }
      // Connections wait in one queue for all, and a worker takes one when it has time for it.
      cluster.schedulingPolicy = cluster.SCHED_NONE
      metrics?.gauge('countersign_gateway_workers', 'Worker processes that are ready.', () => ready(places))
      metrics?.gauge(
        'countersign_gateway_worker_restarts_total',
        'Worker processes that were replaced.',
        () => Object.entries(restarts).map(([why, times]) => [[why], times] as const),
        ['why'],
      )
      const startOne = async (place: Place): Promise<GatewayAddresses> => {
        // In its place only when it listens: one that cannot begin is not to be tried again and again.
        const worker = fork(place, { withinMs: 0, needed: false })
        leaving.add(worker)
        const addresses = await worker.listening
        if (addresses === undefined) throw failed(await worker.ended)
        leaving.delete(worker)
        place.worker = worker
        return addresses
      }
      const [first, ...others] = places
      try {
        // Alone: what keeps one from listening keeps all, and is to be said once.
        const addresses = await startOne(first!)
        await Promise.all(others.map(startOne))
        watch = setInterval(lookAfter, lookMs).unref()
        return addresses
      } catch (error) {
        await this.close()
        throw error
      }
    },
    check: (trust) => checkGateway(trust, count),
    replace(next) {
      text = next
      for (const worker of all()) worker.tell({ kind: 'trust', text })
    },
    async renew() {
      again = true
      renewing ??= (async () => {
        while (again && closing === undefined) {
          again = false
          await renewAll()
        }
      })().finally(() => (renewing = undefined))
      await renewing
    },
    isReady: () => closing === undefined && ready(places) > 0,
    async readings() {
      const workers = all()
      await Promise.all(workers.map((worker) => worker.askNumbers()))
      return mergeReadings([counted, ...workers.map(({ reading }) => reading)])
    },
    close({ announceMs = 0 } = {}) {
      closing ??= (async () => {
        clearInterval(watch)
        for (const { timer } of places) clearTimeout(timer)
        await Promise.all(all().map((worker) => leave(worker, announceMs, false)))
      })()
      return closing
    },
  }
}

/** Where one worker after the other stands. */
type Place = {
  readonly number: number
  worker: WorkerProcess | undefined
  /** Ends in a row that came soon. */
  failures: number
  timer: NodeJS.Timeout | undefined
}

function ready(places: readonly Place[]): number {
  return places.filter(({ worker }) => worker?.isReady === true).length
}

/** What workers would do with this file, done here once and let go of, so that a file counts for all of them or for none. */
function checkGateway(trust: Trust, processes: number): void {
  if (trust.gateway === undefined) return
  const gateway = createGateway({
    trust,
    shared: {
      processes,
      viaName: '',
      nonceSecret: new Secret(randomBytes(32)),
      replays: createProofReplays(),
      buckets: (_name, rate) => createTokenBuckets(rate),
    },
  })
  void gateway.close()
}

function failed({ code, signal, failure }: WorkerEnd): Problem {
  return new Problem(
    'worker-failed',
    failure?.message ?? `a worker ended with ${signal ?? code} as it began`,
    {
      next: failure?.next ?? 'look at the lines above, or start with --workers 1',
    },
  )
}

function endFields({ code, signal, failure }: WorkerEnd) {
  return { status: code, signal, message: failure?.message }
}

/** Who has run for so long did not end because of how it began. */
const steadyMs = 60_000
const longestWaitMs = 30_000
const lookMs = 1_000
/** Half a minute: far longer than any pause. */
const hungLooks = 30
