import type { Random } from './random.ts'

/** A request target that starts with a slash: mostly of plain pieces, with a few that two servers may read differently. */
export function pathInput(random: Random): string {
  // Of wild pieces alone nearly everything is refused, by the first of them.
  const wildness = random.below(4)
  let target = '/'
  for (let left = random.below(12); left > 0; left--) {
    const isWild = random.below(12) < wildness
    target += isWild ? wildPiece(random) : random.pick(tame)
  }
  return target
}

/** Every target that so many of the pieces below can be put together to. */
export function* allOf(count: number): Generator<string> {
  if (count === 0) return yield '/'
  for (const beginning of allOf(count - 1)) {
    for (const piece of smallest) yield beginning + piece
  }
}

function wildPiece(random: Random): string {
  switch (random.below(4)) {
    case 0:
      return '%' + random.pick(hex) + random.pick(hex)
    case 1:
      return String.fromCharCode(random.once(4) ? random.below(0x10000) : random.below(0x80))
    default:
      return random.pick(wild)
  }
}

const hex = [...'0123456789abcdefABCDEF']
const tame = ['a', 'B', '7', '-', '~', ':', '.', 'x/', '/y', 'z/w', '%61', '%7E', '%3A', '%c3%a9', '%20', '?']
const wild = [
  ...['/', '//', '.', '..', '/.', '/..', './', '../', '%2e', '%2E', '%2e%2e', '%2f', '%2F', '%5c', '%5C'],
  ...[';', '%3b', '%3B', '\\', '#', '?', '%', '%2', '%00', '%0d%0a', '%7f', '%25', '%2541', '%252e', '%252F'],
  ...['%c0%af', '%c3', '%a9', '%e2%82%ac', '%f0%9f%98%80', '[', ']', '|', '{', '"', '<', '^', '`', ' ', '\t'],
]
/** The pieces that rules are about. */
const smallest = ['/', '.', '%2e', '%2F', ';', '\\', '#', '?', '%', '2', 'f', '%25']
