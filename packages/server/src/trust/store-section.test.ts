import assert from 'node:assert/strict'
import { test } from 'node:test'
import { hasPassword, readStore } from './store-section.ts'

// How the trust file names a store, and what it says about mistakes, stands in issuer-section.test.ts.

test('a store’s URL says which kind it is', () => {
  assert.deepEqual(readStore('memory:'), { kind: 'memory' })
  assert.deepEqual(readStore('sqlite:a/b.db'), { kind: 'sqlite', path: 'a/b.db' })
  for (const url of ['postgres://u:p@h:1/d', 'postgresql://h/d']) {
    const settings = readStore(url)
    assert.equal('kind' in settings && settings.kind === 'postgres' && settings.url.revealText(), url)
  }
})

test('what is none says what to write', () => {
  for (const [text, next] of [
    ['memory', 'write memory: with the colon'],
    ['a.db', 'write sqlite:a.db'],
    ['sqlite:', 'write sqlite:countersign.db, or memory:'],
    ['sqlite://a.db', 'write sqlite:countersign.db, or memory:'],
    ['mysql://h/d', undefined],
    ['postgres://', undefined],
  ] as const) {
    const mistake = readStore(text)
    assert.ok('message' in mistake, text)
    assert.equal(mistake.next, next)
  }
})

test('a password is seen wherever a URL can have one', () => {
  for (const url of ['postgres://u:p@h/d', 'postgres://h/d?password=p', 'postgres://u:p@h:port/d']) {
    assert.equal(hasPassword(url), true, url)
  }
  for (const url of ['postgres://u@h/d', 'sqlite:a.db', 'memory:']) assert.equal(hasPassword(url), false, url)
})
