import { readdirSync, readFileSync } from 'node:fs'
import { join, relative, sep } from 'node:path'
import { fileURLToPath } from 'node:url'

/** The repository's root folder. */
export const root = fileURLToPath(new URL('../..', import.meta.url))

/** A file of the repository; `path` is relative to the root and uses `/`. */
export type SourceFile = { readonly path: string; readonly text: string }

/** Every text file of ours under `folder` ('' for all of them), sorted by path. */
export function readSources(folder = ''): SourceFile[] {
  return filesUnder(join(root, folder)).map((file) => ({
    path: relative(root, file).split(sep).join('/'),
    text: readFileSync(file, 'utf8'),
  }))
}

/** The text of one file of the repository. */
export function readRootFile(path: string): string {
  return readFileSync(join(root, path), 'utf8')
}

/** Sources that ship: no tests. */
export function isShipped(file: SourceFile): boolean {
  return /^packages\/[a-z]+\/src\//.test(file.path) && file.path.endsWith('.ts') && !isTest(file.path)
}

export function isTest(path: string): boolean {
  return path.endsWith('.test.ts')
}

/** What `text` imports: static, re-exported and dynamic, with comments left out. */
export function importsOf(text: string): string[] {
  const code = text.replaceAll(/\/\*[\s\S]*?\*\//g, '').replaceAll(/^\s*\/\/.*$/gm, '')
  const found = new Set<string>()
  for (const pattern of importForms) {
    for (const match of code.matchAll(pattern)) found.add(match[1]!)
  }
  return [...found]
}

function filesUnder(folder: string): string[] {
  const found: string[] = []
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name)
    if (entry.isDirectory()) {
      if (!notOurs.has(entry.name)) found.push(...filesUnder(path))
    } else if (entry.isFile() && textFile.test(entry.name) && entry.name !== 'package-lock.json') {
      found.push(path)
    }
  }
  return found.sort()
}

const notOurs = new Set(['node_modules', 'dist', '.git', '.cache', '.countersign'])
const textFile =
  /(\.(ts|js|mjs|json|md|yaml|yml|txt|sh|golden|html|css|tsx|sql|conf|toml)|^(run|LICENSE|Dockerfile)|^\.[a-z.]+)$/
const importForms = [
  /(?:^|\n)\s*(?:import|export)\s[^'"`;]*?\sfrom\s+['"]([^'"]+)['"]/g,
  /(?:^|\n)\s*import\s+['"]([^'"]+)['"]/g,
  /\bimport\(\s*['"]([^'"]+)['"]\s*\)/g,
]
