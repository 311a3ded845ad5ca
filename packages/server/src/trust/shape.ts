import { atKey, kindText, looksSecret, mistake, oneOf, unknownName } from './reading.ts'
import type { Located, Reading, Spot } from './reading.ts'

/**
 * What a value must look like: how to read it, and how editors are told about it. Reader and JSON Schema come from the
 * same table, so that they cannot say different things.
 *
 * `read` returns undefined after it has reported what is wrong; it goes on to the next value, so that a person sees
 * every mistake at once.
 */
export type Shape<T> = {
  read(spot: Spot, reading: Reading): T | undefined
  readonly schema: JsonSchema
  /** Set on maps with fixed keys. */
  readonly members?: Readonly<Record<string, Field<unknown>>>
  /** Set on maps whose keys are names. */
  readonly item?: Shape<unknown>
  /** True when an environment variable may replace the value: a text that stands alone. */
  readonly overridable?: boolean
}

export type JsonSchema = { readonly [keyword: string]: unknown }

export type Field<T> = {
  readonly shape: Shape<T>
  readonly required: boolean
  /** One line for editors and the reference. */
  readonly about: string
}

export function required<T>(shape: Shape<T>, about: string): Field<T> {
  return { shape, required: true, about }
}

export function optional<T>(shape: Shape<T>, about: string): Field<T> {
  return { shape, required: false, about }
}

/** Each member as read: undefined when it is absent, or when it was mistaken and reported. */
export type Draft<F> = { readonly [K in keyof F]: F[K] extends Field<infer T> ? T | undefined : never }

/** A map with fixed keys. A key it does not know is a mistake: a misspelt setting must not be silently ignored. */
export function fields<const F extends Readonly<Record<string, Field<unknown>>>>(
  members: F,
): Shape<Draft<F>> {
  const known = Object.keys(members)
  return {
    members,
    schema: {
      type: 'object',
      additionalProperties: false,
      properties: Object.fromEntries(
        Object.entries(members).map(([name, { shape, about }]) => [
          name,
          { description: about, ...shape.schema },
        ]),
      ),
      ...listUnlessEmpty(
        'required',
        known.filter((name) => members[name]?.required),
      ),
    },
    read({ tree, path }, reading) {
      if (tree.kind !== 'map') {
        return mistake(reading, { tree, path }, `expected a map with ${oneOf(known)}, got ${kindText(tree)}`)
      }
      for (const [key, value] of tree.entries) {
        if (known.includes(key)) continue
        unknownName(reading, { tree: atKey(value), path: [...path, key] }, 'key', key, known)
      }
      const draft: Record<string, unknown> = {}
      for (const [name, field] of Object.entries(members)) {
        const value = tree.entries.get(name)
        if (value !== undefined)
          draft[name] = field.shape.read({ tree: value, path: [...path, name] }, reading)
        else if (field.required) missing(reading, { tree, path }, name, field)
      }
      return draft as Draft<F>
    },
  }
}

/** A map whose keys are names that the person chooses. */
export function named<T>(key: KeyShape, item: Shape<T>): Shape<ReadonlyMap<string, Located<T>>> {
  return {
    item,
    schema: { type: 'object', propertyNames: key.schema, additionalProperties: item.schema },
    read({ tree, path }, reading) {
      if (tree.kind !== 'map') {
        return mistake(
          reading,
          { tree, path },
          `expected a map from ${key.what} to settings, got ${kindText(tree)}`,
        )
      }
      const items = new Map<string, Located<T>>()
      for (const [name, value] of tree.entries) {
        const spot = { tree: value, path: [...path, name] }
        const wrong = key.wrong(name)
        if (wrong !== undefined) mistake(reading, { ...spot, tree: atKey(value) }, wrong.message, wrong.next)
        const read = item.read(spot, reading)
        if (read !== undefined) items.set(name, { ...spot, value: read })
      }
      return items
    },
  }
}

/** What the keys of a {@link named} map must look like. */
export type KeyShape = {
  /** Plural, for messages: "service names". */
  readonly what: string
  wrong(name: string): Wrong | undefined
  readonly schema: JsonSchema
}

export type Wrong = { readonly message: string; readonly next?: string }

/** A list; empty only where that says something. */
export function list<T>(
  item: Shape<T>,
  { what, min = 1 }: { what: string; min?: number },
): Shape<readonly T[]> {
  return {
    schema: { type: 'array', items: item.schema, ...(min > 0 ? { minItems: min } : {}) },
    read({ tree, path }, reading) {
      if (tree.kind !== 'list')
        return mistake(reading, { tree, path }, `expected a list of ${what}, got ${kindText(tree)}`)
      if (tree.items.length < min)
        return mistake(reading, { tree, path }, `expected at least ${min} of: ${what}`)
      const items: T[] = []
      for (const [index, value] of tree.items.entries()) {
        const read = item.read({ tree: value, path: [...path, index] }, reading)
        if (read !== undefined) items.push(read)
      }
      return items
    },
  }
}

/** A list, or one of its items alone. */
export function oneOrMany<T>(item: Shape<T>, options: { what: string; min?: number }): Shape<readonly T[]> {
  const many = list(item, options)
  return {
    schema: { anyOf: [item.schema, many.schema] },
    read(spot, reading) {
      if (spot.tree.kind === 'list') return many.read(spot, reading)
      const one = item.read(spot, reading)
      return one === undefined ? undefined : [one]
    },
  }
}

/** The same shape, and where the value stands. */
export function located<T>(shape: Shape<T>): Shape<Located<T>> {
  return {
    ...shape,
    read(spot, reading) {
      const value = shape.read(spot, reading)
      return value === undefined ? undefined : { ...spot, value }
    },
  }
}

/**
 * A text with a meaning.
 *
 * @param parse gives the value, or what is wrong in words; it shows the text by {@link shown} only.
 * @param overridable whether an environment variable may replace it.
 * @param expected for the message about a value that is no text.
 */
export function text<T>(
  parse: (value: string) => { readonly value: T } | Wrong,
  schema: JsonSchema,
  { overridable = true, expected = 'a text' }: { overridable?: boolean; expected?: string } = {},
): Shape<T> {
  return {
    overridable,
    schema: { type: 'string', ...schema },
    read(spot, reading) {
      const { tree } = spot
      if (tree.kind !== 'scalar' || typeof tree.value !== 'string') {
        const quotes =
          tree.kind === 'scalar' && tree.value !== null
            ? 'put it in quotes if it is meant as text'
            : undefined
        return mistake(reading, spot, `expected ${expected}, got ${kindText(tree)}`, quotes)
      }
      const parsed = parse(tree.value)
      if ('value' in parsed) return parsed.value
      // A next step may repeat the value to show how to write it.
      return mistake(reading, spot, parsed.message, looksSecret(tree.value) ? undefined : parsed.next)
    },
  }
}

/** `true`, spelled out; `false` is refused because leaving the key out says the same. */
export function onlyTrue(): Shape<true> {
  return {
    schema: { const: true },
    read(spot, reading) {
      if (spot.tree.kind === 'scalar' && spot.tree.value === true) return true
      return mistake(
        reading,
        spot,
        `expected true, got ${kindText(spot.tree)}`,
        'leave the key out for the safe way',
      )
    },
  }
}

function missing(reading: Reading, { tree, path }: Spot, name: string, field: Field<unknown>): void {
  const next = `write \`${name}: …\`: ${field.about}`
  mistake(reading, { tree: atKey(tree), path: [...path, name] }, 'missing', next)
}

function listUnlessEmpty(name: string, items: readonly string[]): JsonSchema {
  return items.length === 0 ? {} : { [name]: items }
}
