import { cpus } from 'node:os'

/** One contestant of one case: does the operation `times` times, on inputs that it has prepared outside. */
export type Contestant = {
  readonly name: string
  run(times: number): void | Promise<void>
}

/** The same in a process of its own, which measures itself. */
export type Timed = {
  readonly name: string
  cpuMicros(times: number): Promise<number>
}

export type Measured = {
  readonly name: string
  /** Median CPU microseconds (user and system, all threads of this process) per operation. */
  readonly cpuMicros: number
  /** Median of the ratios to the first contestant, each taken within one round: steadier than a ratio of medians. */
  readonly toFirst: number
}

/**
 * Measures contestants in turns, so that a slow minute of the machine falls on all of them, and takes medians.
 *
 * @param batchMs about how long one batch of one contestant runs, milliseconds.
 */
export async function measure(
  contestants: readonly (Contestant | Timed)[],
  { rounds = 15, batchMs = 40 }: { rounds?: number; batchMs?: number } = {},
): Promise<Measured[]> {
  const sizes: number[] = []
  for (const contestant of contestants) {
    await batch(contestant, 50)
    // Batches grow until one is long enough to time; that also lets the compiler finish.
    let size = 50
    for (;;) {
      const micros = await batch(contestant, size)
      if (micros >= batchMs * 1000) break
      size = Math.ceil(size * Math.min(8, Math.max(1.3, (batchMs * 1100) / Math.max(micros, 1))))
    }
    sizes.push(size)
  }
  const samples = contestants.map((): number[] => [])
  for (let round = 0; round < rounds; round++) {
    for (let index = 0; index < contestants.length; index++) {
      const size = sizes[index]!
      samples[index]!.push((await batch(contestants[index]!, size)) / size)
    }
  }
  return contestants.map(({ name }, index) => ({
    name,
    cpuMicros: median(samples[index]!),
    toFirst: median(samples[index]!.map((sample, round) => sample / samples[0]![round]!)),
  }))
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2
}

/** What a result is worth nothing without. */
export function machine(): string {
  const processor = cpus()[0]?.model.trim() ?? 'unknown processor'
  const { node, openssl, v8 } = process.versions
  return `${cpus().length} × ${processor}, ${process.platform} ${process.arch}, Node ${node} (V8 ${v8}, OpenSSL ${openssl})`
}

/** A Markdown table. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`
  return [line(head), line(head.map((_, index) => (index === 0 ? '---' : '---:'))), ...rows.map(line)].join(
    '\n',
  )
}

function batch(contestant: Contestant | Timed, size: number): Promise<number> {
  return 'run' in contestant ? cpuMicrosOf(contestant, size) : contestant.cpuMicros(size)
}

/** CPU microseconds (user and system, all threads of this process) of so many operations. */
export async function cpuMicrosOf(contestant: Contestant, size: number): Promise<number> {
  const before = process.cpuUsage()
  const running = contestant.run(size)
  if (running !== undefined) await running
  const used = process.cpuUsage(before)
  return used.user + used.system
}
