import { Random } from './random.ts'
import { targets } from './targets.ts'
import type { Target, Tried } from './targets.ts'

export type RunOptions = {
  readonly seed: number
  /** How many inputs. */
  readonly runs: number
  /** The number of the first one; a finding names its own. */
  readonly from?: number
  /** Ends earlier when this much time has passed. */
  readonly seconds?: number
  /** Attacks this one alone. */
  readonly target?: string
  readonly onProgress?: (report: Report) => void
}

/** What became of the inputs: how many of each target ended how. */
export type Report = {
  readonly inputs: number
  readonly seconds: number
  readonly outcomes: ReadonlyMap<string, ReadonlyMap<string, number>>
}

/** An input for which something did not hold that must always hold. */
export class Finding extends Error {
  readonly index: number
  readonly target: string
  readonly input: unknown

  constructor(index: number, target: string, input: unknown, cause: unknown) {
    super(`input ${index} (${target}): ${cause instanceof Error ? cause.message : String(cause)}`, { cause })
    this.index = index
    this.target = target
    this.input = input
  }
}

/**
 * Attacks the targets with `runs` inputs made from `seed`.
 *
 * @throws Finding for the first input for which something did not hold.
 */
export async function fuzz(options: RunOptions): Promise<Report> {
  const { seed, runs, from = 0, seconds = Infinity, target } = options
  const chosen = wheelOf(target === undefined ? targets : targets.filter(({ name }) => name === target))
  const random = new Random()
  const outcomes = new Map(chosen.map(({ name }) => [name, new Map<string, number>()]))
  const started = performance.now()
  const elapsed = (): number => (performance.now() - started) / 1000
  // Nearly every input ends in an error that is thrown and caught, and nobody reads where.
  const { stackTraceLimit } = Error
  Error.stackTraceLimit = 0
  let inputs = 0
  try {
    for (let index = from; index < from + runs; index++) {
      random.start(seed, index)
      const { name, attack } = random.pick(chosen)
      const tried: Tried = { input: undefined }
      try {
        const outcome = await attack(random, tried)
        const counts = outcomes.get(name)!
        counts.set(outcome, (counts.get(outcome) ?? 0) + 1)
      } catch (thrown) {
        throw new Finding(index, name, tried.input, thrown)
      }
      inputs++
      if (inputs % 2000 === 0) {
        if (elapsed() >= seconds) break
        options.onProgress?.({ inputs, seconds: elapsed(), outcomes })
      }
    }
  } finally {
    Error.stackTraceLimit = stackTraceLimit
  }
  return { inputs, seconds: elapsed(), outcomes }
}

function wheelOf(some: readonly Target[]): readonly Target[] {
  return some.flatMap((target) => Array<Target>(target.weight).fill(target))
}
