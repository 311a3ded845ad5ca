import assert from 'node:assert/strict'
import { test } from 'node:test'
import { listenOption } from './export-listen.ts'

test('an address gets into the configuration, and nothing else', () => {
  for (const given of ['80', '127.0.0.1:80', '[::1]:80']) assert.equal(listenOption(given), given)
  for (const given of ['', '80; evil', '80\nevil', '80 ssl']) {
    assert.throws(() => listenOption(given), { code: 'usage' }, given)
  }
})
