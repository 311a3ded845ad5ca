/** Test support: starts an example as its README says, and calls it with real tokens and with the README's commands. */
import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { after, before, describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { createTokenSource } from '@countersign/sdk/client'
import { startTestIssuer } from '@countersign/sdk/testing'
import type { StartedTestIssuer } from '@countersign/sdk/testing'
import { freePort } from '../test/machine/free-port.ts'
import { matchesOutput, readShellBlocks } from '../test/e2e/readme-blocks.ts'
import type { ShellBlock } from '../test/e2e/readme-blocks.ts'

const root = fileURLToPath(new URL('..', import.meta.url))

export function testExample(name: string): void {
  const blocks = readShellBlocks(readFileSync(new URL(`${name}/README.md`, import.meta.url), 'utf8'))

  describe(`examples/${name}`, () => {
    let issuer: StartedTestIssuer
    let child: ChildProcess
    let url: string

    before(async () => {
      issuer = await startTestIssuer({
        audience: 'https://billing.acme.example',
        clients: { orders: { secret: 'orders-secret', roles: ['reader'] } },
      })
      const { start, build } = startOf(blocks)
      if (build !== undefined) run(build)
      child = spawn(process.execPath, start.split(' ').slice(2), {
        cwd: root,
        env: { ...process.env, ISSUER: issuer.url, PORT: '0' },
        stdio: ['ignore', 'pipe', 'inherit'],
      })
      url = await listeningOn(child)
    })
    after(async () => {
      child.kill()
      await issuer.close()
    })

    test('a client with a token of its own reads, and may do no more', async () => {
      const source = createTokenSource({ ...issuer.credentials('orders') })
      const reply = await source.fetch(`${url}/invoices/7`)
      assert.equal(reply.status, 200)
      assert.deepEqual(await reply.json(), { id: '7', amount: 120, for: 'orders' })
      assert.equal((await source.fetch(`${url}/invoices/8`)).status, 404)
      assert.equal((await source.fetch(`${url}/invoices`, post('{"amount":12}'))).status, 403)
    })

    test('an administrator writes', async () => {
      const authorization = issuer.authorization({ roles: 'admin' })
      const reply = await fetch(`${url}/invoices`, post('{"amount":12}', { authorization }))
      assert.equal(reply.status, 201)
      assert.deepEqual(await reply.json(), { id: '8', amount: 12 })
    })

    test('nobody, somebody else’s token, an old one: 401; a path with two readings: 400', async () => {
      assert.equal(await (await fetch(`${url}/health`)).text(), 'ok')
      for (const headers of [
        {},
        { authorization: issuer.authorization({ roles: 'reader', audience: 'https://other.example' }) },
        { authorization: issuer.authorization({ roles: 'reader', lifetimeSeconds: -60 }) },
        { authorization: issuer.authorization({ roles: 'reader', dangerouslySignature: 'foreign' }) },
      ] as Record<string, string>[]) {
        const reply = await fetch(`${url}/invoices/7`, { headers })
        assert.equal(reply.status, 401)
        assert.match(reply.headers.get('www-authenticate')!, /^Bearer realm="countersign"/)
      }
      assert.equal((await fetch(`${url}/invoices//7`)).status, 400)
    })

    test('the commands of the README print what it says', () => {
      const TOKEN = issuer.token({ clientId: 'orders', roles: 'reader' })
      const answered = blocks.filter(({ output }) => output !== undefined)
      assert.equal(answered.length, 3)
      for (const { command, output } of answered) {
        const here = command.replaceAll('http://localhost:3000', url)
        const { stdout } = spawnSync('bash', ['-c', here], {
          encoding: 'utf8',
          env: { ...process.env, TOKEN },
        })
        assert.ok(matchesOutput(stdout, output!), `${command}\n${stdout}`)
      }
    })
  })
}

/** The same for a service whose client is part of the example: what call.ts prints is what the README says. */
export function testCall(name: string): void {
  const blocks = readShellBlocks(readFileSync(new URL(`${name}/README.md`, import.meta.url), 'utf8'))

  test(`examples/${name}: the client of the README prints what it says`, async () => {
    await using issuer = await startTestIssuer({
      audience: 'https://billing.acme.example',
      clients: { orders: { secret: 'orders-secret', roles: ['reader'] } },
    })
    const { start } = startOf(blocks)
    const env = { ...process.env, ISSUER: issuer.url, PORT: '0', ORDERS_SECRET: 'orders-secret' }
    const child = spawn(process.execPath, start.split(' ').slice(2), {
      cwd: root,
      env,
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    try {
      const SERVICE = await listeningOn(child)
      const call = blocks.find(
        ({ command, output }) => command.startsWith('npx node ') && output !== undefined,
      )
      assert.ok(call, 'the README says how to call it')
      const caller = spawn(process.execPath, call.command.split(' ').slice(2), {
        cwd: root,
        env: { ...env, SERVICE },
        stdio: ['ignore', 'pipe', 'inherit'],
      })
      const printed = await readAll(caller)
      assert.ok(matchesOutput(printed, call.output!), printed)
    } finally {
      child.kill()
    }
  })
}

/** The same for an example that is one command, which prints what the README says and ends. */
export function testCommand(name: string): void {
  const blocks = readShellBlocks(readFileSync(new URL(`${name}/README.md`, import.meta.url), 'utf8'))

  test(`examples/${name}: the command of the README prints what it says`, async () => {
    const [block] = blocks.filter(({ output }) => output !== undefined)
    assert.ok(block, 'the README says what it prints')
    const ISSUER_PORT = String(await freePort())
    const child = spawn(process.execPath, block.command.split(' ').slice(2), {
      cwd: root,
      env: { ...process.env, ISSUER_PORT },
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    assert.ok(matchesOutput(await readAll(child), block.output!))
  })
}

export async function readAll(child: ChildProcess): Promise<string> {
  let printed = ''
  for await (const chunk of child.stdout!.setEncoding('utf8')) printed += String(chunk)
  return printed
}

/** How the README starts it: one line, or two when it is compiled first. */
function startOf(blocks: readonly ShellBlock[]): {
  readonly start: string
  readonly build: string | undefined
} {
  const command = blocks.map(({ command }) => command).find((command) => command.includes('npx node '))
  assert.ok(command, 'the README says how to start it')
  const [build, start] = command.startsWith('npx node ') ? [undefined, command] : command.split('\n')
  return { start: start!, build }
}

function run(command: string): void {
  const { status, stdout } = spawnSync('bash', ['-c', command], { cwd: root, encoding: 'utf8' })
  assert.equal(status, 0, stdout)
}

function post(body: string, headers: Record<string, string> = {}): RequestInit {
  return { method: 'POST', body, headers: { ...headers, 'content-type': 'application/json' } }
}

/** The first line that it prints says where it listens. */
export function listeningOn(child: ChildProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    let printed = ''
    child.stdout!.setEncoding('utf8').on('data', (chunk: string) => {
      printed += chunk
      const url = /^listening on (\S+)$/m.exec(printed)?.[1]
      if (url !== undefined) resolve(url)
    })
    child.once('exit', (code) => reject(new Error(`it ended with ${code} before it listened`)))
  })
}
