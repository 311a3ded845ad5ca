/**
 * One attack on a JSON Web Token, and what must become of it here.
 *
 * A test carries out each row (see attack.ts), another proves that none is missing, and SECURITY.md's page of past
 * attacks is written from the rows.
 */
export type Attack = {
  readonly row: number
  /** The attack in words; also the name of its test. */
  readonly title: string
  /** Where it has happened before, if it got a number. */
  readonly ids: readonly string[]
  /** What must become of it here. */
  readonly expected: string
  /** The file of this folder that carries it out. */
  readonly test: string
}

/** The test's name: the attack in words, and its numbers. */
export function nameOf({ row, title, ids }: Attack): string {
  return `${row}. ${title}${ids.length === 0 ? '' : ` (${ids.join(', ')})`}`
}

/** The rows that one file carries out. */
export function inFile(
  test: string,
  rows: readonly (Omit<Attack, 'test' | 'ids'> & { readonly ids?: readonly string[] })[],
): readonly Attack[] {
  return rows.map((row) => ({ ids: [], ...row, test }))
}
