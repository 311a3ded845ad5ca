import { Secret } from '@countersign/sdk/core'
import { systemCode } from '../system-code.ts'
import { kindText, mistake } from './reading.ts'
import type { Reading, Spot } from './reading.ts'
import { fields, optional, text } from './shape.ts'
import type { Shape } from './shape.ts'

/** A place a secret is loaded from, as the trust file names it. The file itself never holds one. */
export type SecretReference = Spot & {
  readonly from:
    { readonly kind: 'env'; readonly name: string } | { readonly kind: 'file'; readonly path: string }
}

/** `{ env: NAME }` or `{ file: path }`. What stands there instead is never repeated: it may be the secret itself. */
export function secretReference(): Shape<SecretReference> {
  return {
    schema: { ...reference.schema, minProperties: 1, maxProperties: 1 },
    read(spot, reading) {
      const { tree } = spot
      if (tree.kind === 'scalar' && tree.value !== null)
        return mistake(reading, spot, neverHere, neverHereNext)
      if (tree.kind !== 'map') {
        return mistake(reading, spot, `expected { env: NAME } or { file: path }, got ${kindText(tree)}`)
      }
      const before = reading.mistakes.length
      const draft = reference.read(spot, reading)
      if (draft === undefined || reading.mistakes.length > before) return undefined
      const { env, file } = draft
      if (env !== undefined && file === undefined) return { ...spot, from: { kind: 'env', name: env } }
      if (file !== undefined && env === undefined) return { ...spot, from: { kind: 'file', path: file } }
      return mistake(reading, spot, 'expected exactly one of env and file')
    },
  }
}

/**
 * Loads a secret. `{ env: NAME }` also takes the file that `NAME_FILE` names, the convention for mounted secrets. The
 * last line break of a file is not part of the secret, because every editor and `echo` adds one.
 */
export function loadSecret(reference: SecretReference, reading: Reading): Secret | undefined {
  const { from } = reference
  if (from.kind === 'file') return loadFile(from.path, reference, reading)
  const value = reading.variable(from.name)
  const path = reading.variable(`${from.name}_FILE`)
  if (value !== undefined && path !== undefined) {
    return mistake(reading, reference, `${from.name} and ${from.name}_FILE are both set`, 'unset one of them')
  }
  if (path !== undefined) return loadFile(path, reference, reading)
  if (value === undefined || value === '') {
    const next = `set ${from.name}, or ${from.name}_FILE to the path of a file that holds it`
    return mistake(reading, reference, `the environment variable ${from.name} is not set`, next)
  }
  return Secret.fromText(value)
}

function loadFile(path: string, spot: Spot, reading: Reading): Secret | undefined {
  let content
  try {
    content = reading.readFile(path)
  } catch (error) {
    return unreadableFile(path, error, spot, reading)
  }
  const value = content.replace(/\r?\n$/, '')
  if (value === '') return mistake(reading, spot, `the file ${path} is empty`, 'put the secret into it')
  return Secret.fromText(value)
}

/** Reports a file that cannot be read, and why. */
export function unreadableFile(path: string, error: unknown, spot: Spot, reading: Reading): undefined {
  const code = systemCode(error)
  const message = `cannot read the file ${path} (${code})`
  return mistake(reading, spot, message, fileSteps[code] ?? 'check that it is a file that this user may read')
}

const fileSteps: Readonly<Record<string, string>> = {
  ENOENT: 'check the path, which begins at the folder of the trust file',
  EACCES: 'let this user read it',
}

/** Refuses a secret that can be guessed; `why` names the rule. */
export function strongEnough(
  secret: Secret,
  { bytes, why }: { bytes: number; why: string },
  spot: Spot,
  reading: Reading,
): boolean {
  if (secret.byteLength >= bytes) return true
  const message = `the secret has ${secret.byteLength} bytes; ${why}`
  mistake(reading, spot, message, `make one with \`openssl rand -base64 ${bytes}\``)
  return false
}

const neverHere = 'a secret never stands in the trust file'
const neverHereNext =
  'name where it is instead: { env: NAME } or { file: path }; and replace the secret, it has been written down'

const reference = fields({
  env: optional(
    text(
      (value) =>
        /^[A-Z_][A-Z0-9_]{0,127}$/.test(value)
          ? { value }
          : // Not shown: a secret pasted after `env:` must not reach the log.
            { message: 'expected the name of an environment variable: capital letters, digits and _' },
      { pattern: '^[A-Z_][A-Z0-9_]{0,127}$' },
      { overridable: false },
    ),
    'Name of an environment variable that holds the secret; or, with _FILE behind it, the path of a file that does.',
  ),
  file: optional(
    text(
      (value) =>
        value === '' || value.length > 4096 || value.includes('\0') || value.includes('\n')
          ? { message: 'expected the path of a file' }
          : { value },
      { minLength: 1 },
      { overridable: false },
    ),
    'Path of a file that holds the secret, relative to the trust file.',
  ),
})
