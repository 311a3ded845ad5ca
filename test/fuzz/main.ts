import { parseArgs } from 'node:util'
import { Finding, fuzz } from './run.ts'
import type { Report } from './run.ts'
import { targets } from './targets.ts'

// npm run fuzz -- [--runs 1000000] [--seconds 60] [--seed 7] [--from 0] [--target tokens]
// Every input is made from the seed and its number: the command that is printed for a finding makes that one again.

const { values } = parseArgs({
  options: {
    runs: { type: 'string', default: '1000000' },
    seconds: { type: 'string', default: 'Infinity' },
    seed: { type: 'string', default: String(Date.now() % 2 ** 31) },
    from: { type: 'string', default: '0' },
    target: { type: 'string' },
  },
})
const [runs, seconds, seed, from] = [values.runs, values.seconds, values.seed, values.from].map(Number)
const { target } = values
const wrong =
  target !== undefined && !targets.some(({ name }) => name === target)
    ? `--target is one of ${targets.map(({ name }) => name).join(', ')}`
    : [runs, seconds, seed, from].some((value) => !(value! >= 0))
      ? '--runs, --seconds, --seed and --from are numbers'
      : undefined
if (wrong !== undefined) {
  console.error(wrong)
  process.exit(2)
}

console.log(`seed ${seed}`)
let reported = 0
try {
  const report = await fuzz({
    seed: seed!,
    runs: runs!,
    from: from!,
    seconds: seconds!,
    ...(target === undefined ? {} : { target }),
    onProgress: (so) => {
      if (so.seconds - reported < 10) return
      reported = so.seconds
      console.log(rateOf(so))
    },
  })
  for (const [name, counts] of report.outcomes) {
    console.log(name)
    for (const [outcome, count] of [...counts].sort(([, a], [, b]) => b - a)) {
      console.log(`  ${String(count).padStart(9)}  ${outcome}`)
    }
  }
  console.log(`${rateOf(report)}, nothing found (seed ${seed})`)
} catch (thrown) {
  if (!(thrown instanceof Finding)) throw thrown
  console.error(thrown.cause)
  console.error(`input: ${JSON.stringify(thrown.input)}`)
  console.error(`again: npm run fuzz -- --seed ${seed} --from ${thrown.index} --runs 1`)
  process.exit(1)
}

function rateOf({ inputs, seconds }: Report): string {
  return `${inputs} inputs in ${seconds.toFixed(1)} s, ${Math.round(inputs / Math.max(seconds, 0.001))} a second`
}
