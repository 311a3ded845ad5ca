import type { Store } from './store.ts'

/** One call of `putOnce`. */
export type Mark = {
  readonly scope: string
  readonly id: string
  readonly expiresAtMs: number
  readonly nowMs: number
}

/**
 * Makes a `putOnce` that writes many marks with one commit: what a commit costs, a flush to the disk or a way to the
 * database and back, is then shared by all requests that came in meanwhile. Nobody waits for others to come: an idle
 * store writes one mark at once.
 *
 * @param write writes all of them or none, in their order, and says of each whether it was the first use.
 * @returns a promise that resolves when its mark is on disk.
 */
export function batchMarks(
  write: (marks: readonly Mark[]) => readonly boolean[] | Promise<readonly boolean[]>,
): Store['putOnce'] {
  let waiting: Waiting[] = []
  let writing = false

  const writeAll = async (): Promise<void> => {
    while (waiting.length > 0) {
      const batch = waiting.slice(0, maxBatch)
      waiting = waiting.slice(maxBatch)
      try {
        const firsts = await write(batch.map(({ mark }) => mark))
        batch.forEach(({ resolve }, index) => resolve(firsts[index] === true))
      } catch (error) {
        for (const { reject } of batch) reject(error)
      }
    }
    writing = false
  }

  return (scope, id, expiresAtMs, nowMs) =>
    new Promise((resolve, reject) => {
      waiting.push({ mark: { scope, id, expiresAtMs, nowMs }, resolve, reject })
      if (writing) return
      writing = true
      // After everything that this turn of the event loop brings.
      setImmediate(() => void writeAll())
    })
}

type Waiting = {
  readonly mark: Mark
  readonly resolve: (isFirst: boolean) => void
  readonly reject: (error: unknown) => void
}

/** So that a flood does not make one transaction that holds up all others. */
const maxBatch = 256
