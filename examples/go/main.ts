/** Starts issuer, billing and the service in Go, each in a process of its own, and asks the latter as the client `shop`. */
import { spawn, spawnSync } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { createTokenSource } from '@countersign/sdk/client'

const local = (path: string): string => fileURLToPath(new URL(path, import.meta.url))
const folder = mkdtempSync(join(tmpdir(), 'countersign-go-'))
const port = process.env['ISSUER_PORT'] ?? '8380'
const issuer = `http://localhost:${port}`
const secret = (): string => randomBytes(32).toString('base64url')
const secrets = { SHOP_SECRET: secret(), ORDERS_SECRET: secret() }
const started: ChildProcess[] = []
try {
  const program = join(folder, 'orders')
  const built = spawnSync('go', ['build', '-o', program, '.'], { cwd: local('.'), stdio: 'inherit' })
  if (built.status !== 0) throw new Error('there is no Go here, or no way to its modules')

  const trust = join(folder, 'countersign.yaml')
  writeFileSync(trust, readFileSync(local('countersign.yaml'), 'utf8').replaceAll(':8380', `:${port}`))
  const countersign = local('../../packages/server/bin/countersign.js')
  const serve = start(process.execPath, [countersign, 'serve', '--log', 'error', '--config', trust], secrets)
  while ((await fetch(`${issuer}/readyz`).catch(() => undefined))?.ok !== true) {
    if (serve.exitCode !== null) throw new Error('the issuer did not start')
    await new Promise((resolve) => setTimeout(resolve, 50))
  }

  const billing = await listeningOn(start(process.execPath, ['--conditions=source', local('billing.ts')]))
  const { ORDERS_SECRET, SHOP_SECRET } = secrets
  const orders = await listeningOn(start(program, [], { ORDERS_SECRET, BILLING: billing }))

  const shop = createTokenSource({
    issuer,
    clientId: 'shop',
    clientSecret: SHOP_SECRET,
    audience: 'https://orders.acme.example',
  })
  await show('shop asks orders', shop.fetch(`${orders}/orders/7`))
  await show('without a token', fetch(`${orders}/orders/7`))
  await show('shop asks billing itself', shop.fetch(`${billing}/invoices/7`))
} finally {
  for (const one of started) one.kill()
  rmSync(folder, { recursive: true })
}

async function show(what: string, asked: Promise<Response>): Promise<void> {
  const reply = await asked
  console.log(`${what}: ${reply.status} ${(await reply.text()).trim()}`)
}

function start(command: string, parameters: string[], more: Record<string, string> = {}): ChildProcess {
  const env = { ...process.env, ISSUER: issuer, PORT: '0', ...more }
  const child = spawn(command, parameters, { env, stdio: ['ignore', 'pipe', 'inherit'] })
  started.push(child)
  return child
}

/** The first line that it prints says where it listens. */
async function listeningOn({ stdout }: ChildProcess): Promise<string> {
  for await (const line of createInterface(stdout!)) {
    const url = /^listening on (\S+)$/.exec(line)?.[1]
    if (url !== undefined) return url
  }
  throw new Error('it ended before it listened')
}
