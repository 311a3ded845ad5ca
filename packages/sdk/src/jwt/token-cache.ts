/**
 * A bounded map from the exact text of a token to what was decided about it.
 *
 * Texts are compared whole, so two tokens never share an entry. Two generations instead of a linked list: an entry that is
 * used moves to the young one, and when that is full the old one is dropped whole. A hit in the young generation is one
 * look-up and changes nothing.
 *
 * An entry is looked up by a mark, thirty bits made of some of the text's characters. As keys of a map the texts
 * themselves would be hashed whole, and V8 14 (Node 26) keeps a copy of every text that a map has been asked for, which made
 * tokens that come once the greatest consumer of memory.
 *
 * While more tokens come than fit, one is kept only when it comes a second time soon: a flood of tokens that are each shown
 * once would push out those in use, and cost the garbage collector more than their signatures cost.
 */
export class TokenCache<Entry> {
  readonly #halfEntries: number
  readonly #halfCharacters: number
  #young = new Map<number, Kept<Entry>>()
  #old = new Map<number, Kept<Entry>>()
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
    const mark = markOf(token)
    const kept = this.#young.get(mark)
    if (kept !== undefined && kept.token === token) return kept.entry
    const aged = this.#old.get(mark)
    if (aged === undefined || aged.token !== token) return undefined
    this.keep(token, aged.entry)
    return aged.entry
  }

  /**
   * Whether to keep a token that is not in here: always while there is room, else the second time it comes among as many
   * others as fit. A mark can be another token's, or be gone: that costs a place or a signature, and decides nothing else.
   */
  admits(token: string): boolean {
    if (this.#old.size === 0) return true
    this.#marks ??= new Int32Array(this.#halfEntries * 2)
    // A free place holds 0, which is the mark of no token.
    const mark = markOf(token) + 1
    const place = mark % this.#marks.length
    if (this.#marks[place] === mark) return true
    this.#marks[place] = mark
    return false
  }

  /** Keeps an entry, in place of another token's of the same mark. */
  keep(token: string, entry: Entry): void {
    const mark = markOf(token)
    this.#dropYoung(mark)
    this.#old.delete(mark)
    if (token.length > this.#halfCharacters) return
    if (
      this.#young.size >= this.#halfEntries ||
      this.#youngCharacters + token.length > this.#halfCharacters
    ) {
      this.#old = this.#young
      this.#young = new Map()
      this.#youngCharacters = 0
    }
    this.#young.set(mark, { token, entry })
    this.#youngCharacters += token.length
  }

  drop(token: string): void {
    const mark = markOf(token)
    if (this.#young.get(mark)?.token === token) this.#dropYoung(mark)
    if (this.#old.get(mark)?.token === token) this.#old.delete(mark)
  }

  clear(): void {
    this.#young.clear()
    this.#old.clear()
    this.#youngCharacters = 0
  }

  get size(): number {
    return this.#young.size + this.#old.size
  }

  #dropYoung(mark: number): void {
    const kept = this.#young.get(mark)
    if (kept === undefined) return
    this.#young.delete(mark)
    this.#youngCharacters -= kept.token.length
  }
}

type Kept<Entry> = { readonly token: string; readonly entry: Entry }

/**
 * Thirty bits of the last characters, which in a token are its signature's and as good as random, and of some from all over
 * the text. The very last one is left out: fewer of its bits vary.
 *
 * Whoever makes texts of one mark makes them push each other out, and nothing else.
 */
function markOf(token: string): number {
  const { length } = token
  const stride = (length >> 4) + 1
  let mark = length
  for (let index = 0; index < length; index += stride) mark = Math.imul(mark, 37) + token.charCodeAt(index)
  for (let index = Math.max(0, length - 9); index < length - 1; index++) {
    mark = Math.imul(mark, 37) + token.charCodeAt(index)
  }
  return (mark ^ (mark >>> 15)) & 0x3fff_ffff
}
