import { test } from 'node:test'
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { root } from './demo-process.ts'

// The code of docs/testing.md are tests; each is type-checked and run as it stands there.

const folder = join(root, '.cache/testing-page')
const page = readFileSync(join(root, 'docs/testing.md'), 'utf8')
const blocks = [...page.matchAll(/^```ts\n([\s\S]*?)^```$/gm)].map(([, code]) => code!)

test('the tests shown in docs/testing.md compile and pass', () => {
  assert.ok(blocks.length >= 4, 'the page has lost its code')
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(folder, { recursive: true })
  const files = blocks.map((code, index) => {
    const file = join(folder, `block-${index + 1}.test.ts`)
    writeFileSync(file, code)
    return file
  })
  const settings = { extends: '../../tsconfig.json', include: ['*.ts'] }
  writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify(settings))
  const compiled = run([join(root, 'node_modules/typescript/bin/tsc'), '-p', folder])
  assert.equal(compiled.status, 0, compiled.stdout)

  const ran = run(['--conditions=source', '--test', '--test-reporter=tap', ...files])
  assert.equal(ran.status, 0, ran.stdout)
  assert.match(ran.stdout, /^# pass 10$/m)
  rmSync(folder, { recursive: true })
})

test('the page names every option of a token and every fault', () => {
  const sources = ['mint.ts', 'endpoints.ts'].map((name) =>
    readFileSync(join(root, 'packages/sdk/src/testing', name), 'utf8'),
  )
  const [token, faults] = ['TestToken', 'Faults'].map((type, index) => {
    const body = new RegExp(`export type ${type} = \\{\\n([\\s\\S]*?)^\\}`, 'm').exec(sources[index]!)![1]!
    return [...body.matchAll(/^ {2}readonly (\w+)\?/gm)].map(([, name]) => name!)
  })
  assert.ok(token!.length > 10 && faults!.length === 6)
  for (const name of [...token!, ...faults!]) assert.ok(page.includes(name), `${name} is not on the page`)
})

function run(parameters: readonly string[]) {
  // A test that runs tests must not hand down that it is one.
  const { NODE_TEST_CONTEXT: _, ...env } = process.env
  return spawnSync(process.execPath, parameters, { encoding: 'utf8', cwd: root, env })
}
