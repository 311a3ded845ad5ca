import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { test } from 'node:test'

const terminal = new URL('./terminal.ts', import.meta.url).href

test('results and talk go different ways, and there is no colour in a pipe', () => {
  const { stdout, stderr } = run(
    `t.print(t.paint('bad', 'result')); t.say('talk'); t.print(String(t.isTerminal))`,
  )
  assert.deepEqual([stdout, stderr], ['result\nfalse\n', 'talk\n'])
})

test('colour where it is asked for', () => {
  const { stdout } = run(`t.print(t.paint('bad', 'result'))`, { FORCE_COLOR: '1' })
  assert.equal(stdout, '\u001b[31mresult\u001b[39m\n')
})

test('standard input is read to its end', () => {
  const { stdout } = run(
    `t.print(await t.readInput()); t.print(String(t.inputIsTerminal === true))`,
    {},
    'aé\nb',
  )
  assert.equal(stdout, 'aé\nb\nfalse\n')
})

test('a reader that has seen enough is no failure', async () => {
  const child = spawn(
    process.execPath,
    [
      '--input-type=module',
      '-e',
      code(
        `for (let i = 0; i < 1e5; i++) { t.print('line'); if (i % 100 === 0) await new Promise(setImmediate) }`,
      ),
    ],
    {
      stdio: ['ignore', 'pipe', 'pipe'],
    },
  )
  let stderr = ''
  child.stderr.on('data', (text) => (stderr += String(text)))
  child.stdout.once('data', () => child.stdout.destroy())
  const end = await new Promise((resolve) => child.once('close', resolve))
  assert.deepEqual([end, stderr], [0, ''])
})

function code(body: string): string {
  return `import { processTerminal } from '${terminal}'; const t = processTerminal(); ${body}`
}

function run(body: string, env: Record<string, string> = {}, input = '') {
  return spawnSync(process.execPath, ['--input-type=module', '-e', code(body)], {
    encoding: 'utf8',
    env: { PATH: process.env['PATH'], ...env },
    input,
  })
}
