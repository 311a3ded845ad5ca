import { test } from 'node:test'
import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { catalogue, pastAttacks } from './catalogue.ts'
import { attacksSection, heading } from './page.ts'
import { nameOf } from './row.ts'

const folder = new URL('.', import.meta.url)
const read = (name: string): string => readFileSync(new URL(name, folder), 'utf8')

test('every row from 1 to 59 is there once, and none is missing after it', () => {
  assert.deepEqual(
    pastAttacks.map(({ row }) => row).sort((a, b) => a - b),
    Array.from({ length: 59 }, (_, index) => index + 1),
  )
  assert.deepEqual(
    catalogue.map(({ row }) => row).sort((a, b) => a - b),
    Array.from({ length: catalogue.length }, (_, index) => index + 1),
  )
  assert.equal(new Set(catalogue.map(nameOf)).size, catalogue.length)
})

test('every row is carried out in its file, under its own words, and nowhere else', () => {
  const found = readdirSync(folder)
    .filter((name) => name.endsWith('.test.ts'))
    .flatMap((name) =>
      [...read(name).matchAll(/^attack\(\s*(\d+),\s*'([^']+)'/gm)].map((match) => ({
        row: Number(match[1]),
        title: match[2],
        test: name,
      })),
    )
  const byRow = (a: { row: number }, b: { row: number }): number => a.row - b.row
  assert.deepEqual(
    found.sort(byRow),
    catalogue.map(({ row, title, test }) => ({ row, title, test })).sort(byRow),
  )
})

test('numbers are written as their registers write them', () => {
  for (const id of catalogue.flatMap(({ ids }) => ids)) {
    assert.match(id, /^(CVE-20\d\d-\d{4,7}|GHSA(-[23456789cfghjmpqrvwx]{4}){3})$/)
  }
})

test('SECURITY.md tells of every attack what the table says', () => {
  const page = readFileSync(new URL('../../SECURITY.md', folder), 'utf8')
  const start = page.indexOf(heading)
  assert.ok(
    start >= 0,
    `SECURITY.md has no section "${heading}": node --conditions=source test/attacks/page.ts`,
  )
  const end = page.indexOf('\n## ', start + 1)
  const section = page.slice(start, end < 0 ? undefined : end)
  assert.deepEqual(
    lines(section),
    lines(attacksSection()),
    'run: node --conditions=source test/attacks/page.ts',
  )
})

/** Without the spaces and dashes with which a formatter lines tables up. */
function lines(markdown: string): string[] {
  return markdown
    .split('\n')
    .map((line) => line.replaceAll(/-{3,}/g, '---').replaceAll(/\s+/g, ' ').trim())
    .filter((line) => line !== '')
}
