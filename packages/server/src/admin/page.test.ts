import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readPage } from './page.ts'

const read = (query: Record<string, string>) => readPage({ query: new Map(Object.entries(query)) })

test('a hundred from the start, unless said otherwise', () => {
  assert.deepEqual(read({}), { after: '', limit: 100 })
  assert.deepEqual(read({ after: 'c7', limit: '1000' }), { after: 'c7', limit: 1000 })
})

test('no page that no store could look up', () => {
  for (const query of [
    { limit: '0' },
    { limit: '01' },
    { limit: '1e2' },
    { limit: '' },
    { after: 'a\0' },
    { after: 'é' },
  ])
    assert.equal('status' in read(query as Record<string, string>), true, JSON.stringify(query))
})
