import { test } from 'node:test'
import assert from 'node:assert/strict'
import { isBuiltin } from 'node:module'
import { posix } from 'node:path'
import { importsOf, isShipped, readRootFile, readSources } from './sources.ts'

// The import rules of ARCHITECTURE.md. Imports go one way, so that every room can be read without the ones above it.

const shipped = readSources('packages').filter(isShipped)

test('every room imports only the rooms it may', () => {
  const wrong: string[] = []
  for (const file of shipped) {
    const from = roomOf(file.path)
    for (const specifier of importsOf(file.text)) {
      if (!specifier.startsWith('.')) continue
      const target = posix.join(posix.dirname(file.path), specifier)
      const to = roomOf(target)
      if (from.pkg !== to.pkg) wrong.push(`${file.path} reaches into ${target}: use its public door`)
      else if (!allowed(from, to, target)) wrong.push(`${file.path} imports ${target}`)
    }
  }
  assert.deepEqual(wrong, [])
})

test('the sdk imports nothing but itself and what Node brings', () => {
  const wrong: string[] = []
  for (const file of shipped.filter((file) => file.path.startsWith('packages/sdk/'))) {
    for (const specifier of importsOf(file.text)) {
      if (specifier.startsWith('.') || specifier.startsWith('node:')) continue
      wrong.push(`${file.path} imports ${specifier}`)
    }
  }
  assert.deepEqual(wrong, [])
  const manifest = JSON.parse(readRootFile('packages/sdk/package.json'))
  for (const field of ['dependencies', 'optionalDependencies', 'bundledDependencies']) {
    assert.equal(manifest[field], undefined, `packages/sdk/package.json must not have ${field}`)
  }
})

test('the sdk names the frameworks it serves, and stands in the way of no version of them', () => {
  const { peerDependencies, peerDependenciesMeta } = JSON.parse(readRootFile('packages/sdk/package.json'))
  const { devDependencies } = JSON.parse(readRootFile('package.json'))
  const names = Object.keys(peerDependencies)
  const each = (value: unknown): object => Object.fromEntries(names.map((name) => [name, value]))
  assert.deepEqual(peerDependencies, each('*'))
  assert.deepEqual(peerDependenciesMeta, each({ optional: true }))
  assert.deepEqual(
    names.filter((name) => !(name in devDependencies)),
    [],
    'not tested',
  )
})

test('the server imports the sdk by its doors, and otherwise only what it declares', () => {
  const { dependencies } = JSON.parse(readRootFile('packages/server/package.json'))
  const { exports } = JSON.parse(readRootFile('packages/sdk/package.json'))
  const doors = Object.keys(exports).map((subpath) => `@countersign/sdk${subpath.slice(1)}`)
  const wrong: string[] = []
  for (const file of shipped.filter((file) => file.path.startsWith('packages/server/'))) {
    for (const specifier of importsOf(file.text)) {
      if (specifier.startsWith('.') || specifier.startsWith('node:') || specifier.startsWith('#')) continue
      const name = packageName(specifier)
      const known = name === '@countersign/sdk' ? doors.includes(specifier) : name in dependencies
      if (known || undeclared[file.path] === name) continue
      wrong.push(`${file.path} imports ${specifier}`)
    }
  }
  assert.deepEqual(wrong, [])
})

test('built-in modules are imported by their node: name', () => {
  const wrong = shipped.flatMap((file) =>
    importsOf(file.text)
      .filter((specifier) => !specifier.startsWith('node:') && isBuiltin(specifier))
      .map((specifier) => `${file.path} imports ${specifier}`),
  )
  assert.deepEqual(wrong, [])
})

test('relative imports name a .ts file', () => {
  const wrong = shipped.flatMap((file) =>
    importsOf(file.text)
      .filter((specifier) => specifier.startsWith('.') && !/\.(ts|json)$/.test(specifier))
      .map((specifier) => `${file.path} imports ${specifier}`),
  )
  assert.deepEqual(wrong, [])
})

type Room = { readonly pkg: string; readonly room: string }

/** `packages/server/src/issuer/token/mint.ts` → the room "issuer" of "server"; a door or other file at the top: room "". */
function roomOf(path: string): Room {
  const [, pkg = '', , ...rest] = path.split('/')
  return { pkg, room: rest.length > 1 ? rest[0]! : '' }
}

function allowed(from: Room, to: Room, target: string): boolean {
  // Doors re-export from everywhere below them; that they do nothing else is proven in doors.test.ts.
  if (from.room === '') return true
  if (from.room === to.room) return true
  // Single files at the top of the server (log.ts) are types that every room may name. Doors are for outsiders.
  if (to.room === '') return from.pkg === 'server'
  const rules = rooms[from.pkg]?.[from.room]
  if (rules === undefined)
    assert.fail(`the room ${from.pkg}/${from.room} has no import rule: add it to this test`)
  return rules.some((rule) => rule === to.room || target === `packages/${from.pkg}/src/${rule}`)
}

function packageName(specifier: string): string {
  const parts = specifier.split('/')
  return specifier.startsWith('@') ? parts.slice(0, 2).join('/') : parts[0]!
}

/** Who may import whom, by package and room; a rule with a `/` allows that one file. */
const rooms: Record<string, Record<string, readonly string[]>> = {
  sdk: {
    core: [],
    jwt: ['core'],
    policy: ['core', 'jwt'],
    guard: ['core', 'jwt', 'policy'],
    client: ['core', 'jwt'],
    testing: ['core', 'jwt', 'policy', 'guard'],
  },
  server: {
    net: ['trust/trust.ts'],
    metrics: [],
    tracing: ['metrics'],
    trust: ['net'],
    store: ['trust/trust.ts', 'metrics'],
    issuer: ['trust', 'net', 'metrics', 'tracing', 'store/store.ts'],
    gateway: ['trust', 'net', 'metrics', 'tracing'],
    admin: ['trust', 'metrics', 'tracing', 'issuer', 'store/store.ts'],
    export: ['trust', 'gateway/decision/identity.ts', 'gateway/upstream/header-names.ts'],
    serve: ['trust', 'net', 'metrics', 'tracing', 'store', 'issuer', 'admin', 'gateway'],
    demo: ['trust', 'net', 'serve'],
    cli: ['trust', 'store', 'issuer', 'admin', 'gateway', 'serve', 'demo', 'export'],
  },
}

/** The one package that is used when it is there and done without when it is not. */
const undeclared: Record<string, string> = {
  'packages/server/src/demo/provider.ts': 'oidc-provider',
  'packages/server/src/demo/provider-store.ts': 'oidc-provider',
}
