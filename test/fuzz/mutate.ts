// Long for its tables: the odd values that mutations are made of.
import { alphabet, jsonNames, jsonValues, odd, oddBytes, values } from './odd-values.ts'
import type { Random } from './random.ts'

/** One to three small changes to a text. It may come out as it went in. */
export function mutateText(random: Random, text: string, others: readonly string[]): string {
  let changed = text
  for (let left = 1 + random.below(3); left > 0; left--)
    changed = random.pick(changes)(random, changed, others)
  return changed
}

/** Like {@link mutateText}, for JSON: it also knows members, values and escapes. */
export function mutateJson(random: Random, text: string, others: readonly string[]): string {
  let changed = text
  for (let left = 1 + random.below(3); left > 0; left--) {
    const change = random.once(4) ? random.pick(changes) : random.pick(jsonChanges)
    changed = change(random, changed, others)
  }
  return changed
}

/** The bytes of a text, now and then with some that are not UTF-8. */
export function toBytes(random: Random, text: string): Buffer {
  const bytes = Buffer.from(text)
  if (!random.once(8)) return bytes
  const at = random.below(bytes.length + 1)
  const added = Buffer.from(random.pick(oddBytes))
  return Buffer.concat([bytes.subarray(0, at), added, bytes.subarray(at + random.below(2))])
}

/** A JSON value with members set, taken away or replaced, at the top or one below it. */
export function mutateValue(random: Random, value: unknown, names: readonly string[]): unknown {
  if (typeof value !== 'object' || value === null) return random.pick(values)()
  if (Array.isArray(value)) {
    const list: unknown[] = [...value]
    const at = random.below(list.length + 1)
    if (random.once(4)) list.splice(at, 1)
    else if (random.once(3)) list.splice(at, 0, list[0])
    else if (random.once(3)) list.splice(at, 0, random.pick(values)())
    else list[at] = mutateValue(random, list[at], names)
    return list
  }
  const object = { ...(value as Record<string, unknown>) }
  const known = Object.keys(object)
  for (let left = 1 + random.below(2); left > 0; left--) {
    const name = random.once(3) || known.length === 0 ? random.pick(names) : random.pick(known)
    const old = object[name]
    if (random.once(4)) delete object[name]
    else if (typeof old === 'string' && random.once(2)) object[name] = mutateText(random, old, known)
    else if (typeof old === 'object' && random.once(2)) object[name] = mutateValue(random, old, names)
    else if (random.once(3)) object[name] = object[random.pick(known)]
    else object[name] = random.pick(values)()
  }
  return object
}

type Change = (random: Random, text: string, others: readonly string[]) => string

function splice(text: string, at: number, drop: number, added: string): string {
  return text.slice(0, at) + added + text.slice(at + drop)
}

const changes: readonly Change[] = [
  // One character becomes another one
  (random, text) => splice(text, random.below(text.length), 1, random.pick(alphabet)),
  (random, text) => splice(text, random.below(text.length), 1, random.pick(odd)),
  // The same low byte under another high one
  (random, text) => {
    const at = random.below(text.length)
    return splice(
      text,
      at,
      1,
      String.fromCharCode((text.charCodeAt(at) & 0xff) + 256 * (1 + random.below(255))),
    )
  },
  // One bit
  (random, text) => {
    const at = random.below(text.length)
    return splice(text, at, 1, String.fromCharCode((text.charCodeAt(at) || 0) ^ (1 << random.below(8))))
  },
  // Added, taken away, repeated, moved
  (random, text) => splice(text, random.below(text.length + 1), 0, random.pick(odd)),
  (random, text) => splice(text, random.below(text.length + 1), 0, random.pick(alphabet)),
  (random, text) => splice(text, random.below(text.length), 1 + random.below(1 << random.below(8)), ''),
  (random, text) => {
    const at = random.below(text.length)
    const part = text.slice(at, at + 1 + random.below(64))
    return splice(text, random.below(text.length + 1), 0, part.repeat(1 + random.below(3)))
  },
  (random, text) => text.slice(0, random.below(text.length + 1)),
  (random, text) => text.slice(random.below(text.length + 1)),
  (random, text) => {
    const at = random.below(text.length)
    const from = random.below(text.length)
    return splice(text, at, 1, text[from] ?? '')
  },
  // Half of one and half of another
  (random, text, others) => {
    const other = random.pick(others) ?? ''
    return text.slice(0, random.below(text.length + 1)) + other.slice(random.below(other.length + 1))
  },
  // Segments: changed places, changed for another's, more or fewer of them
  (random, text, others) => {
    const segments = text.split('.')
    const other = (random.pick(others) ?? '').split('.')
    segments[random.below(segments.length)] = random.pick(other)
    return segments.join('.')
  },
  (random, text) => {
    const segments = text.split('.')
    segments.splice(random.below(segments.length + 1), random.below(2), random.pick(segments))
    return segments.join('.')
  },
  // Its end: unused bits, padding
  (random, text) => text.slice(0, -1) + random.pick(alphabet),
  (random, text) => text + random.pick(['=', '==', 'A', '.', '\n', ' ', '\0']),
  (random, text) => {
    const segments = text.split('.')
    const at = random.below(segments.length)
    segments[at] = segments[at]!.slice(0, -1) + random.pick(alphabet)
    return segments.join('.')
  },
]

const jsonChanges: readonly Change[] = [
  // Another value
  (random, text) => {
    const colons = [...text.matchAll(/:\s*("(?:[^"\\]|\\.)*"|[^,{}[\]"]+)/g)]
    const found = random.pick(colons)
    if (found === undefined) return text
    return splice(text, found.index + 1, found[0].length - 1, random.pick(jsonValues))
  },
  // One member more, somewhere
  (random, text) => {
    const braces = [...text.matchAll(/\{/g)]
    const found = random.pick(braces)
    if (found === undefined) return text
    const empty = text
      .slice(found.index + 1)
      .trimStart()
      .startsWith('}')
    return splice(text, found.index + 1, 0, `${memberOf(random)}${empty ? '' : ','}`)
  },
  (random, text) => {
    const end = text.lastIndexOf('}')
    return end < 0 ? text : splice(text, end, 0, `,${memberOf(random)}`)
  },
  // A member twice, or taken away
  (random, text) => {
    const found = random.pick([...text.matchAll(/"[^"\\]*":("[^"\\]*"|[\w.+-]+)/g)])
    if (found === undefined) return text
    return random.once(3)
      ? splice(text, found.index, found[0].length + 1, '')
      : splice(text, found.index, 0, `${found[0]},`)
  },
  // Another spelling of the same: white space, escapes
  (random, text) => {
    const found = random.pick([...text.matchAll(/[{}[\]:,]/g)])
    return found === undefined
      ? text
      : splice(text, found.index + random.below(2), 0, random.pick([' ', '\n', '\t', '\r']))
  },
  (random, text) => {
    const found = random.pick([...text.matchAll(/[a-z]/g)])
    if (found === undefined) return text
    return splice(text, found.index, 1, `\\u00${found[0].charCodeAt(0).toString(16)}`)
  },
  // Another name
  (random, text) => {
    const found = random.pick([...text.matchAll(/"[^"\\]*":/g)])
    return found === undefined
      ? text
      : splice(text, found.index, found[0].length, `${random.pick(jsonNames)}:`)
  },
  // Wrapped
  (random, text) => {
    const depth = 1 + random.below(40)
    return random.once(2)
      ? `${'{"a":'.repeat(depth)}${text}${'}'.repeat(depth)}`
      : text.replace(
          /:("[^"]*"|\d+)/,
          (_, value: string) => `:${'['.repeat(depth)}${value}${']'.repeat(depth)}`,
        )
  },
]

function memberOf(random: Random): string {
  return `${random.pick(jsonNames)}:${random.pick(jsonValues)}`
}
