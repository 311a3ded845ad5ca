import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { isProblem } from '@countersign/sdk/core'
import { checkIssuerUrl, issuerUrlFor } from './issuer-choice.ts'

const folder = mkdtempSync(join(tmpdir(), 'countersign-issuer-choice-'))
after(() => rmSync(folder, { recursive: true }))
const unused = (): never => assert.fail('not used here')
const terminal = {
  print: unused,
  say: unused,
  paint: unused,
  readInput: unused,
  isTerminal: false,
  inputIsTerminal: false,
}
const context = { terminal, env: {}, cwd: folder, json: false, config: undefined }

test('the one that is named goes before the trust file’s', async () => {
  writeFileSync(
    join(folder, 'countersign.yaml'),
    "issuer: { url: https://a.example, listen: 127.0.0.1:1, store: 'memory:' }",
  )
  assert.equal(await issuerUrlFor(context, undefined), 'https://a.example')
  assert.equal(await issuerUrlFor(context, 'https://b.example'), 'https://b.example')
})

test('neither', async () => {
  writeFileSync(join(folder, 'countersign.yaml'), 'gateway: { listen: 127.0.0.1:1 }')
  await assert.rejects(
    issuerUrlFor(context, undefined),
    (error) => isProblem(error) && error.code === 'usage',
  )
})

test('no issuer can have such a URL', () => {
  for (const url of ['http://a.example', 'a.example', 'https://a.example?x']) {
    assert.throws(
      () => checkIssuerUrl(url),
      (error) => isProblem(error) && error.code === 'usage',
    )
  }
})
