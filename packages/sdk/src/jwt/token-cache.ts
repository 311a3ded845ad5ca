/**
 * A bounded map from the exact text of a token to what was decided about it.
 *
 * The key is the whole text, so two tokens never share an entry. Two generations instead of a linked list: an entry
 * that is used moves to the young one, and when that is full the old one is dropped whole. A hit in the young
 * generation is one look-up and changes nothing.
 *
 * While more tokens come than fit, one is kept only when it comes a second time soon: a flood of tokens that are each shown
 * once would push out those in use, and cost the garbage collector more than their signatures cost.
 */
export class TokenCache<Entry> {
  readonly #halfEntries: number
  readonly #halfCharacters: number
  #young = new Map<string, Entry>()
  #old = new Map<string, Entry>()
  #youngCharacters = 0
  // Where tokens that came once leave a mark; made when it is first needed.
  #marks: Int32Array | undefined

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

  /**
   * Whether to keep a token that is not in here: always while there is room, else the second time it comes among as many
   * others as fit. A mark can be another token's, or be gone: that costs a place or a signature, and decides nothing else.
   */
  admits(token: string): boolean {
    if (this.#old.size === 0) return true
    this.#marks ??= new Int32Array(this.#halfEntries * 2)
    const mark = markOf(token)
    const place = (mark >>> 0) % this.#marks.length
    if (this.#marks[place] === mark) return true
    this.#marks[place] = mark
    return false
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

/** Thirty bits of the signature, which is as good as random; without its last character, which has fewer. */
function markOf(token: string): number {
  let mark = 0
  for (let index = token.length - 9; index < token.length - 1; index++) {
    mark = Math.imul(mark, 37) + token.charCodeAt(index)
  }
  return mark | 0
}
