import { test } from 'node:test'
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { startServers } from '../../packages/server/src/serve/start.ts'
import { readTrust } from '../../packages/server/src/trust/read.ts'
import { openBash } from './bash-session.ts'
import { root } from './demo-process.ts'
import { matchesOutput, readShellBlocks } from './readme-blocks.ts'

// docs/revocation.md: its commands are run against an issuer with its trust file, its code as the tests that they are.

const page = readFileSync(join(root, 'docs/revocation.md'), 'utf8')
const folder = join(root, '.cache/revocation-page')

test('the commands of docs/revocation.md print what it says', async (t) => {
  const env = {
    ORDERS_SECRET: 'orders-secret-of-some-length-0001',
    BILLING_SECRET: 'billing-secret-of-some-length-01',
  }
  const yaml = /^```yaml\n([\s\S]*?)^```$/m.exec(page)![1]!.replace('127.0.0.1:8080', '127.0.0.1:0')
  const reading = readTrust(yaml, { file: 'page', env, readFile: () => '' })
  assert.ok(reading.kind === 'trust')
  const servers = await startServers({ trust: reading.trust, drainMs: 100 })
  t.after(() => servers.close())
  mkdirSync(folder, { recursive: true })
  const bash = openBash({ ...process.env, ...env })
  t.after(() => bash.close())
  await bash.run(`cd ${folder}`)
  const blocks = readShellBlocks(page)
  assert.equal(blocks.length, 2)
  for (const { line, command, output } of blocks) {
    const here = command.replaceAll('localhost:8080', `127.0.0.1:${servers.addresses.issuer!.port}`)
    const { output: printed } = await bash.run(here)
    assert.ok(matchesOutput(printed, output!), `line ${line} prints:\n${printed}`)
  }
})

test('the code of docs/revocation.md compiles and passes', () => {
  const blocks = [...page.matchAll(/^```ts\n([\s\S]*?)^```$/gm)].map(([, code]) => code!)
  assert.equal(blocks.length, 2)
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
  assert.match(ran.stdout, /^# pass 2$/m)
  rmSync(folder, { recursive: true })
})

function run(parameters: readonly string[]) {
  // A test that runs tests must not hand down that it is one.
  const { NODE_TEST_CONTEXT: _, ...env } = process.env
  return spawnSync(process.execPath, parameters, { encoding: 'utf8', cwd: root, env })
}
