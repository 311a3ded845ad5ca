import { test } from 'node:test'
import assert from 'node:assert/strict'
import { posix } from 'node:path'
import { isShipped, readSources } from './sources.ts'
import type { SourceFile } from './sources.ts'

const all = readSources()
const shipped = all.filter(isShipped)
const code = all.filter((file) => /\.(ts|js)$/.test(file.path))

test('every source has its test beside it', () => {
  const paths = new Set(all.map((file) => file.path))
  const without = shipped
    .map((file) => file.path)
    .filter((path) => posix.dirname(path).split('/').length > 3) // doors have doors.test.ts
    .filter((path) => !paths.has(path.replace(/\.ts$/, '.test.ts')))
  assert.deepEqual(
    without.filter((path) => !typesOnly.has(path)),
    [],
  )
})

test('a file that goes without a test holds types only', () => {
  for (const path of typesOnly) {
    const file = all.find((file) => file.path === path)
    assert.ok(file, `${path} is gone: take it off the list`)
    assert.equal(withoutTypes(file.text), '', `${path} holds code: give it a test`)
  }
})

test('no file is longer than 400 lines without its first comment saying why', () => {
  const long = code
    .map(({ path, text }) => ({
      path,
      lines: text.split('\n').length - 1,
      says: /^\/[/*].*\blong\b/i.test(text),
    }))
    .filter(({ lines, says }) => lines > 400 && !says)
  assert.deepEqual(long, [])
})

test('no source has marks of unfinished or unchecked work', () => {
  assert.deepEqual(findings(code, unfinished), [])
})

test('no source hides a type', () => {
  assert.deepEqual(
    findings(
      code.filter((file) => file.path.endsWith('.ts')),
      untyped,
    ),
    [],
  )
})

test('no file names a place on somebody’s machine or a package registry’s host', () => {
  assert.deepEqual(findings(all, places), [])
})

test('files and declarations keep to the project’s words', () => {
  const names = code.map((file) => file.path).filter((path) => vagueName.test(posix.basename(path)))
  assert.deepEqual(names, [])
  assert.deepEqual(findings(shipped, vagueDeclarations), [])
})

test('no default exports', () => {
  assert.deepEqual(findings(shipped, { 'default export': /^export default\b/ }), [])
})

/** `path:line what` for every line of `files` that matches a pattern. */
function findings(files: readonly SourceFile[], patterns: Record<string, RegExp>): string[] {
  const found: string[] = []
  for (const file of files) {
    if (file.path.startsWith('test/architecture/')) continue // the patterns themselves stand here
    for (const [index, line] of file.text.split('\n').entries()) {
      for (const [what, pattern] of Object.entries(patterns)) {
        if (what === 'the type any' && /^\s*(\/\*\*|\*|\/\/)/.test(line)) continue // the word, in a comment
        if (pattern.test(line)) found.push(`${file.path}:${index + 1} ${what}`)
      }
    }
  }
  return found
}

/** What is left of a source when comments, type imports and type declarations are taken out. */
function withoutTypes(text: string): string {
  const lines = text
    .replaceAll(/\/\*[\s\S]*?\*\//g, '')
    .replaceAll(/^\s*\/\/.*$/gm, '')
    .replaceAll(/\s+\/\/ .*$/gm, '')
    .replaceAll(/^(import|export) type \{[\s\S]*?\} from '[^']+'$/gm, '')
    .split('\n')
  const rest: string[] = []
  let inType = false
  for (const line of lines) {
    if (/^export (type|interface) /.test(line) || /^(type|interface) /.test(line)) inType = true
    else if (/^\S/.test(line) && !/^[}\])|]/.test(line)) inType = false
    if (!inType && line.trim() !== '') rest.push(line)
  }
  return rest.join('\n').trim()
}

/** Sources with nothing to test. Explicit and short: a file leaves this list when it gets code. */
const typesOnly = new Set([
  'packages/sdk/src/policy/decide.ts',
  'packages/sdk/src/policy/policy.ts',
  'packages/server/src/cli/context.ts',
  'packages/server/src/gateway/gateway-shared.ts',
  'packages/server/src/gateway/gateway-state.ts',
  'packages/server/src/serve/workers/messages.ts',
  'packages/server/src/store/store.ts',
  'packages/server/src/trust/trust.ts',
])

const unfinished = {
  'unfinished work': /\b(TODO|FIXME|XXX|HACK)\b/,
  'a test that is left out or left alone': /\.(only|todo)\(|\bskip: true\b/,
}
const untyped = {
  'the type any': /\bas any\b(?! [a-z])|\bany\[\]|[:<|&]\s*any\b(?=\s*[;,)\]>=|&]|$)|,\s*any\s*>/,
  'a silenced type error': /@ts-(ignore|expect-error|nocheck)/,
}
const places = {
  'a place on a machine': /(^|[\s'"`(=])\/(work|tmp|root|home\/[a-z]+)\/[a-z]/i,
  'a registry host': /registry\.(npmjs|yarnpkg)|npmjs\.org\/-/,
}
const vagueName = /manager|helper|util|(^|-)data\b|(^|-)info\b/i
const vagueDeclarations = {
  'a vague name': /^(export )?(async )?(function|class|const|type|interface) \w*(Manager|Helper|Utils?)\b/,
  'a get prefix': /^export (async )?function get[A-Z]/,
}
