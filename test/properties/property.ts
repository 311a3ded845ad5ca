/** Test support: a property test whose seed is told, and can be given again. */
import { test } from 'node:test'
import fc from 'fast-check'

/**
 * @param runs how many examples are tried; `FC_RUNS` multiplies it, `FC_SEED` repeats a run that failed.
 */
export function propertyTest(
  name: string,
  runs: number,
  property: fc.IRawProperty<unknown>,
  skip: string | false = false,
): void {
  test(name, { skip }, async (t) => {
    const seed = Number(process.env['FC_SEED'] ?? Date.now() % 2 ** 31)
    const numRuns = runs * Number(process.env['FC_RUNS'] ?? 1)
    t.diagnostic(`${name}: seed ${seed}, ${numRuns} runs`)
    await fc.assert(property, { seed, numRuns })
  })
}
