import assert from 'node:assert/strict'
import { test } from 'node:test'
import { trustFile } from './file-shape.ts'
import type { Shape } from './shape.ts'

test('every key of the file is explained in one line', () => {
  const seen: string[] = []
  walk(trustFile, [])
  assert.ok(
    seen.includes('issuer.keys.seal') &&
      seen.includes('services.tokenFrom') &&
      seen.includes('clients.may.roles'),
  )

  function walk(shape: Shape<unknown>, path: string[]): void {
    if (shape.item !== undefined) walk(shape.item, path)
    for (const [name, field] of Object.entries(shape.members ?? {})) {
      const here = [...path, name]
      seen.push(here.join('.'))
      assert.match(field.about, /^[\p{L}].{10,140}\.$/u, here.join('.'))
      walk(field.shape, here)
    }
  }
})
