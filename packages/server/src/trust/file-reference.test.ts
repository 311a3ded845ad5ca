import assert from 'node:assert/strict'
import { resolve } from 'node:path'
import { test } from 'node:test'
import { fileReference } from './file-reference.ts'
import { openReading } from './reading.ts'
import type { ReadTrustOptions } from './reading.ts'
import { readTree } from './tree.ts'

test('a path from the trust file on', () => {
  assert.deepEqual(read('{ file: tls/ca.pem }'), { path: resolve('conf/tls/ca.pem'), mistakes: [] })
})

test('a file that is not there is a mistake where it is needed', () => {
  const message = 'cannot read the file gone.pem (ENOENT)'
  assert.deepEqual(read('{ file: gone.pem }'), { path: undefined, mistakes: [message] })
  assert.deepEqual(read('{ file: gone.pem }', 'none').mistakes, [])
})

test('anything else', () => {
  assert.deepEqual(read('ca.pem').mistakes, ['expected { file: path }, got a text'])
  assert.deepEqual(read("{ file: '' }").mistakes, ['expected the path of a file'])
  assert.deepEqual(read('{ file: a, env: B }').mistakes, ['unknown key "env"'])
})

function read(text: string, secretsFor: ReadTrustOptions['secretsFor'] = 'gateway') {
  const parsed = readTree(text)
  assert.ok(parsed.kind === 'tree')
  const readFile = (path: string): string => {
    if (path.endsWith('gone.pem')) throw Object.assign(new Error('gone'), { code: 'ENOENT' })
    return 'PEM'
  }
  const reading = openReading({ file: 'conf/trust.yaml', env: {}, readFile, secretsFor })
  const path = fileReference().read({ tree: parsed.tree, path: [] }, reading)
  return { path, mistakes: reading.mistakes.map(({ message }) => message) }
}
