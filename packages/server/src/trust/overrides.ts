import { nearest } from '@countersign/sdk/core'
import { systemCode } from '../system-code.ts'
import type { Reading } from './reading.ts'
import type { Shape } from './shape.ts'
import { pathText } from './mistake.ts'
import type { PathStep } from './mistake.ts'
import type { Place, Tree } from './tree.ts'

const prefix = 'COUNTERSIGN_'

/**
 * Puts environment variables over the file's values: `COUNTERSIGN_ISSUER_LISTEN` over `issuer.listen`, or the content of
 * the file that `COUNTERSIGN_ISSUER_LISTEN_FILE` names. Only texts that stand alone can be replaced: who may call what is
 * said in the file and nowhere else. A variable cannot bring a section to life that the file does not have.
 */
export function applyOverrides(
  tree: Tree,
  shape: Shape<unknown>,
  names: readonly string[],
  reading: Reading,
): Tree {
  const places = new Map<string, PathStep[]>()
  for (const path of overridablePaths(tree, shape, [])) {
    const name = variableName(path)
    const other = places.get(name)
    // `a-b` and `a_b` would share a variable; names have no underscore, so only a future table could do this.
    if (other !== undefined) report(reading, name, path, `stands for ${pathText(other)} as well`)
    places.set(name, path)
  }
  let replaced = tree
  for (const [name, path] of places) {
    const value = readVariable(name, path, reading)
    if (value !== undefined) replaced = withValue(replaced, path, value, { ...tree.place, variable: name })
  }
  warnOfUnknown(names, [...places.keys()], reading)
  return replaced
}

/** The variables that can replace something in this file, with what they replace: for `countersign check`. */
export function overrideNames(tree: Tree, shape: Shape<unknown>): ReadonlyMap<string, string> {
  return new Map(overridablePaths(tree, shape, []).map((path) => [variableName(path), pathText(path)]))
}

/** `['services', 'order-api', 'tokenFrom']` as `COUNTERSIGN_SERVICES_ORDER_API_TOKEN_FROM`. */
export function variableName(path: readonly PathStep[]): string {
  const words = path.map((step) =>
    String(step)
      .replaceAll('-', '_')
      .replaceAll(/([a-z0-9])([A-Z])/g, '$1_$2'),
  )
  return `${prefix}${words.join('_').toUpperCase()}`
}

function overridablePaths(tree: Tree | undefined, shape: Shape<unknown>, path: PathStep[]): PathStep[][] {
  if (shape.members !== undefined) {
    const entries = tree?.kind === 'map' ? tree.entries : new Map<string, Tree>()
    return Object.entries(shape.members).flatMap(([name, field]) => {
      const isSection = path.length === 0
      if (isSection && !entries.has(name)) return []
      return overridablePaths(entries.get(name), field.shape, [...path, name])
    })
  }
  if (shape.item !== undefined) {
    const { item } = shape
    if (tree?.kind !== 'map') return []
    return [...tree.entries].flatMap(([name, value]) => overridablePaths(value, item, [...path, name]))
  }
  return shape.overridable === true ? [path] : []
}

function readVariable(name: string, path: PathStep[], reading: Reading): string | undefined {
  const value = reading.variable(name)
  const file = reading.variable(`${name}_FILE`)
  if (file === undefined) return value
  if (value !== undefined) {
    report(reading, name, path, `${name} and ${name}_FILE are both set`, 'unset one of them')
    return undefined
  }
  try {
    return reading.readFile(file).replace(/\r?\n$/, '')
  } catch (error) {
    report(reading, `${name}_FILE`, path, `cannot read the file ${file} (${systemCode(error)})`)
    return undefined
  }
}

function withValue(tree: Tree, path: readonly PathStep[], value: string, place: Place): Tree {
  const [step, ...rest] = path
  if (step === undefined) return { kind: 'scalar', value, place, keyPlace: place }
  const { keyPlace } = tree
  const entries = new Map(tree.kind === 'map' ? tree.entries : [])
  const before = entries.get(String(step)) ?? { kind: 'map', entries: new Map(), place, keyPlace: place }
  entries.set(String(step), withValue(before, rest, value, place))
  return { kind: 'map', entries, place: tree.place, keyPlace }
}

/** A misspelt override would silently do nothing. Only our sections: Kubernetes sets COUNTERSIGN_PORT and the like itself. */
function warnOfUnknown(names: readonly string[], known: readonly string[], reading: Reading): void {
  for (const name of names) {
    const section = sections.some((word) => name.startsWith(`${prefix}${word}_`))
    const plain = name.endsWith('_FILE') ? name.slice(0, -'_FILE'.length) : name
    if (!section || known.includes(plain) || setByKubernetes(name)) continue
    const near = nearest(plain, known)
    reading.warnings.push({
      path: '',
      line: 1,
      column: 1,
      variable: name,
      message: 'replaces nothing in this file',
      ...(near === undefined ? {} : { next: `did you mean ${near}?` }),
    })
  }
}

/** The variables that Kubernetes and Docker links set for a service called `countersign-issuer`. */
function setByKubernetes(name: string): boolean {
  return name.endsWith('_PORT') || name.endsWith('_SERVICE_HOST') || /_(SERVICE_)?PORT_[A-Z0-9_]+$/.test(name)
}

function report(reading: Reading, variable: string, path: PathStep[], message: string, next?: string): void {
  const mistake = { path: pathText(path), line: 1, column: 1, variable, message }
  reading.mistakes.push(next === undefined ? mistake : { ...mistake, next })
}

const sections = ['ISSUER', 'GATEWAY', 'TRUSTED', 'SERVICES', 'CLIENTS', 'OPERATIONS', 'TRANSACTIONS']
