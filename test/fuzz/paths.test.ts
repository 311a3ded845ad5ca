import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { canonicalPath } from '@countersign/sdk/policy'
import { allOf, pathInput } from './path-inputs.ts'
import { Random } from './random.ts'
import { naivePath } from './reference-path.ts'

// The path that is judged, routed by and forwarded, against a model that is written for the eye. COUNTERSIGN_PATHS=50000000 tries
// more than the million; COUNTERSIGN_SEED repeats a run that found something.

const runs = Number(process.env['COUNTERSIGN_PATHS'] ?? 1_000_000)
const given = process.env['COUNTERSIGN_SEED']

test(`${runs} targets: it accepts and reads exactly what the model does`, (t) => {
  const random = new Random()
  const seeds = given === undefined ? [20_261_122, Date.now() % 2 ** 31] : [Number(given)]
  let accepted = 0
  for (const seed of seeds) {
    for (let index = 0; index < runs / seeds.length; index++) {
      random.start(seed, index)
      if (agrees(pathInput(random), `seed ${seed}, input ${index}`)) accepted += 1
    }
  }
  tell(t, `seeds ${seeds.join(' and ')}`, accepted, runs)
  assert.ok(accepted > runs / 10 && accepted < (runs * 9) / 10, `${accepted} accepted: it says little`)
})

test('every target of up to five pieces that rules are about', (t) => {
  let accepted = 0
  let all = 0
  for (let pieces = 0; pieces <= 5; pieces++) {
    for (const target of allOf(pieces)) {
      all += 1
      if (agrees(target, 'of all')) accepted += 1
    }
  }
  tell(t, 'exhaustive', accepted, all)
  assert.equal(all, 1 + 12 + 12 ** 2 + 12 ** 3 + 12 ** 4 + 12 ** 5)
})

test('a model that is wrong is found out', () => {
  assert.throws(() => agrees('/a/%2e%2e/b', 'here', () => ({ path: '/b', segments: ['b'], query: '' })), {
    message: /here: "\/a\/%2e%2e\/b"/,
  })
  assert.throws(() => agrees('/a', 'here', () => ({ path: '/a', segments: ['b'], query: '' })))
  assert.throws(() => agrees('/a', 'here', () => undefined))
})

/** Compared by hand: a deep comparison of each would take longer than everything else. @returns whether it is accepted */
function agrees(target: string, where: string, model = naivePath): boolean {
  const found = canonicalPath(target)
  const expected = model(target)
  const same =
    'reason' in found
      ? expected === undefined
      : expected !== undefined &&
        found.path === expected.path &&
        found.query === expected.query &&
        found.segments.length === expected.segments.length &&
        found.segments.every((segment, index) => segment === expected.segments[index])
  if (!same) assert.fail(`${where}: ${JSON.stringify(target)}: ${JSON.stringify({ found, expected })}`)
  return !('reason' in found)
}

function tell(t: TestContext, what: string, accepted: number, all: number): void {
  t.diagnostic(`${what}: ${accepted} of ${all} accepted`)
}
