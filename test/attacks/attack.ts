import { test } from 'node:test'
import type { TestContext } from 'node:test'
import assert from 'node:assert/strict'
import { catalogue } from './catalogue.ts'
import { nameOf } from './row.ts'

/** Carries out one row of the catalogue; `title` stands here again so that a search for it finds the code. */
export function attack(row: number, title: string, carryOut: (t: TestContext) => void | Promise<void>): void {
  const found = catalogue.find((one) => one.row === row)
  assert.equal(found?.title, title, `row ${row} of the catalogue has another title`)
  test(nameOf(found), carryOut)
}
