/**
 * A command line on which an id that begins with a hyphen is an id. Those of tokens and keys are base64url, and one in
 * sixty-four does: when a key is to be removed in a hurry, it must not be taken for options.
 *
 * @example
 * idsAsWords(['keys', 'remove', '-h5F…', '--json']) // ['keys', 'remove', '--json', '--', '-h5F…']
 */
export function idsAsWords(args: readonly string[]): readonly string[] {
  const takesId = args.includes('revoke') || (args.includes('keys') && args.includes('remove'))
  const at = takesId && !args.includes('--') ? args.findIndex(isHyphenId) : -1
  return at === -1 ? args : [...args.toSpliced(at, 1), '--', args[at]!]
}

/** As long as a `jti` or a thumbprint of ours; no option of these commands is. */
function isHyphenId(text: string): boolean {
  return (text.length === 22 || text.length === 43) && /^-[A-Za-z0-9_-]+$/.test(text)
}
