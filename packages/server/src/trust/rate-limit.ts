import { shown } from './reading.ts'
import { text } from './shape.ts'
import type { Shape } from './shape.ts'
import type { RateLimit } from './trust.ts'

/** How often something may happen: `100/s`, `600/m`, `5000/h`; all of them at once if nothing came before. */
export function rateLimit(): Shape<RateLimit> {
  const expected = 'a rate such as 100/s, 600/m or 5000/h'
  return text(
    (value) => {
      const rate = parseRate(value)
      return rate === undefined ? { message: `expected ${expected}, got ${shown(value)}` } : { value: rate }
    },
    { pattern: '^[1-9][0-9]{0,6}/[smh]$' },
    { expected },
  )
}

function parseRate(value: string): RateLimit | undefined {
  const match = /^([1-9][0-9]{0,6})\/([smh])$/.exec(value)
  const unit = unitSeconds[match?.[2] ?? '']
  if (unit === undefined) return undefined
  const burst = Number(match?.[1])
  return { perSecond: burst / unit, burst }
}

const unitSeconds: Readonly<Record<string, number>> = { s: 1, m: 60, h: 60 * 60 }
