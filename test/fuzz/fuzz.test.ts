import { test } from 'node:test'
import assert from 'node:assert/strict'
import { Random } from './random.ts'
import { fuzz } from './run.ts'
import type { Report } from './run.ts'
import { targets } from './targets.ts'

// The short run; `npm run fuzz -- --runs 10000000` is the long one.

test('nothing is found with a seed that every machine tries', async () => {
  const report = await fuzz({ seed: 20_261_122, runs: 8000, seconds: 8 })
  assert.ok(report.inputs >= 2000)
  // The inputs reach what they are meant to reach: some are accepted, and the refusals are of many kinds.
  assert.deepEqual([...report.outcomes.keys()].sort(), targets.map(({ name }) => name).sort())
  for (const name of ['tokens', 'headers', 'claims']) {
    const reasons = [...report.outcomes.get(name)!.keys()]
    assert.ok(reasons.includes('verified') && reasons.length >= 4, `${name}: ${reasons.join(', ')}`)
  }
  assert.ok(countOf(report, 'json', 'accepted') > 100 && countOf(report, 'json', 'a name twice') > 10)
  assert.ok(countOf(report, 'base64url', 'accepted') > 50 && countOf(report, 'base64url', 'refused') > 50)
})

test('nothing is found with a seed that nobody has tried', async (t) => {
  const seed = Date.now() % 2 ** 31
  t.diagnostic(`seed ${seed}`)
  try {
    await fuzz({ seed, runs: 8000, seconds: 8 })
  } catch (finding) {
    assert.fail(`seed ${seed}, ${String(finding)}\n${JSON.stringify((finding as { input?: unknown }).input)}`)
  }
})

test('a seed and a number make one input, whatever came before', async () => {
  const [one, other] = [new Random(), new Random()]
  one.start(7, 100)
  for (let round = 0; round < 50; round++) other.next()
  other.start(7, 100)
  const drawn = Array.from({ length: 100 }, () => one.next())
  assert.deepEqual(
    drawn,
    Array.from({ length: 100 }, () => other.next()),
  )
  other.start(7, 101)
  assert.notEqual(drawn[0], other.next())
  assert.ok(new Set(drawn).size > 95)
  const [first, again] = [await fuzz({ seed: 3, runs: 300 }), await fuzz({ seed: 3, runs: 300 })]
  assert.deepEqual(first.outcomes, again.outcomes)
  assert.notDeepEqual(first.outcomes, (await fuzz({ seed: 4, runs: 300 })).outcomes)
})

function countOf(report: Report, target: string, outcome: string): number {
  return report.outcomes.get(target)?.get(outcome) ?? 0
}
