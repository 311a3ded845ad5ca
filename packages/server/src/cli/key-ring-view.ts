import { visible } from '../visible.ts'
import type { Context } from './context.ts'

/** Prints the key ring as the admin API has it: a line a key, or the document. */
export function printRing({ terminal, json }: Context, ring: Readonly<Record<string, unknown>>): void {
  if (json) {
    terminal.print(JSON.stringify(ring, null, 2))
    return
  }
  for (const key of ring['keys'] as Record<string, string>[]) {
    const { id, algorithm, state, activeFrom, until, retiredBecause } = key
    const when =
      state === 'announced' ? `signs from ${activeFrom}` : until === undefined ? '' : `until ${until}`
    terminal.print(
      [id, algorithm, state, retiredBecause ?? when]
        .map((text) => visible(text ?? ''))
        .join('  ')
        .trimEnd(),
    )
  }
}
