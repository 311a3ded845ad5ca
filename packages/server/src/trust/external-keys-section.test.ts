import assert from 'node:assert/strict'
import { resolve } from 'node:path'
import { test } from 'node:test'
import { mistakesText } from './mistake.ts'
import { readTrust } from './read.ts'
import type { ExternalKeySettings } from './trust.ts'

test('a program by its path is one from the trust file, by its name one that is looked for', () => {
  assert.deepEqual(read('{ command: [./kms, --region, eu] }').settings, {
    command: [resolve('etc/kms'), '--region', 'eu'],
    timeoutMs: 2000,
    leave: false,
  })
  assert.deepEqual(read('{ command: [kms, ./x], timeout: 5s, leave: true }').settings, {
    command: ['kms', './x'],
    timeoutMs: 5000,
    leave: true,
  })
})

for (const [section, message] of [
  ['{}', /external\.command.*missing|command/],
  ['{ command: [] }', /expected at least 1 of: the program and its arguments/],
  ['{ command: kms --region eu }', /expected a list of the program and its arguments/],
  ["{ command: [''] }", /expected a program or an argument/],
  ['{ command: [kms], timeout: 2m }', /expected 1s to 30s/],
  ['{ command: [kms], leave: false }', /leave/],
] as const) {
  test(`refused: ${section}`, () => assert.match(read(section).mistakes, message))
}

function read(section: string): { settings: ExternalKeySettings | undefined; mistakes: string } {
  const text = `issuer: { url: http://localhost:8080, listen: 127.0.0.1:8080, store: 'memory:', keys: { external: ${section} } }\n`
  const reading = readTrust(text, { file: resolve('etc/countersign.yaml'), env: {}, readFile: () => '' })
  return reading.kind === 'trust'
    ? { settings: reading.trust.issuer?.keys.external, mistakes: '' }
    : { settings: undefined, mistakes: mistakesText('countersign.yaml', reading.mistakes) }
}
