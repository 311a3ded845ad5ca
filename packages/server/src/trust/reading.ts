import { dirname, resolve } from 'node:path'
import { nearest } from '@countersign/sdk/core'
import { visible } from '../visible.ts'
import { pathText } from './mistake.ts'
import type { Mistake, PathStep } from './mistake.ts'
import type { Tree } from './tree.ts'

/** A value and where it stands. */
export type Spot = { readonly tree: Tree; readonly path: readonly PathStep[] }

/** A value that was read, with its spot for checks that come later. */
export type Located<T> = Spot & { readonly value: T }

/** What a reading collects and draws from. */
export type Reading = {
  readonly mistakes: Mistake[]
  readonly warnings: Mistake[]
  /** The value of an environment variable. */
  readonly variable: (name: string) => string | undefined
  /** The text of a file, by its path from the trust file. Throws when it cannot be read. */
  readonly readFile: (path: string) => string
  /** An absolute path from one that starts at the trust file. */
  readonly resolvePath: (path: string) => string
  readonly secretsFor: SecretsFor
  readonly dangerouslyShortSecrets: boolean
}

export type ReadTrustOptions = {
  /** The file's name as the person gave it: for messages, and what relative paths in the file start from. */
  readonly file: string
  /** Environment variables: overrides and secrets. */
  readonly env: Readonly<Record<string, string | undefined>>
  /** Reads a mounted file as UTF-8 text; throws when it cannot. */
  readonly readFile: (path: string) => string
  /** Whose secrets to load; all unless given. */
  readonly secretsFor?: SecretsFor
  /** For the tutorial's demo alone: takes secrets that can be guessed, and marks them. */
  readonly dangerouslyShortSecrets?: boolean
}

/**
 * A gateway has no business with the secrets of clients and of our issuer, a client with those of others, and `check` in a
 * pull request with none.
 */
export type SecretsFor = 'all' | 'issuer' | 'gateway' | 'none' | { readonly client: string }

/** An empty reading. */
export function openReading(options: ReadTrustOptions): Reading {
  const { file, env, readFile, secretsFor = 'all', dangerouslyShortSecrets = false } = options
  const resolvePath = (path: string): string => resolve(dirname(file), path)
  return {
    mistakes: [],
    warnings: [],
    variable: (name) => (Object.hasOwn(env, name) ? env[name] : undefined),
    readFile: (path) => readFile(resolvePath(path)),
    resolvePath,
    secretsFor,
    dangerouslyShortSecrets,
  }
}

/** Reports a mistake and returns undefined, so that a reader can end with it. */
export function mistake(reading: Reading, spot: Spot, message: string, next?: string): undefined {
  reading.mistakes.push(asMistake(spot, message, next))
}

/** Reports something that works but is probably not meant. */
export function warning(reading: Reading, spot: Spot, message: string, next?: string): void {
  reading.warnings.push(asMistake(spot, message, next))
}

function asMistake({ tree, path }: Spot, message: string, next: string | undefined): Mistake {
  const { line, column, variable } = tree.place
  return {
    path: pathText(path),
    line,
    column,
    ...(variable === undefined ? {} : { variable }),
    message,
    ...(next === undefined ? {} : { next }),
  }
}

/** Reports a name that is not among the known ones, with the nearest or all of them. */
export function unknownName(
  reading: Reading,
  spot: Spot,
  what: string,
  name: string,
  known: readonly string[],
): undefined {
  const near = nearest(name, known)
  const next =
    near !== undefined
      ? `did you mean ${JSON.stringify(near)}?`
      : known.length === 0
        ? undefined
        : `known: ${known.join(', ')}`
  return mistake(reading, spot, `unknown ${what} ${shown(name)}`, next)
}

/** The same value, placed at its key: for messages about the key itself. */
export function atKey(tree: Tree): Tree {
  return { ...tree, place: tree.keyPlace }
}

/** What kind of value it is, never the value: it may be a secret in the wrong place. */
export function kindText(tree: Tree): string {
  if (tree.kind !== 'scalar') return `a ${tree.kind}`
  if (tree.value === null) return 'nothing'
  if (typeof tree.value === 'boolean') return String(tree.value)
  return typeof tree.value === 'number' ? `the number ${tree.value}` : 'a text'
}

/** A value in a message: quoted, short, and hidden when it looks like a credential. */
export function shown(value: string): string {
  if (looksSecret(value)) return '[hidden]'
  const points = [...value]
  return visible(JSON.stringify(points.length > 60 ? `${points.slice(0, 59).join('')}…` : value))
}

/** A URL with a password, even a misspelt one; a token; a private key. */
export function looksSecret(value: string): boolean {
  return value.includes('@') || value.includes('eyJ') || value.includes('-----BEGIN')
}

/** `a, b or c`. */
export function oneOf(words: readonly string[]): string {
  if (words.length < 2) return words.join('')
  return `${words.slice(0, -1).join(', ')} or ${words.at(-1)}`
}
