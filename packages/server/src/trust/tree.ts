import { createRequire } from 'node:module'
import type * as Yaml from 'yaml'
import type { ErrorCode, LineCounter, Node, Pair, YAMLMap, YAMLParseError, YAMLSeq } from 'yaml'
import { pathText } from './mistake.ts'
import type { Mistake, PathStep } from './mistake.ts'

/** A YAML text as plain values that know where they stand. What the readers work on; nothing of `yaml` leaves here. */
export type Tree = {
  /** Where the value begins. */
  readonly place: Place
  /** Where the key begins that the value belongs to; the value's own place in a list. */
  readonly keyPlace: Place
} & (
  | { readonly kind: 'map'; readonly entries: ReadonlyMap<string, Tree> }
  | { readonly kind: 'list'; readonly items: readonly Tree[] }
  | { readonly kind: 'scalar'; readonly value: string | number | boolean | null }
)

/** Line and column from 1; `variable` when the value came from the environment instead. */
export type Place = { readonly line: number; readonly column: number; readonly variable?: string }

export type TreeResult =
  | { readonly kind: 'tree'; readonly tree: Tree }
  | { readonly kind: 'mistakes'; readonly mistakes: readonly Mistake[] }

/** A megabyte holds a trust file of thousands of services. */
const maxTextLength = 1024 * 1024
const maxDepth = 32
/** One missing bracket makes many errors: the first few are the ones to mend. */
const maxSyntaxMistakes = 5

/**
 * Reads a YAML 1.2 text strictly: one document, no anchors and aliases (who may call what stands where it is said, and
 * nothing can be blown up by reference), no tags, no directives, every key a text and there once. Never throws, and no
 * mistake repeats a piece of the text other than a key.
 */
export function readTree(text: string): TreeResult {
  const yaml = loadYaml()
  const builder: Builder = { yaml, mistakes: [], lines: new yaml.LineCounter() }
  if (text.length > maxTextLength) {
    wrong(builder, [], start, `the file is longer than ${maxTextLength} characters`)
    return { kind: 'mistakes', mistakes: builder.mistakes }
  }
  const tree = parse(builder, text)
  if (tree === undefined || builder.mistakes.length > 0)
    return { kind: 'mistakes', mistakes: builder.mistakes }
  return { kind: 'tree', tree }
}

function parse(builder: Builder, text: string): Tree | undefined {
  let document
  try {
    // uniqueKeys compares every key with every other one; build() does the same in one walk.
    document = builder.yaml.parseDocument(text, {
      lineCounter: builder.lines,
      prettyErrors: false,
      uniqueKeys: false,
    })
  } catch {
    // The library promises errors as values; a promise is not proof, and this reader never throws.
    wrong(builder, [], start, 'not readable as YAML')
    return undefined
  }
  for (const error of telling(document.errors)) {
    const place = placeOf(builder, error.pos[0])
    // Several errors on one line are one slip.
    if (builder.mistakes.some((mistake) => mistake.line === place.line)) continue
    wrong(builder, [], place, syntaxText(error))
    if (builder.mistakes.length === maxSyntaxMistakes) break
  }
  if (document.errors.length > 0) return undefined
  if (document.directives?.yaml.explicit === true) {
    wrong(
      builder,
      [],
      start,
      'a %YAML directive has no place here',
      'take the line out; the file is YAML 1.2',
    )
  }
  if (document.contents === null) {
    wrong(builder, [], start, 'the file is empty', 'run `countersign init` for a file to start from')
    return undefined
  }
  return build(builder, document.contents, [], start)
}

/** What comes after a tab or a wrong indentation was read in the wrong place: only these slips themselves are told. */
function telling(errors: readonly YAMLParseError[]): readonly YAMLParseError[] {
  const tabs = errors.filter(({ code }) => code === 'TAB_AS_INDENT')
  if (tabs.length > 0) return tabs
  return errors[0]?.code === 'BAD_INDENT' ? errors.slice(0, 1) : errors
}

function syntaxText({ code, message }: YAMLParseError): string {
  // The library has one code for both; its message is only looked at, since it might repeat the file.
  if (code === 'BAD_INDENT' && message.startsWith('Flow')) return 'a [ or { before this is not closed'
  return syntaxTexts[code] ?? 'not valid YAML'
}

type Builder = {
  readonly yaml: typeof Yaml
  readonly mistakes: Mistake[]
  readonly lines: LineCounter
}

function build(
  builder: Builder,
  node: Node | null,
  path: readonly PathStep[],
  keyPlace: Place | undefined,
): Tree | undefined {
  const place = node?.range ? placeOf(builder, node.range[0]) : (keyPlace ?? start)
  const at = { place, keyPlace: keyPlace ?? place }
  if (path.length > maxDepth) return wrong(builder, path, place, `nested more than ${maxDepth} levels deep`)
  if (node === null) return { ...at, kind: 'scalar', value: null }
  if ('anchor' in node && node.anchor !== undefined) {
    wrong(builder, path, place, 'an anchor (&) has no place here', 'write the value out where it is used')
  }
  if (node.tag !== undefined) return wrong(builder, path, place, 'a tag (!) has no place here', 'take it out')
  const { isMap, isSeq, isScalar } = builder.yaml
  if (isMap(node)) return { ...at, kind: 'map', entries: buildMap(builder, node, path) }
  if (isSeq(node)) return { ...at, kind: 'list', items: buildList(builder, node, path) }
  if (isScalar(node)) return buildScalar(builder, node.value, path, at)
  return wrong(builder, path, place, 'an alias (*) has no place here', 'write the value out where it is used')
}

function buildMap(builder: Builder, map: YAMLMap, path: readonly PathStep[]): Map<string, Tree> {
  const entries = new Map<string, Tree>()
  for (const pair of map.items as Pair<Node | null, Node | null>[]) {
    const keyPlace = pair.key?.range ? placeOf(builder, pair.key.range[0]) : start
    if (!builder.yaml.isScalar(pair.key) || typeof pair.key.value !== 'string') {
      wrong(builder, path, keyPlace, 'every key must be a text', 'put the key in quotes')
      continue
    }
    const key = pair.key.value
    if (pair.key.anchor !== undefined || pair.key.tag !== undefined) {
      wrong(
        builder,
        path,
        keyPlace,
        'a key with an anchor (&) or tag (!) has no place here',
        'write the key alone',
      )
    }
    const before = entries.get(key)
    if (before !== undefined) {
      wrong(
        builder,
        [...path, key],
        keyPlace,
        `written twice; first on line ${before.keyPlace.line}`,
        'keep one',
      )
      continue
    }
    const value = build(builder, pair.value, [...path, key], keyPlace)
    if (value !== undefined) entries.set(key, value)
  }
  return entries
}

function buildList(builder: Builder, list: YAMLSeq, path: readonly PathStep[]): Tree[] {
  const items: Tree[] = []
  for (const [index, item] of (list.items as (Node | null)[]).entries()) {
    const value = build(builder, item, [...path, index], undefined)
    if (value !== undefined) items.push(value)
  }
  return items
}

function buildScalar(
  builder: Builder,
  value: unknown,
  path: readonly PathStep[],
  at: { place: Place; keyPlace: Place },
): Tree | undefined {
  if (value === null || typeof value === 'string' || typeof value === 'boolean') {
    return { ...at, kind: 'scalar', value }
  }
  // A number that JavaScript cannot hold exactly would be compared as a different one.
  if (
    typeof value === 'number' &&
    Number.isFinite(value) &&
    (!Number.isInteger(value) || Number.isSafeInteger(value))
  ) {
    return { ...at, kind: 'scalar', value }
  }
  return wrong(builder, path, at.place, 'a number out of range', 'put it in quotes if it is meant as text')
}

function placeOf(builder: Builder, offset: number): Place {
  const { line, col } = builder.lines.linePos(offset)
  return { line: Math.max(line, 1), column: Math.max(col, 1) }
}

function wrong(
  builder: Builder,
  path: readonly PathStep[],
  place: Place,
  message: string,
  next?: string,
): undefined {
  const mistake = { path: pathText(path), line: place.line, column: place.column, message }
  builder.mistakes.push(next === undefined ? mistake : { ...mistake, next })
}

/** Required and not imported: to be a module of the other kind takes it longer than all that it does for us. */
function loadYaml(): typeof Yaml {
  return createRequire(import.meta.url)('yaml') as typeof Yaml
}

const start: Place = { line: 1, column: 1 }

/** Our own words for the library's errors: its messages repeat pieces of the text, and a secret may be one of them. */
const syntaxTexts: Readonly<Record<ErrorCode, string>> = {
  ALIAS_PROPS: 'an alias (*) has no place here: write the value out',
  BAD_ALIAS: 'an anchor (&) or alias (*) has no place here: write the value out',
  BAD_COLLECTION_TYPE: 'a tag (!) has no place here',
  BAD_DIRECTIVE: 'a directive (%) has no place here',
  BAD_DQ_ESCAPE: 'an escape (\\) that YAML does not know inside double quotes: use single quotes',
  BAD_INDENT: 'the indentation does not fit the lines above',
  BAD_PROP_ORDER: 'an anchor (&) or tag (!) has no place here',
  BAD_SCALAR_START: 'a text that starts with this character must be put in quotes',
  BLOCK_AS_IMPLICIT_KEY: 'a second ": " on one line: put the value in quotes, or on lines of its own',
  BLOCK_IN_FLOW: 'a list or map in lines cannot stand inside [ ] or { }',
  DUPLICATE_KEY: 'written twice',
  IMPOSSIBLE: 'not valid YAML',
  KEY_OVER_1024_CHARS: 'the key is longer than 1024 characters',
  MISSING_CHAR: 'something is missing here: a quote, a bracket, a comma, or ": " after a key',
  MULTILINE_IMPLICIT_KEY: 'a key must stand on one line',
  MULTIPLE_ANCHORS: 'an anchor (&) has no place here',
  MULTIPLE_DOCS: 'a second document (---) in the file: a trust file is one document',
  MULTIPLE_TAGS: 'a tag (!) has no place here',
  NON_STRING_KEY: 'every key must be a text',
  RESOURCE_EXHAUSTION: 'nested too deep to read',
  TAB_AS_INDENT: 'a tab cannot indent: use spaces',
  TAG_RESOLVE_FAILED: 'a tag (!) has no place here',
  UNEXPECTED_TOKEN: 'not expected here: look for a missing quote, comma or bracket before it',
}
