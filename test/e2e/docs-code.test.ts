import { test } from 'node:test'
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { typesModule } from '../../packages/server/src/cli/types-module.ts'
import { readTrust } from '../../packages/server/src/trust/read.ts'
import { root } from './demo-process.ts'

// The README's code is run (walkthrough.test.ts); the code of the other pages has to compile, each block by itself.

test('the code shown in the documents compiles', () => {
  const folder = join(root, '.cache/docs')
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(folder, { recursive: true })
  const pages = ['docs/guard.md', 'docs/client.md', 'packages/sdk/README.md']
  for (const page of pages) {
    const blocks = [...readFileSync(join(root, page), 'utf8').matchAll(/^```ts\n([\s\S]*?)^```$/gm)]
    assert.ok(blocks.length > 0, `${page} has lost its code`)
    for (const [index, [, code]] of blocks.entries()) {
      writeFileSync(join(folder, `${page.replaceAll(/[/.]/g, '-')}-${index + 1}.ts`), `${code}export {}\n`)
    }
  }
  writeFileSync(join(folder, 'countersign.ts'), moduleOfReadme())
  writeFileSync(
    join(folder, 'tsconfig.json'),
    JSON.stringify({
      extends: '../../tsconfig.json',
      compilerOptions: { noUnusedParameters: false, noUnusedLocals: false },
      include: ['*.ts'],
    }),
  )
  const tsc = join(root, 'node_modules/typescript/bin/tsc')
  const compiled = spawnSync(process.execPath, [tsc, '-p', folder], { encoding: 'utf8' })
  assert.equal(compiled.status, 0, compiled.stdout)
  rmSync(folder, { recursive: true })
})

/** What `countersign types` writes for the trust file that the README shows. */
function moduleOfReadme(): string {
  const text = /^```yaml\n([\s\S]*?)^```$/m.exec(readFileSync(join(root, 'README.md'), 'utf8'))![1]!
  const reading = readTrust(text, {
    file: 'countersign.yaml',
    env: {},
    readFile: () => '',
    secretsFor: 'none',
  })
  assert.ok(reading.kind === 'trust')
  return typesModule(reading.trust, [...reading.trust.services.values()], 'countersign.yaml')
}
