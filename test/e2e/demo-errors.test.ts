import { after, test } from 'node:test'
import assert from 'node:assert/strict'
import { createServer } from 'node:net'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { spawnSync } from 'node:child_process'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { freePorts, portVariables, root, runDemo } from './demo-process.ts'

// What goes wrong on a first day, and what the demo says then: one line with what, where and the next step.

const folder = mkdtempSync(join(tmpdir(), 'countersign-demo-'))
after(() => rmSync(folder, { recursive: true }))

for (const taken of ['issuer', 'gateway', 'secret', 'billing'] as const) {
  test(`the ${taken}'s port is taken`, async () => {
    const ports = await freePorts()
    const other = createServer()
    await new Promise<void>((resolve) => other.listen(ports[taken], '127.0.0.1', resolve))
    const { code, stdout, stderr } = await runDemo({
      ...portVariables(ports),
      COUNTERSIGN_DEMO_FOLDER: folder,
    })
    other.close()
    assert.equal(code, 1)
    assert.equal(stdout, '')
    assertOneLine(stderr, new RegExp(`port ${ports[taken]} .*--${taken}-port`))
  })
}

test('the folder for secrets cannot be written to', async () => {
  const file = join(folder, 'a-file')
  writeFileSync(file, '')
  const { code, stderr } = await runDemo({
    ...portVariables(await freePorts()),
    COUNTERSIGN_DEMO_FOLDER: join(file, 'demo'),
  })
  assert.equal(code, 1)
  assertOneLine(stderr, /a-file.*COUNTERSIGN_DEMO_FOLDER/)
})

test('SECRET_KEY is set but empty', async () => {
  const { code, stderr } = await runDemo({ SECRET_KEY: '' })
  assert.equal(code, 1)
  assertOneLine(stderr, /SECRET_KEY is set but empty.*unset SECRET_KEY/)
})

test('a port that is none', async () => {
  const { code, stderr } = await runDemo({ COUNTERSIGN_DEMO_ISSUER_PORT: 'http' })
  assert.equal(code, 1)
  assertOneLine(stderr, /COUNTERSIGN_DEMO_ISSUER_PORT: expected a port from 1 to 65535, got "http"/)
})

test('a Node that is too old is told before anything else happens', () => {
  const run = spawnSync(
    process.execPath,
    [
      '-e',
      `Object.defineProperty(process.versions, 'node', { value: '20.1.0' }); import('${root}scripts/preflight.js')`,
    ],
    { encoding: 'utf8' },
  )
  assert.equal(run.status, 1)
  assert.match(run.stderr, /needs Node.js 24 or newer; this is 20\.1\.0/)
  assert.match(run.stderr, /npm rebuild node/)
})

test('--print-trust prints the trust file and starts nothing', async () => {
  const { code, stdout } = await runDemo({ COUNTERSIGN_DEMO_ISSUER_PORT: '9000' }, ['--print-trust'])
  assert.equal(code, 0)
  assert.match(stdout, /^issuer:\n {2}url: http:\/\/localhost:9000$/m)
  assert.match(stdout, /^ {2}billing:$/m)
})

test('a login without a running demo says what to do', async () => {
  const { provider } = await freePorts()
  const { code, stdout, stderr } = await runDemo({}, ['login', 'alice', '--provider-port', String(provider)])
  assert.equal(code, 4)
  assert.equal(stdout, '')
  assertOneLine(stderr, new RegExp(`http://localhost:${provider}.*countersign demo`))
})

/** One thing said, no stack; what to do next may stand on a line of its own. */
function assertOneLine(text: string, expected: RegExp): void {
  const lines = text.trimEnd().split('\n')
  assert.ok(lines.length <= 2, text)
  assert.match(lines.join(' '), expected)
  assert.doesNotMatch(text, /^\s+at /m)
}
