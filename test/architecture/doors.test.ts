import { test } from 'node:test'
import assert from 'node:assert/strict'
import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { readRootFile, root } from './sources.ts'

const sdk = 'packages/sdk'
const manifest = JSON.parse(readRootFile(`${sdk}/package.json`))
const doors = readdirSync(join(root, sdk, 'src')).filter(
  (name) => name.endsWith('.ts') && !name.endsWith('.test.ts'),
)

test('every door is a public subpath and every public subpath is a door', () => {
  const subpaths = Object.keys(manifest.exports).filter((subpath) => subpath !== './package.json')
  assert.deepEqual(subpaths.sort(), doors.map((door) => `./${door.slice(0, -'.ts'.length)}`).sort())
})

test('every subpath names its source, its types and its code the same way', () => {
  for (const door of doors) {
    const name = door.slice(0, -'.ts'.length)
    assert.deepEqual(manifest.exports[`./${name}`], {
      source: `./src/${name}.ts`,
      types: `./dist/${name}.d.ts`,
      default: `./dist/${name}.js`,
    })
    // The order is part of it: the first condition that holds wins.
    assert.deepEqual(Object.keys(manifest.exports[`./${name}`]), ['source', 'types', 'default'])
    assert.ok(existsSync(join(root, sdk, 'src', door)))
  }
})

test('a door only re-exports, by name, from its own package', () => {
  for (const door of doors) {
    const code = readRootFile(`${sdk}/src/${door}`)
      .replaceAll(/\/\*[\s\S]*?\*\//g, '')
      .replaceAll(/^\s*\/\/.*$/gm, '')
    const rest = code.replaceAll(/export (type )?\{[^}]*\} from '\.\/[a-z0-9/-]+\.ts'\n?/g, '').trim()
    assert.equal(rest, '', `packages/sdk/src/${door} holds more than re-exports`)
  }
})

test('importing a door does nothing but define', async () => {
  for (const door of doors) {
    const before = Object.keys(process.listeners('exit')).length
    const names = Object.keys(await import(`../../${sdk}/src/${door}`))
    assert.ok(!names.includes('default'), `${door} has a default export`)
    assert.equal(Object.keys(process.listeners('exit')).length, before)
  }
})
