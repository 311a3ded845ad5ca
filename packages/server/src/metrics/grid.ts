import type { Counter } from './registry.ts'

/**
 * A counter over a few lists of known words. A word that is on no list counts as `other`: nothing that comes from
 * outside can become a label. A combination shows from its first time on.
 *
 * @param prefix label values that stand before those of the lists and are always the same, such as a route's
 *
 * @example
 * const grid = createGrid(metrics.counter('total', 'Help.', ['method', 'status']), [['GET', 'POST'], ['2xx', '4xx']])
 * grid.add('GET', '2xx')
 */
export function createGrid(
  counter: Counter,
  lists: readonly (readonly string[])[],
  prefix: readonly string[] = [],
): Grid {
  const known = lists.map((words) => new Map(words.map((word, index) => [word, index])))
  const widths = lists.map((words) => words.length + 1)
  // Of each combination the number of its series, once it has one.
  const series = new Int32Array(widths.reduce((size, width) => size * width, 1)).fill(-1)
  const [first = none, second = none, third = none] = known
  const [, secondWidth = 1, thirdWidth = 1] = widths

  const name = (cell: number): number => {
    const indexes: number[] = []
    let rest = cell
    for (const width of widths.toReversed()) {
      indexes.unshift(rest % width)
      rest = Math.floor(rest / width)
    }
    return counter.series(...prefix, ...indexes.map((index, list) => lists[list]![index] ?? 'other'))
  }
  return {
    add(one, two = '', three = '') {
      const a = first.get(one) ?? first.size
      const b = secondWidth === 1 ? 0 : (second.get(two) ?? second.size)
      const c = thirdWidth === 1 ? 0 : (third.get(three) ?? third.size)
      const cell = (a * secondWidth + b) * thirdWidth + c
      let index = series[cell]!
      if (index === -1) {
        index = name(cell)
        series[cell] = index
      }
      counter.add(index)
    },
  }
}

export type Grid = {
  /** Counts one, by a word of each list. */
  add(first: string, second?: string, third?: string): void
}

/** The status classes of HTTP, and `none` for a client that left before it was answered. */
export const statusClasses = ['none', '1xx', '2xx', '3xx', '4xx', '5xx'] as const

/** @param status 0 when nothing was answered */
export function statusClass(status: number): (typeof statusClasses)[number] {
  return statusClasses[Math.floor(status / 100)] ?? 'none'
}

const none: ReadonlyMap<string, number> = new Map()
