import cluster from 'node:cluster'
import type { Worker } from 'node:cluster'
import type { FamilyReading } from '../../metrics/registry.ts'
import type { Answer, Ask, FromWorker, ToWorker } from './messages.ts'
import type { GatewayAddresses } from '../gateway-listeners.ts'
import { workerVariable } from './worker-place.ts'

/** How it ended. */
export type WorkerEnd = {
  readonly code: number | null
  readonly signal: string | null
  /** Why it could not begin, in its own words. */
  readonly failure: { readonly message: string; readonly next: string | undefined } | undefined
}

/** One worker, as the primary sees it, from its start to its end. */
export class WorkerProcess {
  /** 1, 2, …: its place; who takes over a place takes over its number. */
  readonly number: number
  /** Where it listens; undefined when it has ended without. */
  readonly listening: Promise<GatewayAddresses | undefined>
  readonly ended: Promise<WorkerEnd>
  readonly startedMs = performance.now()
  /** Told to leave: its end is no surprise. */
  leaving = false
  /** The last that it has told. */
  reading: readonly FamilyReading[] = []
  readonly #worker: Worker
  #isReady = false
  #silentLooks = 0
  #failure: WorkerEnd['failure']
  #told: (() => void)[] = []

  /** @param start asked for when the worker is there, so that it begins with what counts then */
  constructor(number: number, start: () => ToWorker, answer: (ask: Ask) => Answer) {
    this.number = number
    // Whoever has settled how workers begin keeps that.
    const { execArgv = process.execArgv } = cluster.settings
    cluster.setupPrimary({ execArgv: withYoungGeneration(execArgv, process.env['NODE_OPTIONS']) })
    this.#worker = cluster.fork({ [workerVariable]: String(number) })
    const { promise: listening, resolve: listens } = Promise.withResolvers<GatewayAddresses | undefined>()
    const { promise: ended, resolve: ends } = Promise.withResolvers<WorkerEnd>()
    this.listening = listening
    this.ended = ended
    this.#worker.on('message', (message: FromWorker) => {
      this.#silentLooks = 0
      switch (message.kind) {
        case 'hello':
          return this.tell(start())
        case 'listening':
          return listens(message.addresses)
        case 'failed':
          return void (this.#failure = message)
        case 'beat':
          return void (this.#isReady = message.isReady)
        case 'numbers':
          this.reading = message.reading
          for (const told of this.#told.splice(0)) told()
          return
        case 'asks':
          return this.tell({ kind: 'answers', answers: message.asks.map(answer) })
      }
    })
    this.#worker.on('error', () => undefined)
    this.#worker.on('exit', (code, signal) => {
      this.#isReady = false
      listens(undefined)
      for (const told of this.#told.splice(0)) told()
      const end = (): void => ends({ code, signal, failure: this.#failure })
      // What it has told last may still be on its way.
      if (this.#worker.isConnected()) this.#worker.once('disconnect', end)
      else end()
    })
  }

  get isReady(): boolean {
    return this.#isReady && !this.leaving && this.#silentLooks < 5
  }

  /**
   * How often it has been looked after without a word of it between. Not how long: a primary that was stopped itself
   * would find all of them silent.
   */
  lookAfter(): number {
    return (this.#silentLooks += 1)
  }

  tell(message: ToWorker): void {
    // One that is going cannot be told any more, and `ended` says so.
    if (this.#worker.isConnected()) this.#worker.send(message, () => undefined)
  }

  /** Asks for its numbers; one that does not answer within a second leaves those it has told before. */
  async askNumbers(): Promise<void> {
    if (!this.#worker.isConnected()) return
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, 1_000)
      this.#told.push(() => {
        clearTimeout(timer)
        resolve()
      })
      this.tell({ kind: 'numbers' })
    })
  }

  /** Lets it finish what it has begun. @param killAfterMs when it is ended all the same */
  async leave(
    how: { readonly announceMs: number; readonly unnoticed: boolean },
    killAfterMs: number,
  ): Promise<void> {
    this.leaving = true
    this.tell({ kind: 'leave', ...how })
    const timer = setTimeout(() => this.kill(), killAfterMs)
    await this.ended
    clearTimeout(timer)
  }

  kill(): void {
    this.#worker.process.kill('SIGKILL')
  }
}

/**
 * What a worker's Node is started with: this one's options, and four mebibytes for what is short-lived, unless somebody has
 * chosen. V8 would let it grow, and what is only passed on would take up more memory than all that is remembered.
 */
export function withYoungGeneration(options: readonly string[], nodeOptions = ''): string[] {
  const chosen = [...options, nodeOptions].some((option) =>
    option.replaceAll('_', '-').includes(semiSpaceSize),
  )
  return chosen ? [...options] : [...options, `${semiSpaceSize}=4`]
}

const semiSpaceSize = '--max-semi-space-size'
