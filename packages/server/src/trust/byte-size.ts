import { shown } from './reading.ts'
import { text } from './shape.ts'
import type { Shape } from './shape.ts'

/** How much, in bytes: `64KiB`, `10MiB`, `1GiB`. */
export function byteSize(): Shape<number> {
  const expected = 'a size such as 64KiB, 10MiB or 1GiB'
  return text(
    (value) => {
      const size = parseSize(value)
      return size === undefined ? { message: `expected ${expected}, got ${shown(value)}` } : { value: size }
    },
    { pattern: '^[1-9][0-9]{0,5}[KMG]iB$' },
    { expected },
  )
}

function parseSize(value: string): number | undefined {
  const match = /^([1-9][0-9]{0,5})([KMG])iB$/.exec(value)
  const unit = unitBytes[match?.[2] ?? '']
  return unit === undefined ? undefined : Number(match?.[1]) * unit
}

const unitBytes: Readonly<Record<string, number>> = { K: 2 ** 10, M: 2 ** 20, G: 2 ** 30 }
