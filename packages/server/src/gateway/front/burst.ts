/**
 * Does together what one turn of the event loop brought: it is all read first, then decided about, then written. Between
 * two socket writes the kernel's code and data and ours push each other out of the processor's caches, so a request that
 * is served all by itself costs half as much again.
 */
export class Burst {
  #arrived: Arrival[] = []
  #leaving: Departure[] = []
  #scheduled = false

  /** `serve` is called before the next turn's input is read. */
  arrive(one: Arrival): void {
    this.#arrived.push(one)
    this.#schedule()
  }

  /** `leave` is called before the next turn's input is read, and behind those that are served with it. */
  leave(one: Departure): void {
    this.#leaving.push(one)
    this.#schedule()
  }

  #schedule(): void {
    if (this.#scheduled) return
    this.#scheduled = true
    setImmediate(this.#work)
  }

  readonly #work = (): void => {
    const arrived = this.#arrived
    this.#arrived = []
    // Replies wait for nobody's decision.
    this.#write()
    for (let from = 0; from < arrived.length; from += mostAtOnce) {
      // Bounded, so that a crowd's first request does not wait for the signature of its last one.
      const to = Math.min(from + mostAtOnce, arrived.length)
      for (let index = from; index < to; index++) {
        try {
          arrived[index]!.serve()
        } catch (defect) {
          report(defect)
        }
      }
      this.#write()
    }
    this.#scheduled = false
    if (this.#arrived.length + this.#leaving.length > 0) this.#schedule()
  }

  #write(): void {
    const leaving = this.#leaving
    if (leaving.length === 0) return
    this.#leaving = []
    for (const one of leaving) {
      try {
        one.leave()
      } catch (defect) {
        report(defect)
      }
    }
  }
}

/** Who has sent a request. */
export type Arrival = { serve(): void }

/** Who has something to write. */
export type Departure = { leave(): void }

/** There is one event loop. */
export const burst = new Burst()

/** As if it had been thrown by itself: the others are served all the same. */
function report(defect: unknown): void {
  process.nextTick(() => {
    throw defect
  })
}

const mostAtOnce = 32
