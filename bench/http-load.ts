import { execFile, spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'

export type Load = {
  readonly port: number
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
  /** Sent in turn, one with each request. */
  readonly bodies: readonly string[]
  readonly connections: number
  readonly seconds: number
  /** Pins the load generator to this core, where that is possible. */
  readonly core: number
}

export type LoadResult = { readonly requests: number; readonly failed: number; readonly seconds: number }

/** POSTs from keep-alive connections: by wrk where there is one, else by sockets of our own. */
export async function httpLoad(load: Load): Promise<LoadResult> {
  return hasCommand('wrk', '-v') ? byWrk(load) : bySockets(load)
}

export const loader = (): string => (hasCommand('wrk', '-v') ? 'wrk' : 'sockets of its own')

/** The command that pins what follows it to a core; nothing where there is no such thing. */
export function pinned(core: number, command: readonly string[]): readonly string[] {
  return hasCommand('taskset', '-V') ? ['taskset', '-c', String(core), ...command] : command
}

async function byWrk({ port, path, headers, bodies, connections, seconds, core }: Load): Promise<LoadResult> {
  const folder = mkdtempSync(join(tmpdir(), 'bench-'))
  const script = join(folder, 'post.lua')
  const file = join(folder, 'bodies')
  writeFileSync(file, bodies.join('\n'))
  const lines = Object.entries(headers).map(([name, value]) => `wrk.headers[${lua(name)}] = ${lua(value)}`)
  // Requests are put together beforehand: what Lua does while it counts would be measured as the server's slowness.
  const inTurn = `
local requests, turn = {}, 0
function init()
  for body in io.lines(${lua(file)}) do requests[#requests + 1] = wrk.format('POST', nil, nil, body) end
end
function request()
  turn = turn % #requests + 1
  return requests[turn]
end`
  writeFileSync(script, [...lines, inTurn].join('\n'))
  const wrk = [
    'wrk',
    '-t1',
    `-c${connections}`,
    `-d${seconds}`,
    '-s',
    script,
    `http://127.0.0.1:${port}${path}`,
  ]
  const [command, ...rest] = pinned(core, wrk)
  const { stdout } = await promisify(execFile)(command!, rest)
  rmSync(folder, { recursive: true })
  const [, requests = '0', measured = '0'] = /(\d+) requests in ([\d.]+)s/.exec(stdout) ?? []
  const failed = Number(/Non-2xx or 3xx responses: (\d+)/.exec(stdout)?.[1] ?? 0)
  return { requests: Number(requests), failed, seconds: Number(measured) }
}

async function bySockets({ port, path, headers, bodies, connections, seconds }: Load): Promise<LoadResult> {
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`)
  let turn = 0
  const next = (): string => {
    const body = bodies[turn++ % bodies.length]!
    return `POST ${path} HTTP/1.1\r\nHost: bench\r\n${lines.join('')}Content-Length: ${body.length}\r\n\r\n${body}`
  }
  const started = performance.now()
  const end = started + seconds * 1000
  let requests = 0
  let failed = 0
  await Promise.all(
    Array.from({ length: connections }, () => {
      const socket = connect(port, '127.0.0.1').setEncoding('latin1')
      let received = ''
      socket.on('connect', () => socket.write(next()))
      socket.on('data', (chunk) => {
        received += String(chunk)
        const head = received.indexOf('\r\n\r\n')
        if (head === -1) return
        const length = Number(/content-length: (\d+)/i.exec(received)?.[1] ?? 0)
        if (received.length < head + 4 + length) return
        requests++
        if (!received.startsWith('HTTP/1.1 200')) failed++
        received = ''
        if (performance.now() < end) socket.write(next())
        else socket.end()
      })
      return new Promise((resolve) => socket.once('close', resolve))
    }),
  )
  return { requests, failed, seconds: (performance.now() - started) / 1000 }
}

function hasCommand(name: string, flag: string): boolean {
  return spawnSync(name, [flag], { stdio: 'ignore' }).error === undefined
}

function lua(text: string): string {
  return `"${text.replaceAll('\\', '\\\\').replaceAll('"', '\\"')}"`
}
