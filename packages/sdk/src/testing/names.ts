/** The names that are asked for, each once, or all that there are; undefined for one too many, or an empty one. */
export function readNames(
  asked: string | undefined,
  allowed: readonly string[],
): readonly string[] | undefined {
  if (asked === undefined) return allowed
  // RFC 6749 §3.3: one blank between two.
  const names = new Set(asked.split(' '))
  for (const name of names) if (name === '' || !allowed.includes(name)) return undefined
  return [...names]
}
