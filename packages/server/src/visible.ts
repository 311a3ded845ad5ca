/**
 * A text with its control characters spelled out, for lines that a terminal shows: what a caller, a token or a file said
 * must not move the cursor, colour the screen or begin a line of its own. Covers C0, DEL, C1 (which some terminals take as
 * escape sequences) and the two line separators of Unicode.
 *
 * @example
 * visible('a\u001b[2J') // 'a\\u001b[2J'
 */
export function visible(text: string): string {
  return text.replaceAll(/[\u0000-\u001f\u007f-\u009f\u2028\u2029]/g, (character) => {
    return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`
  })
}
