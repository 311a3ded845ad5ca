import { readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { catalogue, pastAttacks } from './catalogue.ts'
import type { Attack } from './row.ts'

// Writes SECURITY.md's section from the catalogue: node --conditions=source test/attacks/page.ts

export const heading = '## Past attacks and our answer'

/** The section, as Markdown; a formatter may line up the tables. */
export function attacksSection(): string {
  const own = catalogue.filter((attack) => !pastAttacks.includes(attack))
  return [
    heading,
    '',
    'What has happened to libraries that read JSON Web Tokens, and what becomes of it here. Each row is carried out by a test',
    'of the same number in `test/attacks`; a word like `token-malformed` is the reason with which it is refused',
    '([docs/errors.md](docs/errors.md)).',
    '',
    ...table(['#', 'Attack', 'Where it has happened', 'Our answer'], pastAttacks, (attack) => [
      String(attack.row),
      attack.title,
      attack.ids.join(', '),
      attack.expected,
    ]),
    '',
    'And what has no number: what the best verifier we can think of would do, and what we found in our own.',
    '',
    ...table(['#', 'What', 'Our answer'], own, (attack) => [
      String(attack.row),
      attack.title,
      attack.expected,
    ]),
    '',
  ].join('\n')
}

function table(
  names: readonly string[],
  attacks: readonly Attack[],
  cells: (attack: Attack) => readonly string[],
): string[] {
  const rows = attacks.toSorted((a, b) => a.row - b.row).map(cells)
  return [names, names.map(() => '---'), ...rows].map((row) => `| ${row.map(escapeCell).join(' | ')} |`)
}

function escapeCell(text: string): string {
  return text.replaceAll('|', '\\|').replaceAll('_', '\\_')
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const file = new URL('../../SECURITY.md', import.meta.url)
  const page = readFileSync(file, 'utf8')
  const start = page.indexOf(heading)
  const end = start < 0 ? -1 : page.indexOf('\n## ', start + 1)
  const before = start < 0 ? `${page.trimEnd()}\n\n` : page.slice(0, start)
  writeFileSync(file, before + attacksSection() + (end < 0 ? '' : page.slice(end)))
}
