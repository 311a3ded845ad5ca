/**
 * A small, fast, seeded generator (sfc32 by Chris Doty-Humphrey, public domain). Every input gets its own from the
 * run's seed and its number, so that one input can be made again without those before it.
 */
export class Random {
  #a = 0
  #b = 0
  #c = 0
  #counter = 1

  /** Starts over for input number `index` of the run with this seed. */
  start(seed: number, index: number): void {
    this.#a = seed | 0
    this.#b = index | 0
    this.#c = (index / 2 ** 32) | 0
    this.#counter = 1
    for (let round = 0; round < 12; round++) this.next()
  }

  /** 32 random bits, not negative. */
  next(): number {
    const sum = (((this.#a + this.#b) | 0) + this.#counter) | 0
    this.#counter = (this.#counter + 1) | 0
    this.#a = this.#b ^ (this.#b >>> 9)
    this.#b = (this.#c + (this.#c << 3)) | 0
    this.#c = ((this.#c << 21) | (this.#c >>> 11)) + sum
    return sum >>> 0
  }

  /** A whole number from 0 up to `limit`, exclusive; 0 when there is no room. */
  below(limit: number): number {
    return limit <= 1 ? 0 : this.next() % limit
  }

  /** True once in `times`. */
  once(times: number): boolean {
    return this.below(times) === 0
  }

  pick<T>(list: readonly T[]): T {
    return list[this.below(list.length)]!
  }
}
