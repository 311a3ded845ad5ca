import { after, test } from 'node:test'
import assert from 'node:assert/strict'
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { execFile, spawn, spawnSync } from 'node:child_process'
import { delimiter, join } from 'node:path'
import { promisify } from 'node:util'
import { openBash } from './bash-session.ts'
import { freePorts, residentMegabytes, root, startDemo } from './demo-process.ts'
import { Pulse } from '../machine/pulse.ts'
import { matchesOutput, readShellBlocks, tokenText } from './readme-blocks.ts'

// A newcomer's first ten minutes: what the README says to type is typed here, into a real shell, against the real
// demo, and what it prints is compared with what the README says it prints. Only ports and the folder differ, so that
// the test can run beside a demo.

const readme = readFileSync(join(root, 'README.md'), 'utf8')
const demo = await startDemo()
const shellEnv = {
  ...process.env,
  // The Node of this run comes first, as in every script of npm.
  PATH: [join(process.execPath, '..'), process.env['PATH']].join(delimiter),
  COUNTERSIGN_DEMO_PROVIDER_PORT: String(demo.ports.provider),
  SECRET_KEY: undefined,
  // npm may say at any time that there is a newer npm.
  npm_config_update_notifier: 'false',
}
const bash = openBash(shellEnv)
after(async () => {
  bash.close()
  await demo.stop()
})

const blocks = readShellBlocks(readme)
const [start, ...walk] = blocks

test('the README starts the demo with two commands, which package.json has', () => {
  assert.equal(start?.command, 'npm ci\nnpm start')
  const { scripts } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
  assert.match(scripts.start, /countersign\.js demo$/)
  assert.ok(walk.length >= 9, 'the walk-through has lost its commands')
})

for (const { line, command, output } of walk) {
  test(`README line ${line}: ${command.split('\n').at(-1)!.slice(0, 80)}`, async () => {
    assert.ok(output !== undefined, 'the README does not say what this prints')
    // curl draws its progress on standard error when its output is no terminal; in a terminal it does not.
    const result = await bash.run(quietCurl(localised(command)))
    assert.equal(result.code, 0, result.output)
    assert.ok(matchesOutput(result.output, output), `printed:\n${result.output}\nexpected:\n${output}`)
  })
}

test('the commands that the demo prints work as they are printed', async () => {
  const commands = demo.output.stdout.split('\n').filter((line) => /^ {2}(cd|curl|TOKEN=)/.test(line))
  assert.ok(commands.length >= 13, demo.output.stdout)
  const answers: string[] = []
  for (const command of commands) {
    const { output, code } = await bash.run(quietCurl(command.trim()))
    assert.equal(code, 0, `${command}\n${output}`)
    if (command.startsWith('  curl')) answers.push(output.trim().replace(/"id":"\d+"/, '"id":"9"'))
  }
  const caller = (client: string, user: string | null, roles: string[]) =>
    `"caller":${JSON.stringify({ client, user, roles })}}`
  assert.equal(answers[0], 'No Authorization Token provided')
  assert.match(answers[1]!, /^eyJ[\w-]+\.[\w-]+\.[\w-]+$/)
  assert.deepEqual(answers.slice(2, 4), ['Super Secret Information', 'Super Secret Information'])
  assert.ok(answers[4]!.endsWith(caller('orders', null, ['reader'])), answers[4]!)
  assert.equal(answers[5], 'Forbidden')
  assert.ok(answers[6]!.endsWith(caller('backoffice', null, ['admin', 'reader'])), answers[6]!)
  assert.ok(answers[7]!.endsWith(caller('demo-terminal', 'alice', ['admin'])), answers[7]!)
  assert.equal(answers[8], 'invalid aud')
})

test('localhost reaches the demo by name and by address, also where ::1 is tried first', async () => {
  for (const option of ['', '--ipv4', '--resolve localhost:PORT:[::1],127.0.0.1']) {
    const command = `curl -s ${option} http://localhost:PORT`.replaceAll('PORT', String(demo.ports.gateway))
    assert.equal((await bash.run(command)).output, 'No Authorization Token provided', command)
  }
})

test('nothing that the demo printed is a token or a secret', () => {
  const printed = demo.output.stdout + demo.output.stderr
  assert.doesNotMatch(printed, tokenText)
  for (const client of ['orders', 'backoffice']) {
    assert.ok(!printed.includes(readFileSync(join(demo.folder, `${client}.secret`), 'utf8')))
  }
})

test('the code in the README compiles, runs and prints what the README says', async () => {
  assert.ok(
    readme.includes('`npx node --conditions=source express.ts`'),
    'the README does not say how to run it',
  )
  // Inside the repository, so that the packages are found by their public names.
  const folder = join(root, '.cache/readme')
  mkdirSync(folder, { recursive: true })
  const snippets = readSnippets(readme)
  const codeOf = (wanted: string): string =>
    snippets.find(({ name }) => name === wanted)?.code ?? assert.fail(wanted)
  for (const { name, code } of snippets) writeFileSync(join(folder, name), localised(code))
  const compiled = spawnSync(process.execPath, [tsc, '-p', writeTsconfig(folder)], { encoding: 'utf8' })
  assert.equal(compiled.status, 0, compiled.stdout)

  // Each on a port of its own, called by a copy of the client that is told so.
  const services = ['express.ts', 'fastify.ts', 'hono.ts', 'node.ts']
  const ports = Object.values(await freePorts())
  const calls = services.map(async (name, index) => {
    const [service, client] = [`serve-${name}`, `call-${name}`]
    const at = (code: string): string => localised(code, { 3000: ports[index]! })
    writeFileSync(join(folder, service), at(codeOf(name)))
    writeFileSync(join(folder, client), at(codeOf('call.ts')))
    const child = spawn(process.execPath, ['--conditions=source', join(folder, service)], { cwd: root })
    after(() => child.kill())
    while (!(await answers(`http://localhost:${ports[index]}/`)))
      await new Promise((resolve) => setTimeout(resolve, 50))
    const { stdout } = await run(join(folder, client))
    child.kill()
    return stdout.trim()
  })
  const { output } = snippets.find(({ name }) => name === 'call.ts')!
  assert.deepEqual(
    await Promise.all(calls),
    services.map(() => output),
  )
  for (const { name, output } of snippets) {
    if (output === undefined || name === 'call.ts') continue
    const ran = await run(join(folder, name))
    assert.equal(ran.stdout.trim(), output, `${name}\n${ran.stderr}`)
  }
  const tests = snippets.map(({ name }) => name).filter((name) => name.endsWith('.test.ts'))
  assert.deepEqual(tests, ['express.test.ts', 'fastify.test.ts', 'hono.test.ts'])
  const ran = await run('--test', '--test-reporter=tap', ...tests.map((name) => join(folder, name)))
  assert.match(ran.stdout, /^# pass 3$/m)
  rmSync(folder, { recursive: true })
})

test('the demo is small, quick to start and quick to stop', async (t) => {
  const megabytes = residentMegabytes(demo.pid)
  // Some 120; 150 where Node has just compiled all of it.
  if (megabytes !== undefined) assert.ok(megabytes < 200, `${megabytes} MB`)
  const pulse = new Pulse(t)
  const { code, milliseconds } = await demo.stop()
  assert.equal(code, 0)
  // Some fifty on a quiet machine; the limit is for a busy one, where what was compiled is also written down for the next
  // time. While the machine stands still nothing is counted.
  assert.ok(pulse.runMs < 8000, `${pulse.runMs} ms to stop`)
  t.diagnostic(
    `listening after ${Math.round(demo.listeningMs)} ms, ${Math.round(megabytes ?? 0)} MB resident, ` +
      `stopped after ${Math.round(milliseconds)} ms`,
  )
})

/** The README's text with this run's ports and folder in it; all at once, since one may have the digits of another. */
function localised(text: string, more: Readonly<Record<string, number>> = {}): string {
  const { issuer, gateway } = demo.ports
  const here: Record<string, string | number> = {
    8080: issuer,
    9001: gateway,
    '.countersign/demo': demo.folder,
    ...more,
  }
  return text.replaceAll(/\b(?:8080|9001|3000)\b|\.countersign\/demo/g, (found) =>
    String(here[found] ?? found),
  )
}

function quietCurl(command: string): string {
  return command.replaceAll(/(^|\$\()curl (?!-s)/gm, '$1curl -sS ')
}

type Snippet = { readonly name: string; readonly code: string; readonly output: string | undefined }

/** The README's ```ts blocks that begin with a file name, each with the ```text block right behind it. */
function readSnippets(markdown: string): Snippet[] {
  const pattern = /^```ts\n\/\/ (\S+\.ts)\n([\s\S]*?)^```\n(?:\n```text\n([\s\S]*?)^```$)?/gm
  return [...markdown.matchAll(pattern)].map(([, name = '', code = '', output]) => ({
    name,
    code,
    output: output?.trim(),
  }))
}

function writeTsconfig(folder: string): string {
  const path = join(folder, 'tsconfig.json')
  writeFileSync(
    path,
    JSON.stringify({
      extends: '../../tsconfig.json',
      // Short examples leave out what they do not use, which the house's own code may not.
      compilerOptions: { noUnusedParameters: false },
      include: ['*.ts'],
    }),
  )
  return path
}

/** Rejects when it fails. */
function run(...parameters: readonly string[]): Promise<{ stdout: string; stderr: string }> {
  // A test that runs tests must not hand down that it is one.
  const { NODE_TEST_CONTEXT: _, ...env } = process.env
  return promisify(execFile)(process.execPath, ['--conditions=source', ...parameters], { cwd: root, env })
}

/** Whatever the answer is. */
async function answers(url: string): Promise<boolean> {
  try {
    await fetch(url)
    return true
  } catch {
    return false
  }
}

const tsc = join(root, 'node_modules/typescript/bin/tsc')
