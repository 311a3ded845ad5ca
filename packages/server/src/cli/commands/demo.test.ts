import { after, test } from 'node:test'
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { freePort } from '../../../../../test/machine/free-port.ts'

const bin = fileURLToPath(new URL('../../../bin/countersign.js', import.meta.url))
const folder = mkdtempSync(join(tmpdir(), 'countersign-demo-'))
after(() => rmSync(folder, { recursive: true }))

test('--print-trust prints the trust file with the ports asked for', async () => {
  const { code, stdout } = await start(['--print-trust', '--gateway-port', '9101', '--secret-port', '9201'])
    .ended
  assert.equal(code, 0)
  assert.match(stdout, /^ {2}listen: 127\.0\.0\.1:9101$/m)
  assert.match(stdout, /^ {4}upstream: http:\/\/127\.0\.0\.1:9201$/m)
  const asJson = await start(['--print-trust', '--json', '--gateway-port', '9101', '--secret-port', '9201'])
    .ended
  assert.equal((JSON.parse(asJson.stdout) as { trust: string }).trust, stdout)
})

for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  test(`it runs until ${signal}, also while it is still loading, and takes its secrets away`, async () => {
    const demo = start(await freePortFlags())
    await demo.says('Try it in a second terminal')
    assert.ok(existsSync(join(folder, 'orders.secret')))
    demo.kill(signal)
    const { code } = await demo.ended
    assert.equal(code, 0)
    assert.ok(!existsSync(join(folder, 'orders.secret')))
  })
}

function start(args: readonly string[]) {
  const child = spawn(process.execPath, [bin, 'demo', ...args], {
    cwd: folder,
    env: { PATH: process.env['PATH'], HOME: folder, COUNTERSIGN_DEMO_FOLDER: folder },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let stdout = ''
  let stderr = ''
  child.stderr.setEncoding('utf8').on('data', (text) => (stderr += text))
  child.stdout.setEncoding('utf8').on('data', (text) => (stdout += text))
  const ended = new Promise<{ code: number | null; stdout: string; stderr: string }>((resolve) => {
    child.once('close', (code) => resolve({ code, stdout, stderr }))
  })
  return {
    ended,
    kill: (signal: NodeJS.Signals) => child.kill(signal),
    says: (words: string) =>
      new Promise<void>((resolve, reject) => {
        child.stdout.on('data', () => stdout.includes(words) && resolve())
        child.once('close', () => reject(new Error(`it ended\n${stdout}${stderr}`)))
      }),
  }
}

async function freePortFlags(): Promise<string[]> {
  const names = ['issuer', 'gateway', 'provider', 'secret', 'billing']
  const flags = names.map(async (name) => [`--${name}-port`, String(await freePort())])
  return (await Promise.all(flags)).flat()
}
