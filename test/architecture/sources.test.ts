import { test } from 'node:test'
import assert from 'node:assert/strict'
import { importsOf, isShipped, readSources } from './sources.ts'

test('imports are found in every form, and not in comments', () => {
  const text = `
import { a } from './a.ts'
import type { B } from "./b.ts"
import {
  c,
} from './c.ts'
export { d } from './d.ts'
import './e.ts'
const f = await import('./f.ts')
// import { no } from './no.ts'
/* import { no } from './no.ts' */
`
  assert.deepEqual(importsOf(text).sort(), ['./a.ts', './b.ts', './c.ts', './d.ts', './e.ts', './f.ts'])
})

test('the walk sees the sources and leaves installed packages out', () => {
  const paths = readSources().map((file) => file.path)
  assert.ok(paths.includes('packages/sdk/src/core/problem.ts'))
  assert.ok(paths.includes('package.json'))
  assert.ok(!paths.some((path) => path.includes('node_modules') || path.includes('/dist/')))
  assert.ok(readSources('packages').some(isShipped))
})
