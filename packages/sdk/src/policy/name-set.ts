/**
 * Names that nobody can change, so that many may share them. It is no `Set` and extends none: whatever such an object
 * forbids, `Set.prototype.add` adds to it all the same.
 */
export class NameSet implements ReadonlySet<string> {
  readonly #names: ReadonlySet<string>

  constructor(names: Iterable<string>) {
    this.#names = new Set(names)
    Object.freeze(this)
  }

  get size(): number {
    return this.#names.size
  }

  has(name: string): boolean {
    return this.#names.has(name)
  }

  forEach(
    callback: (name: string, again: string, names: ReadonlySet<string>) => void,
    thisArg?: unknown,
  ): void {
    for (const name of this.#names) callback.call(thisArg, name, name, this)
  }

  keys(): SetIterator<string> {
    return this.#names.keys()
  }

  values(): SetIterator<string> {
    return this.#names.values()
  }

  entries(): SetIterator<[string, string]> {
    return this.#names.entries()
  }

  [Symbol.iterator](): SetIterator<string> {
    return this.#names.values()
  }

  union<Other>(other: ReadonlySetLike<Other>): Set<string | Other> {
    return this.#names.union(other)
  }

  intersection<Other>(other: ReadonlySetLike<Other>): Set<string & Other> {
    return this.#names.intersection(other)
  }

  difference<Other>(other: ReadonlySetLike<Other>): Set<string> {
    return this.#names.difference(other)
  }

  symmetricDifference<Other>(other: ReadonlySetLike<Other>): Set<string | Other> {
    return this.#names.symmetricDifference(other)
  }

  isSubsetOf(other: ReadonlySetLike<unknown>): boolean {
    return this.#names.isSubsetOf(other)
  }

  isSupersetOf(other: ReadonlySetLike<unknown>): boolean {
    return this.#names.isSupersetOf(other)
  }

  isDisjointFrom(other: ReadonlySetLike<unknown>): boolean {
    return this.#names.isDisjointFrom(other)
  }

  /** How `console.log` shows it. */
  [Symbol.for('nodejs.util.inspect.custom')](): Set<string> {
    return new Set(this.#names)
  }
}

/**
 * The tokens of a service say the same few things again and again, and what cannot be changed can be shared.
 *
 * @example
 * const scopes = new KnownNames()
 * scopes.get('a b', () => ['a', 'b']) // the same object each time
 */
export class KnownNames {
  readonly #sets = new Map<string, NameSet>()

  /** @param text what stands for these names, and for no others. */
  get(text: string, names: () => readonly string[]): NameSet {
    if (text.length > longestKnown) return new NameSet(names())
    let set = this.#sets.get(text)
    if (set === undefined) {
      if (this.#sets.size >= mostKnown) this.#sets.clear()
      this.#sets.set(text, (set = new NameSet(names())))
    }
    return set
  }
}

const mostKnown = 256
const longestKnown = 256
