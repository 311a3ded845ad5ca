import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { freePort } from '../../../../../test/cli/issuer.ts'
import { bin, countersign } from '../../../../../test/cli/session.ts'

const secret = 'orders-secret-orders-secret-orders'

test('it serves, takes over a changed file, and stops without waiting for idle connections', async (t) => {
  const stand = await openStand(t)
  const serving = serve(t, stand.folder, ['--no-watch'])
  await serving.says('"event":"serve.listening"', 2)
  const token = await countersign(['token', '--client', 'orders'], {
    cwd: stand.folder,
    env: { ORDERS_SECRET: secret },
  })
  assert.match(token.stdout, /^eyJ/)
  assert.equal((await fetch(`http://127.0.0.1:${stand.gateway}/a`)).status, 401)

  stand.write(stand.text.replace('GET /: authenticated', 'GET /x: authenticated'))
  serving.kill('SIGHUP')
  await serving.says('"event":"trust.replaced"')
  assert.equal((await fetch(`http://127.0.0.1:${stand.gateway}/a`)).status, 404)

  const asked = performance.now()
  serving.kill('SIGTERM')
  assert.deepEqual(await serving.ended, { code: 0, signal: null })
  // It would wait for 10 s.
  assert.ok(performance.now() - asked < 8_000)
  assert.match(serving.stderr(), /^serving countersign\.yaml; Ctrl-C stops$/m)
  const events = serving
    .stdout()
    .trimEnd()
    .split('\n')
    .map((line) => (JSON.parse(line) as { event: string }).event)
  assert.deepEqual(events.slice(-3), ['serve.signal', 'serve.stopping', 'serve.stopped'])
  assert.ok(events.includes('gateway.denied'))
  assert.ok(!serving.stdout().includes(secret))
})

test('only one part, and the secrets of the other need not be there', async (t) => {
  const stand = await openStand(t)
  const serving = serve(t, stand.folder, ['--only', 'gateway'], {})
  await serving.says('"event":"serve.listening","part":"gateway"')
  await assert.rejects(fetch(`http://127.0.0.1:${stand.issuer}/livez`))
  serving.kill('SIGINT')
  assert.deepEqual(await serving.ended, { code: 0, signal: null })
})

test('a taken port is one clear line with the next step', async (t) => {
  const stand = await openStand(t)
  const other = createServer().listen(stand.gateway, '127.0.0.1')
  t.after(() => other.close())
  const { code, stderr, stdout } = await countersign(['serve', '--log', 'warn'], {
    cwd: stand.folder,
    env: { ORDERS_SECRET: secret },
  })
  assert.equal(code, 1)
  assert.equal(
    stderr,
    `countersign: gateway.listen: 127.0.0.1:${stand.gateway} is taken by another program\n` +
      '  next: end that program, or choose another address there or in COUNTERSIGN_GATEWAY_LISTEN\n',
  )
  assert.equal(stdout, '')
})

test('a log that nobody takes any more is a failure, not a quiet end', async (t) => {
  const stand = await openStand(t)
  const serving = serve(t, stand.folder, [])
  await serving.talks('Ctrl-C stops')
  serving.closeLog()
  serving.kill('SIGHUP')
  assert.deepEqual(await serving.ended, { code: 1, signal: null })
})

async function openStand(t: TestContext) {
  const folder = mkdtempSync(join(tmpdir(), 'countersign-serve-'))
  t.after(() => rmSync(folder, { recursive: true }))
  const [issuer, gateway] = [await freePort(), await freePort()]
  const text = `issuer: { url: 'http://localhost:${issuer}', listen: 127.0.0.1:${issuer}, store: 'memory:' }
gateway: { listen: 127.0.0.1:${gateway} }
services:
  a: { audience: a, at: /a, upstream: http://127.0.0.1:1, routes: { GET /: authenticated } }
clients:
  orders: { authenticate: { secret: { env: ORDERS_SECRET } }, may: { a: {} } }
`
  const write = (content: string): void => writeFileSync(join(folder, 'countersign.yaml'), content)
  write(text)
  return { folder, issuer, gateway, text, write }
}

function serve(
  t: TestContext,
  cwd: string,
  args: readonly string[],
  env: Record<string, string> = { ORDERS_SECRET: secret },
) {
  const child = spawn(process.execPath, [bin, 'serve', ...args], {
    cwd,
    env: { PATH: process.env['PATH'], HOME: process.env['HOME'], NO_COLOR: '1', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  t.after(() => child.kill('SIGKILL'))
  let stdout = ''
  let stderr = ''
  let over = false
  child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text))
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text))
  const ended = new Promise<{ code: number | null; signal: string | null }>((resolve) => {
    child.once('close', (code, signal) => {
      over = true
      resolve({ code, signal })
    })
  })
  const until = async (text: string, met: () => boolean): Promise<void> => {
    const limit = Date.now() + 60_000
    while (!met()) {
      if (over || Date.now() > limit) assert.fail(`it did not say ${text}\n${stdout}${stderr}`)
      await new Promise((resolve) => setTimeout(resolve, 10))
    }
  }
  return {
    ended,
    stdout: () => stdout,
    stderr: () => stderr,
    kill: (signal: NodeJS.Signals) => child.kill(signal),
    closeLog: () => child.stdout.destroy(),
    /** Waits until the log has said something this often. */
    says: (text: string, times = 1) => until(text, () => stdout.split(text).length > times),
    /** Waits until it has said something to the person at the terminal: then it takes signals. */
    talks: (text: string) => until(text, () => stderr.includes(text)),
  }
}
