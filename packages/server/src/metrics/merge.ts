import type { FamilyReading } from './registry.ts'

/**
 * Puts the numbers of several processes together, each name by its own rule: most are summed, an age is the oldest.
 *
 * @example
 * metricsText(mergeReadings([metrics.read(), ...theirs]))
 */
export function mergeReadings(readings: readonly (readonly FamilyReading[])[]): FamilyReading[] {
  const families = new Map<string, { family: FamilyReading; numbers: Map<string, number> }>()
  for (const family of readings.flat()) {
    let known = families.get(family.name)
    if (known === undefined) families.set(family.name, (known = { family, numbers: new Map() }))
    const { numbers } = known
    for (const [series, value] of family.numbers) {
      const before = numbers.get(series)
      numbers.set(series, before === undefined ? value : rules[family.across](before, value))
    }
  }
  return [...families.values()].map(({ family, numbers }) => ({ ...family, numbers: [...numbers] }))
}

/** What stays true of a process that has ended: what it has counted. Without it, sums would fall when one ends. */
export function countedOnly(reading: readonly FamilyReading[]): FamilyReading[] {
  return reading.filter(({ type }) => type !== 'gauge')
}

const rules: Readonly<Record<FamilyReading['across'], (one: number, other: number) => number>> = {
  sum: (one, other) => one + other,
  max: Math.max,
  min: Math.min,
}
