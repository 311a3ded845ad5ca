import { test } from 'node:test'
import assert from 'node:assert/strict'
import { existsSync, readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { readRootFile, root } from './sources.ts'

const drawn = readTree(readRootFile('ARCHITECTURE.md'))

test('everything drawn in ARCHITECTURE.md is on disk', () => {
  const missing = drawn.filter((path) => !existsSync(join(root, path)))
  assert.deepEqual(missing, [])
})

test('every folder of the repository and of its packages is drawn', () => {
  const folders = ['', 'packages', 'packages/sdk/src', 'packages/server/src', 'test'].flatMap((parent) =>
    readdirSync(join(root, parent))
      .filter((name) => !notDrawn.has(name))
      .map((name) => (parent === '' ? name : `${parent}/${name}`))
      .filter((path) => statSync(join(root, path)).isDirectory()),
  )
  assert.deepEqual(
    folders.filter((path) => !drawn.includes(path)),
    [],
  )
})

test('every door of the sdk is drawn', () => {
  const doors = readdirSync(join(root, 'packages/sdk/src')).filter((name) => name.endsWith('.ts'))
  assert.deepEqual(
    doors.filter((door) => !drawn.includes(`packages/sdk/src/${door}`)),
    [],
  )
})

/**
 * The paths of the first ```tree block: two spaces deeper is one level down, the first word of a line is the name
 * (several names, split by spaces, before two spaces or the end of the line), the rest says what it is.
 */
function readTree(markdown: string): string[] {
  const block = /^```tree\n([\s\S]*?)^```/m.exec(markdown)?.[1]
  assert.ok(block, 'ARCHITECTURE.md has no ```tree block')
  const found: string[] = []
  const parents: string[] = []
  for (const line of block.split('\n')) {
    if (line.trim() === '') continue
    const depth = (line.length - line.trimStart().length) / 2
    assert.ok(Number.isInteger(depth), `odd indentation: ${line}`)
    const names = line.trim().split(/ {2,}/)[0]!.split(' ')
    for (const name of names) {
      const path = [...parents.slice(0, depth), name.replace(/\/$/, '')].join('/')
      found.push(path)
      parents[depth] = name.replace(/\/$/, '')
    }
  }
  return found
}

const notDrawn = new Set(['node_modules', 'dist', '.git', '.cache', '.countersign'])
