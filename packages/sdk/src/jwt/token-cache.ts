/**
 * A bounded map from the exact text of a token to what was decided about it.
 *
 * The key is the whole text, so two tokens never share an entry. Two generations instead of a linked list: an entry
 * that is used moves to the young one, and when that is full the old one is dropped whole. A hit in the young
 * generation is one look-up and changes nothing.
 */
export class TokenCache<Entry> {
  readonly #halfEntries: number
  readonly #halfCharacters: number
  #young = new Map<string, Entry>()
  #old = new Map<string, Entry>()
  #youngCharacters = 0

  /**
   * @param maxEntries at most this many tokens are kept, and two at least.
   * @param maxCharacters at most this many characters of token text are kept; half of it is the longest token kept.
   */
  constructor(maxEntries: number, maxCharacters: number) {
    this.#halfEntries = Math.max(1, Math.floor(maxEntries / 2))
    this.#halfCharacters = Math.max(1, Math.floor(maxCharacters / 2))
  }

  find(token: string): Entry | undefined {
    const entry = this.#young.get(token)
    if (entry !== undefined) return entry
    const aged = this.#old.get(token)
    if (aged !== undefined) this.keep(token, aged)
    return aged
  }

  keep(token: string, entry: Entry): void {
    this.drop(token)
    if (token.length > this.#halfCharacters) return
    if (
      this.#young.size >= this.#halfEntries ||
      this.#youngCharacters + token.length > this.#halfCharacters
    ) {
      this.#old = this.#young
      this.#young = new Map()
      this.#youngCharacters = 0
    }
    this.#young.set(token, entry)
    this.#youngCharacters += token.length
  }

  drop(token: string): void {
    if (this.#young.delete(token)) this.#youngCharacters -= token.length
    this.#old.delete(token)
  }

  clear(): void {
    this.#young.clear()
    this.#old.clear()
    this.#youngCharacters = 0
  }

  get size(): number {
    return this.#young.size + this.#old.size
  }
}
