import { spawn, spawnSync } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { pinned } from './http-load.ts'

export type Running = {
  readonly name: string
  readonly version: string
  readonly port: number
  /** What its paths begin with. */
  readonly prefix: string
  /** Looks at tokens. */
  readonly checks: boolean
  /** What the others are compared to. */
  readonly isBase: boolean
  /** utime + stime of its process so far, as the kernel counts. */
  cpuSeconds(): number
  rssMiB(): number
}

export type Field = {
  readonly contestants: readonly Running[]
  readonly tokens: readonly string[]
  /** What is missing, and other things to know when reading the results. */
  readonly notes: readonly string[]
  stop(): void
}

/** Starts the upstream, the gateway and the plain proxies that are installed, each in a process of its own. */
export async function startContestants(): Promise<Field> {
  const folder = mkdtempSync(join(tmpdir(), 'bench-gateway-'))
  const children: ChildProcess[] = []
  const notes: string[] = []
  const stop = (): void => {
    for (const child of children) child.kill()
    rmSync(folder, { recursive: true, force: true })
  }
  try {
    const upstreamPort = await freePort()
    const nginx = findBinary('nginx')
    const upstream =
      nginx === undefined
        ? startNode(['upstream', String(upstreamPort)], 1)
        : startCommand([nginx, '-c', nginxUpstream(folder, upstreamPort)], 1)
    children.push(upstream)
    await listening(upstreamPort)
    if (nginx === undefined)
      notes.push('nginx is not installed: the upstream is a Node server, and nginx does not compete.')
    const contestants: Running[] = [running('direct', '', upstreamPort, upstream, {})]

    const haproxy = findBinary('haproxy')
    if (haproxy === undefined) notes.push('HAProxy is not installed: it does not compete.')
    else {
      const port = await freePort()
      const child = startCommand([haproxy, '-q', '-f', haproxyProxy(folder, port, upstreamPort)], 0)
      children.push(child)
      await listening(port)
      const version = versionOf(haproxy, ['-v'], /version (\d+\.\d+\.\d+)/)
      contestants.push(running('HAProxy, plain proxy', version, port, child, { isBase: true }))
    }
    if (nginx !== undefined) {
      const port = await freePort()
      const child = startCommand([nginx, '-c', nginxProxy(folder, port, upstreamPort)], 0)
      children.push(child)
      await listening(port)
      const version = versionOf(nginx, ['-v'], /nginx\/(\d+\.\d+\.\d+)/)
      contestants.push(running('nginx, plain proxy', version, port, child, { isBase: haproxy === undefined }))
    }

    const gateway = startNode(['gateway', String(upstreamPort)], 0)
    children.push(gateway)
    const { port, tokens } = await message<{ port: number; tokens: string[] }>(gateway)
    contestants.push(running('Countersign, ES256', '', port, gateway, { prefix: '/billing', checks: true }))
    return { contestants, tokens, notes, stop }
  } catch (error) {
    stop()
    throw error
  }
}

function running(
  name: string,
  version: string,
  port: number,
  child: ChildProcess,
  { prefix = '', checks = false, isBase = false }: Partial<Running>,
): Running {
  const pid = child.pid!
  return {
    name,
    version,
    port,
    prefix,
    checks,
    isBase,
    cpuSeconds: () => {
      const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
      const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
      return (Number(fields[11]) + Number(fields[12])) / 100
    },
    rssMiB: () => Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0) / 1024,
  }
}

function startNode(args: readonly string[], core: number): ChildProcess {
  const script = fileURLToPath(new URL('gateway-processes.ts', import.meta.url))
  const [command, ...rest] = pinned(core, [process.execPath, '--conditions=source', script, ...args])
  return spawn(command!, rest, { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] })
}

function startCommand(command: readonly string[], core: number): ChildProcess {
  const [first, ...rest] = pinned(core, command)
  return spawn(first!, rest, { stdio: ['ignore', 'ignore', 'inherit'] })
}

function message<T>(child: ChildProcess): Promise<T> {
  return new Promise((resolve, reject) => {
    child.once('message', (value) => resolve(value as T))
    child.once('exit', (code) => reject(new Error(`a contestant ended with ${code}`)))
  })
}

async function listening(port: number): Promise<void> {
  for (let attempt = 0; attempt < 100; attempt++) {
    const isUp = await new Promise<boolean>((resolve) => {
      const socket = connect(port, '127.0.0.1', () => {
        socket.destroy()
        resolve(true)
      })
      socket.on('error', () => resolve(false))
    })
    if (isUp) return
    await sleep(50)
  }
  throw new Error(`nothing listens on port ${port}`)
}

async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  await new Promise((resolve) => server.close(resolve))
  return port
}

/** Where system software usually is, also for people whose path leaves it out. */
function findBinary(name: string): string | undefined {
  const folders = [...(process.env['PATH'] ?? '').split(':'), '/usr/sbin', '/usr/local/sbin']
  return folders.map((folder) => join(folder, name)).find((path) => existsSync(path))
}

function versionOf(command: string, args: readonly string[], pattern: RegExp): string {
  const { stdout, stderr } = spawnSync(command, args, { encoding: 'utf8' })
  return pattern.exec(stdout + stderr)?.[1] ?? ''
}

function haproxyProxy(folder: string, port: number, upstreamPort: number): string {
  return written(
    join(folder, 'haproxy.cfg'),
    `global
  nbthread 1
  maxconn 4000
defaults
  mode http
  timeout client 60s
  timeout server 60s
  timeout connect 5s
frontend front
  bind 127.0.0.1:${port}
  default_backend back
backend back
  http-reuse always
  server one 127.0.0.1:${upstreamPort}
`,
  )
}

/** Buffers large enough for the large reply: otherwise nginx writes it to a file first. */
function nginxProxy(folder: string, port: number, upstreamPort: number): string {
  return nginxFile(
    folder,
    'proxy',
    `upstream back { server 127.0.0.1:${upstreamPort}; keepalive 128; keepalive_requests 100000000; }
server {
  listen 127.0.0.1:${port};
  location / { proxy_pass http://back; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_buffers 16 32k; }
}`,
  )
}

function nginxUpstream(folder: string, port: number): string {
  writeFileSync(join(folder, '100k'), 'x'.repeat(100 * 1024))
  return nginxFile(
    folder,
    'upstream',
    `server {
  listen 127.0.0.1:${port};
  default_type application/json;
  location /invoices { return 200 '${smallBody}'; }
  location /files/ { alias ${folder}/; }
}`,
  )
}

function nginxFile(folder: string, name: string, http: string): string {
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
    .map((what) => `${what}_temp_path ${folder}/${what};`)
    .join(' ')
  return written(
    join(folder, `${name}.conf`),
    `daemon off;
master_process off;
worker_processes 1;
pid ${folder}/${name}.pid;
error_log ${folder}/${name}.log crit;
events { worker_connections 4096; }
http {
  access_log off;
  keepalive_requests 100000000;
  ${temporary}
  ${http}
}
`,
  )
}

function written(path: string, text: string): string {
  writeFileSync(path, text)
  return path
}

/** 183 bytes, as a small resource has. */
const smallBody = JSON.stringify({ id: 7, customer: 'c-1004', state: 'paid', lines: 'x'.repeat(129) })
