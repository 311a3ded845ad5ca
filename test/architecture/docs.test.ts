import { test } from 'node:test'
import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { join, posix } from 'node:path'
import { denialWire } from '@countersign/sdk/policy'
import { readTrust } from '../../packages/server/src/trust/read.ts'
import { trustFileSchema } from '../../packages/server/src/trust/schema.ts'
import { fieldsOf } from './trust-fields.ts'
import { isShipped, readRootFile, readSources, root } from './sources.ts'

const shipped = readSources('packages').filter(isShipped)
const errors = readRootFile('docs/errors.md')

test('docs/errors.md describes every Denial reason, and no other', () => {
  assert.deepEqual(documented('Denials'), reasonsInCode())
})

test('docs/errors.md describes every Problem code, and no other', () => {
  assert.deepEqual(documented('Problems'), codesInCode())
})

test('docs/errors.md says of every Denial what the wire says', () => {
  const rows = [...errors.matchAll(/^\| `([a-z-]+)` *\|([^|]*)\|([^|]*)\|([^|]*)\|[^|]*\|$/gm)]
  const said = rows.map(([, reason, ...columns]) => [reason, ...columns.map((column) => column.trim())])
  const expected = Object.entries(denialWire).map(([reason, { status, error, text }]) => [
    reason,
    String(status),
    error ?? '',
    text,
  ])
  assert.deepEqual(said.sort(), expected.sort())
})

test('docs/trust-file.md describes every key of the trust file in the words of its schema, and no other', () => {
  const page = readRootFile('docs/trust-file.md')
  const rows = [...page.matchAll(/^\| `([A-Za-z.]+)` *\| (required)? *\|([^\n]*)\|$/gm)]
  assert.deepEqual(
    rows.map(([, key, needed, about]) => ({ key, required: needed === 'required', about: about!.trim() })),
    fieldsOf(trustFileSchema()),
  )
})

test('the trust files shown in the documents have no mistake', () => {
  for (const path of ['docs/trust-file.md', 'README.md']) {
    const files = [...readRootFile(path).matchAll(/^```yaml\n([\s\S]*?)^```$/gm)].map((match) => match[1]!)
    assert.ok(files.length > 0, `${path} shows no trust file`)
    for (const text of files) {
      const secret = 'not-a-secret-'.repeat(3)
      const env = { ORDERS_SECRET: secret, ISSUER_SEAL: secret, SECRET_KEY: secret }
      const read = readTrust(text, { file: path, env, readFile: () => secret })
      assert.deepEqual(read.kind === 'mistakes' ? read.mistakes : read.warnings, [], path)
    }
  }
})

test('links between the documents lead somewhere', () => {
  const broken: string[] = []
  for (const file of readSources().filter((file) => file.path.endsWith('.md'))) {
    for (const match of withoutCode(file.text).matchAll(/\]\(([^)\s]+)\)/g)) {
      const target = match[1]!
      if (/^(https?:|mailto:)/.test(target)) continue
      const [path = '', anchor] = target.split('#')
      const resolved = path === '' ? file.path : posix.join(posix.dirname(file.path), path)
      if (!existsSync(join(root, resolved))) broken.push(`${file.path}: ${target}`)
      else if (anchor !== undefined && !anchors(readRootFile(resolved)).has(anchor)) {
        broken.push(`${file.path}: ${target} (no such heading)`)
      }
    }
  }
  assert.deepEqual(broken, [])
})

/** The names in the first column of the tables under the heading `## …`, sorted. */
function documented(heading: string): string[] {
  const section = new RegExp(`^## ${heading}\\n([\\s\\S]*?)(?=^## |$(?![\\s\\S]))`, 'm').exec(errors)?.[1]
  assert.ok(section, `docs/errors.md has no section "${heading}"`)
  const names = [...section.matchAll(/^\| `([a-z-]+)`/gm)].map((match) => match[1]!)
  assert.equal(new Set(names).size, names.length, 'a name is described twice')
  return names.sort()
}

function reasonsInCode(): string[] {
  const declaration = readRootFile('packages/sdk/src/core/denial.ts').split('export type DenialReason =')[1]!
  return [...declaration.matchAll(/^\s*\| '([a-z-]+)'/gm)].map((match) => match[1]!).sort()
}

function codesInCode(): string[] {
  const codes = new Set<string>()
  for (const file of shipped) {
    const code = file.text.replaceAll(/\/\*[\s\S]*?\*\//g, '')
    for (const match of code.matchAll(/(?:new Problem|super)\(\s*'([a-z-]+)'/g)) codes.add(match[1]!)
    const elsewhere = /new Problem\(\s*(?!\s|'[a-z-]+',)/.exec(code)
    assert.equal(elsewhere, null, `${file.path}: write a Problem's code in place, as a text`)
  }
  return [...codes].sort()
}

function withoutCode(markdown: string): string {
  return markdown.replaceAll(/^```[\s\S]*?^```/gm, '').replaceAll(/`[^`\n]*`/g, '')
}

/** The fragment of every heading, as code hosts make them. */
function anchors(markdown: string): Set<string> {
  const headings = withoutFences(markdown).matchAll(/^#+ (.+)$/gm)
  return new Set(
    [...headings].map((match) =>
      match[1]!
        .toLowerCase()
        .replaceAll(/[^\p{L}\p{N} _-]/gu, '')
        .replaceAll(' ', '-'),
    ),
  )
}

function withoutFences(markdown: string): string {
  return markdown.replaceAll(/^```[\s\S]*?^```/gm, '')
}
