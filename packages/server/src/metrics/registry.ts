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
    gauge: (name, help, read, labels = [], across = 'sum') =>
      void register(new Gauge(name, help, labels, read, across)),
    read: () => [...families.values()].map((family) => family.read()),
    text: () => metricsText([...families.values()].map((family) => family.read())),
  }
}

export type Metrics = {
  counter(name: string, help: string, labels?: readonly string[]): Counter
  /** @param bounds upper bounds, ascending; seconds from a millisecond to half a minute unless given */
  histogram(name: string, help: string, labels?: readonly string[], bounds?: readonly number[]): Histogram
  /**
   * @param read called when somebody looks; label values and a number, for each series; nothing when it fails
   * @param across what the numbers of several processes make together; their sum unless given
   */
  gauge(
    name: string,
    help: string,
    read: GaugeReading,
    labels?: readonly string[],
    across?: FamilyReading['across'],
  ): void
  /** All of them as they are now, to be put together with those of other processes. */
  read(): FamilyReading[]
  /** All of them, as Prometheus reads it. */
  text(): string
}

/** The numbers of one name at one moment; plain, so that another process can be told. */
export type FamilyReading = {
  readonly name: string
  readonly help: string
  readonly type: 'counter' | 'gauge' | 'histogram'
  /** What the numbers of several processes make together. */
  readonly across: 'sum' | 'max' | 'min'
  /** Each with its whole name, `requests_total{route="GET /health"}`, in the order in which they are shown. */
  readonly numbers: readonly (readonly [series: string, value: number])[]
}

/** As Prometheus reads it. */
export function metricsText(families: readonly FamilyReading[]): string {
  let text = ''
  for (const { name, help, type, numbers } of families) {
    const line = help.replaceAll('\\', '\\\\').replaceAll('\n', '\\n')
    text += `# HELP ${name} ${line}\n# TYPE ${name} ${type}\n`
    for (const [series, value] of numbers) text += `${series} ${value}\n`
  }
  return text
}

export type GaugeReading = () => number | Iterable<readonly [labelValues: readonly string[], value: number]>

/** What `/metrics` answers with. */
export const metricsContentType = 'text/plain; version=0.0.4; charset=utf-8'

type Family = { readonly name: string; read(): FamilyReading }

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

  read(): FamilyReading {
    const numbers = this.#series.texts.map(
      (labels, index) => [`${this.name}${labels}`, this.#values[index]!] as const,
    )
    return { name: this.name, help: this.#help, type: 'counter', across: 'sum', numbers }
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

  read(): FamilyReading {
    const numbers: [string, number][] = []
    for (const [index, labels] of this.#series.texts.entries()) {
      const start = index * this.#width
      const before = labels === '' ? '{' : `${labels.slice(0, -1)},`
      let count = 0
      for (const [cell, bound] of this.#bounds.entries()) {
        count += this.#cells[start + cell]!
        numbers.push([`${this.name}_bucket${before}le="${bound}"}`, count])
      }
      count += this.#cells[start + this.#bounds.length]!
      numbers.push([`${this.name}_bucket${before}le="+Inf"}`, count])
      numbers.push([`${this.name}_sum${labels}`, this.#cells[start + this.#bounds.length + 1]!])
      numbers.push([`${this.name}_count${labels}`, count])
    }
    return { name: this.name, help: this.#help, type: 'histogram', across: 'sum', numbers }
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
  readonly #across: FamilyReading['across']

  constructor(
    name: string,
    help: string,
    labels: readonly string[],
    read: GaugeReading,
    across: FamilyReading['across'],
  ) {
    this.name = name
    this.#help = help
    this.#labels = labels
    this.#read = read
    this.#across = across
  }

  read(): FamilyReading {
    const numbers: [string, number][] = []
    try {
      const reading = this.#read()
      const all = typeof reading === 'number' ? ([[[], reading]] as const) : reading
      for (const [values, value] of all) {
        numbers.push([`${this.name}${labelText(this.#labels, values)}`, value])
      }
    } catch {
      // One number that cannot be had must not hide all the others; its absence is what alerts look for.
    }
    // What somebody else counts is a counter, although it is read like a gauge.
    const type = this.name.endsWith('_total') ? 'counter' : 'gauge'
    return { name: this.name, help: this.#help, type, across: this.#across, numbers }
  }
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
