import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { after, before, test } from 'node:test'
import { root, startDemo } from '../../test/e2e/demo-process.ts'
import type { DemoProcess } from '../../test/e2e/demo-process.ts'
import { freePort } from '../../test/machine/free-port.ts'
import { matchesOutput, readShellBlocks } from '../../test/e2e/readme-blocks.ts'

const blocks = readShellBlocks(readFileSync(new URL('README.md', import.meta.url), 'utf8'))
let demo: DemoProcess
let chain: ChildProcess
let gateway: string

before(async () => {
  demo = await startDemo()
  const [issuerPort, gatewayPort] = [await freePort(), await freePort()]
  const [orders, billing] = [await freePort(), await freePort()]
  gateway = `http://localhost:${gatewayPort}`
  const [PEOPLE, ISSUER] = [`http://localhost:${demo.ports.provider}`, `http://localhost:${issuerPort}`]
  const start = blocks.map(({ command }) => command).find((command) => command.startsWith('npx node '))
  chain = spawn(process.execPath, start!.split(' ').slice(2), {
    cwd: root,
    stdio: ['ignore', 'ignore', 'inherit'],
    env: {
      ...process.env,
      PEOPLE,
      ISSUER,
      BILLING: `http://127.0.0.1:${billing}`,
      ORDERS_PORT: String(orders),
      BILLING_PORT: String(billing),
      COUNTERSIGN_ISSUER_URL: ISSUER,
      COUNTERSIGN_ISSUER_LISTEN: `127.0.0.1:${issuerPort}`,
      COUNTERSIGN_GATEWAY_LISTEN: `127.0.0.1:${gatewayPort}`,
      COUNTERSIGN_TRUSTED_PEOPLE_ISSUER: PEOPLE,
      COUNTERSIGN_SERVICES_ORDERS_UPSTREAM: `http://127.0.0.1:${orders}`,
    },
  })
  for (const port of [issuerPort, gatewayPort, orders, billing]) await listens(port)
})
after(async () => {
  chain?.kill('SIGTERM')
  await demo?.stop()
})

test('the commands of the README print what it says', async () => {
  const answered = blocks.filter(({ output }) => output !== undefined)
  assert.equal(answered.length, 3)
  for (const { command, output } of answered) {
    const here = command
      .replaceAll('http://localhost:9180', gateway)
      .replaceAll('npx countersign', `${process.execPath} packages/server/bin/countersign.js`)
    const env = { ...process.env, COUNTERSIGN_DEMO_PROVIDER_PORT: String(demo.ports.provider) }
    const bash = spawn('bash', ['-c', here], { cwd: root, env, stdio: ['ignore', 'pipe', 'inherit'] })
    let printed = ''
    for await (const chunk of bash.stdout.setEncoding('utf8')) printed += String(chunk)
    assert.ok(matchesOutput(printed, output!), `${command}\n${printed}`)
  }
})

async function listens(port: number): Promise<void> {
  const end = Date.now() + 60_000
  for (;;) {
    const answered = await fetch(`http://127.0.0.1:${port}/`).catch(() => undefined)
    if (answered !== undefined) return
    assert.ok(Date.now() < end && chain.exitCode === null, `nobody listens on ${port}`)
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
}
