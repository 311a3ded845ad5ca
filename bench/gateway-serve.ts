import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { nginxUpstream } from './gateway-configurations.ts'
import { freePort } from '../test/machine/free-port.ts'
import { findBinary, listening, startCommand } from './gateway-contestants.ts'
import { loader, pinned } from './http-load.ts'
import { installPackages } from './installed.ts'

/**
 * `countersign serve` as people run it, from the built packages and with metrics: the issuer in one process, the gateway in others, a
 * static nginx behind.
 */
export type Serving = {
  readonly port: number
  /** Of the issuer, each with an identity of its own, good for hours. */
  readonly tokens: readonly string[]
  /** CPU seconds of each of the gateway's processes so far, as the kernel counts; its primary first, if it has one. */
  cpuSeconds(): readonly number[]
  /** Resident memory of the process that serves, or the largest of them. */
  rssMiB(): number
  stop(): Promise<void>
}

/** Whether there is what stands behind the gateway, and a load that keeps to a rate. */
export function canServe(): boolean {
  return findBinary('nginx') !== undefined && loader() === 'wrk'
}

/** @param core what the gateway is pinned to; all of them unless given */
export async function startServe({
  workers,
  tokens,
  core,
  nodeOptions = '',
}: {
  readonly workers: number
  readonly tokens: number
  readonly core?: number
  readonly nodeOptions?: string
}): Promise<Serving> {
  const nginx = findBinary('nginx')
  if (nginx === undefined)
    throw new Error('nginx is not installed: there is nothing to stand behind the gateway')
  const folder = mkdtempSync(join(tmpdir(), 'bench-serve-'))
  const children: ChildProcess[] = []
  const stop = async (): Promise<void> => {
    const running = children.filter(({ exitCode, signalCode }) => exitCode === null && signalCode === null)
    const ended = running.map((child) => once(child, 'exit'))
    for (const child of running) child.kill('SIGTERM')
    await Promise.all(ended)
    rmSync(folder, { recursive: true, force: true })
  }
  try {
    installPackages(folder)
    const bin = join(folder, 'node_modules/countersign/bin/countersign.js')
    const [issuer, port, issuerOperations, operations, upstream] = await Promise.all(
      Array.from({ length: 5 }, freePort),
    )
    children.push(startCommand([nginx, '-c', nginxUpstream(folder, upstream!)], 1))
    for (const [name, at] of [
      ['issuer', issuerOperations],
      ['gateway', operations],
    ] as const) {
      writeFileSync(join(folder, `${name}.yaml`), trustFile(issuer!, port!, at!, upstream!))
      const command = [
        process.execPath,
        bin,
        '--config',
        `${name}.yaml`,
        'serve',
        '--only',
        name,
        '--log',
        'warn',
      ]
      if (name === 'gateway') command.push('--workers', String(workers))
      const [first, ...rest] = name === 'gateway' && core !== undefined ? pinned(core, command) : command
      const child = spawn(first!, rest, {
        cwd: folder,
        env: {
          PATH: process.env['PATH'],
          HOME: folder,
          NO_COLOR: '1',
          ORDERS_SECRET: secret,
          NODE_OPTIONS: nodeOptions,
        },
        stdio: ['ignore', 'ignore', 'inherit'],
      })
      children.push(child)
      await listening(name === 'issuer' ? issuer! : port!)
    }
    const { pid } = children.at(-1)!
    const processes = (): readonly number[] => [pid!, ...childrenOf(pid!)]
    while (workers > 1 && processes().length < workers + 1) await sleep(50)
    return {
      port: port!,
      tokens: await takeTokens(issuer!, tokens),
      cpuSeconds: () => processes().map(cpuSecondsOf),
      rssMiB: () => Math.max(...processes().map(rssMiBOf)),
      stop,
    }
  } catch (error) {
    await stop()
    throw error
  }
}

function trustFile(issuer: number, gateway: number, operations: number, upstream: number): string {
  return `issuer:
  { url: 'http://localhost:${issuer}', listen: 127.0.0.1:${issuer}, store: 'memory:', tokens: { lifetime: 12h } }
gateway: { listen: 127.0.0.1:${gateway} }
operations: { listen: 127.0.0.1:${operations} }
services:
  billing:
    audience: https://billing.acme.example
    roles: [reader]
    upstream: http://127.0.0.1:${upstream}
    at: /billing
    routes:
      GET /invoices/{id}: { roles: reader }
      POST /invoices/{id}: { roles: reader }
      GET /files/{**}: { roles: reader }
clients:
  orders: { authenticate: { secret: { env: ORDERS_SECRET } }, may: { billing: { roles: [reader] } } }
`
}

async function takeTokens(port: number, count: number): Promise<string[]> {
  const tokens: string[] = []
  const body = new URLSearchParams({
    grant_type: 'client_credentials',
    resource: 'https://billing.acme.example',
    client_id: 'orders',
    client_secret: secret,
  }).toString()
  const headers = { 'content-type': 'application/x-www-form-urlencoded' }
  const take = async (): Promise<void> => {
    while (tokens.length < count) {
      const reply = await fetch(`http://127.0.0.1:${port}/token`, { method: 'POST', body, headers })
      const { access_token: token } = (await reply.json()) as { access_token?: string }
      if (token === undefined) throw new Error(`no token: ${reply.status}`)
      tokens.push(token)
    }
  }
  await Promise.all(Array.from({ length: 16 }, take))
  return tokens.slice(0, count)
}

function childrenOf(pid: number): readonly number[] {
  const text = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim()
  return text === '' ? [] : text.split(' ').map(Number)
}

export function cpuSecondsOf(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return (Number(fields[11]) + Number(fields[12])) / 100
}

export function rssMiBOf(pid: number): number {
  return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0) / 1024
}

const secret = 'orders-secret-orders-secret-orders'
