/**
 * The numbers of a process, and how Prometheus reads them (text format 0.0.4). Three kinds are enough: a counter only
 * grows, a gauge is asked when somebody looks, a histogram counts by size.
 *
 * A series (one combination of label values) is made once, by whoever knows all values it can have, and is a number from
 * then on: counting is one addition in an array. What a caller sends never becomes a label.
 *
 * @example
 * const metrics = createMetrics()
 * const tokens = metrics.counter('countersign_tokens_total', 'Token requests answered.', ['outcome'])
 * const issued = tokens.series('issued')
 * tokens.add(issued)
 * metrics.text()   // countersign_tokens_total{outcome="issued"} 1
 */
export function createMetrics(): Metrics {
  const families = new Map<string, Family>()
  const register = <F extends Family>(family: F): F => {
    // Made twice when the trust file is read again: the numbers go on.
    const known = families.get(family.name)
    if (known !== undefined) return known as F
    families.set(family.name, family)
    return family
  }
  return {
    counter: (name, help, labels = []) => register(new Counter(name, help, labels)),
    histogram: (name, help, labels = [], bounds = secondsBounds) =>
      register(new Histogram(name, help, labels, bounds)),
    gauge: (name, help, read, labels = []) => void register(new Gauge(name, help, labels, read)),
    text() {
      let text = ''
      for (const family of families.values()) text += family.text()
      return text
    },
  }
}

export type Metrics = {
  counter(name: string, help: string, labels?: readonly string[]): Counter
  /** @param bounds upper bounds, ascending; seconds from a millisecond to half a minute unless given */
  histogram(name: string, help: string, labels?: readonly string[], bounds?: readonly number[]): Histogram
  /** @param read called when somebody looks; label values and a number, for each series; nothing when it fails */
  gauge(name: string, help: string, read: GaugeReading, labels?: readonly string[]): void
  /** All of them, as Prometheus reads it. */
  text(): string
}

export type GaugeReading = () => number | Iterable<readonly [labelValues: readonly string[], value: number]>

/** What `/metrics` answers with. */
export const metricsContentType = 'text/plain; version=0.0.4; charset=utf-8'

type Family = { readonly name: string; text(): string }

/** Series by label values, each a number; beyond the bound all new ones are one series, `other`. */
class Series {
  readonly #indexes = new Map<string, number>()
  readonly #labels: readonly string[]
  /** `{route="GET /health"}`, by index. */
  readonly texts: string[] = []

  constructor(labels: readonly string[]) {
    this.#labels = labels
  }

  index(values: readonly string[]): number {
    const text = labelText(this.#labels, values)
    const known = this.#indexes.get(text)
    if (known !== undefined) return known
    if (this.texts.length < mostSeries) return this.#add(text)
    const other = labelText(
      this.#labels,
      this.#labels.map(() => 'other'),
    )
    return this.#indexes.get(other) ?? this.#add(other)
  }

  #add(text: string): number {
    const index = this.texts.push(text) - 1
    this.#indexes.set(text, index)
    return index
  }
}

export class Counter {
  readonly name: string
  readonly #help: string
  readonly #series: Series
  #values = new Float64Array(16)

  constructor(name: string, help: string, labels: readonly string[]) {
    this.name = name
    this.#help = help
    this.#series = new Series(labels)
    // Without labels there is one series, and it is there from the beginning: 0 is a number too.
    if (labels.length === 0) this.series()
  }

  /** The number of the series with these label values, in the order of the labels; the same ones, the same number. */
  series(...values: readonly string[]): number {
    const index = this.#series.index(values)
    this.#values = withRoom(this.#values, index + 1)
    return index
  }

  add(series = 0, amount = 1): void {
    this.#values[series]! += amount
  }

  text(): string {
    let text = head(this.name, this.#help, 'counter')
    for (const [index, labels] of this.#series.texts.entries()) {
      text += `${this.name}${labels} ${this.#values[index]}\n`
    }
    return text
  }
}

export class Histogram {
  readonly name: string
  readonly #help: string
  readonly #series: Series
  readonly #bounds: Float64Array
  /** Of each series: how many fell below each bound, how many were above all, and the sum. */
  #cells = new Float64Array(64)

  constructor(name: string, help: string, labels: readonly string[], bounds: readonly number[]) {
    this.name = name
    this.#help = help
    this.#series = new Series(labels)
    this.#bounds = Float64Array.from(bounds)
    if (labels.length === 0) this.series()
  }

  series(...values: readonly string[]): number {
    const index = this.#series.index(values)
    this.#cells = withRoom(this.#cells, (index + 1) * this.#width)
    return index
  }

  observe(series: number, value: number): void {
    const bounds = this.#bounds
    const start = series * (bounds.length + 2)
    let cell = 0
    while (cell < bounds.length && value > bounds[cell]!) cell++
    this.#cells[start + cell]! += 1
    this.#cells[start + bounds.length + 1]! += value
  }

  text(): string {
    let text = head(this.name, this.#help, 'histogram')
    for (const [index, labels] of this.#series.texts.entries()) {
      const start = index * this.#width
      const before = labels === '' ? '{' : `${labels.slice(0, -1)},`
      let count = 0
      for (const [cell, bound] of this.#bounds.entries()) {
        count += this.#cells[start + cell]!
        text += `${this.name}_bucket${before}le="${bound}"} ${count}\n`
      }
      count += this.#cells[start + this.#bounds.length]!
      text += `${this.name}_bucket${before}le="+Inf"} ${count}\n`
      text += `${this.name}_sum${labels} ${this.#cells[start + this.#bounds.length + 1]}\n`
      text += `${this.name}_count${labels} ${count}\n`
    }
    return text
  }

  get #width(): number {
    return this.#bounds.length + 2
  }
}

class Gauge {
  readonly name: string
  readonly #help: string
  readonly #labels: readonly string[]
  readonly #read: GaugeReading

  constructor(name: string, help: string, labels: readonly string[], read: GaugeReading) {
    this.name = name
    this.#help = help
    this.#labels = labels
    this.#read = read
  }

  text(): string {
    // What somebody else counts is a counter, although it is read like a gauge.
    let text = head(this.name, this.#help, this.name.endsWith('_total') ? 'counter' : 'gauge')
    try {
      const reading = this.#read()
      const all = typeof reading === 'number' ? ([[[], reading]] as const) : reading
      for (const [values, value] of all) text += `${this.name}${labelText(this.#labels, values)} ${value}\n`
    } catch {
      // One number that cannot be had must not hide all the others; its absence is what alerts look for.
    }
    return text
  }
}

function head(name: string, help: string, type: string): string {
  return `# HELP ${name} ${help.replaceAll('\\', '\\\\').replaceAll('\n', '\\n')}\n# TYPE ${name} ${type}\n`
}

function labelText(labels: readonly string[], values: readonly string[]): string {
  if (labels.length === 0) return ''
  return `{${labels.map((label, index) => `${label}="${escaped(values[index] ?? '')}"`).join(',')}}`
}

function escaped(value: string): string {
  return value.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n')
}

function withRoom(values: Float64Array<ArrayBuffer>, length: number): Float64Array<ArrayBuffer> {
  if (values.length >= length) return values
  const larger = new Float64Array(Math.max(length, values.length * 2))
  larger.set(values)
  return larger
}

/** Far more than any trust file needs, far less than would hurt. */
const mostSeries = 20_000
const secondsBounds = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30]
