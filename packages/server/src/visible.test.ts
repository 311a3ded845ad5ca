import assert from 'node:assert/strict'
import { test } from 'node:test'
import { visible } from './visible.ts'

test('what a terminal would follow is spelled out', () => {
  assert.equal(
    visible('a\nb\u001b[2J\u007f\u009b1m\u2028\u2029'),
    'a\\u000ab\\u001b[2J\\u007f\\u009b1m\\u2028\\u2029',
  )
})

test('everything else stays: letters of all scripts, emoji, halves of pairs', () => {
  for (const text of ['', 'a b', 'é ü 漢字', '🔑', '\u00a0', '\ud800']) assert.equal(visible(text), text)
})
