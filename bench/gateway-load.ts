import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { loader, pinned } from './http-load.ts'

export type GatewayLoad = {
  readonly port: number
  readonly path: string
  /** Sent in turn, one with each request. */
  readonly tokens: readonly string[]
  readonly connections: number
  readonly seconds: number
  readonly core: number
  /** Sent with each request, which is then a POST. */
  readonly body?: string
  /** About so many requests per second, spread at random; as fast as it goes unless given. Known to wrk only. */
  readonly perSecond?: number
}

export type GatewayLoadResult = {
  readonly requests: number
  readonly failed: number
  readonly seconds: number
  /** Known to wrk only. */
  readonly p50Ms: number | undefined
  readonly p99Ms: number | undefined
}

/** Requests with bearer tokens from keep-alive connections: by wrk where there is one, else by sockets of our own. */
export function gatewayLoad(load: GatewayLoad): Promise<GatewayLoadResult> {
  return loader() === 'wrk' ? byWrk(load) : bySockets(load)
}

async function byWrk(load: GatewayLoad): Promise<GatewayLoadResult> {
  const { port, path, tokens, connections, seconds, core } = load
  const folder = mkdtempSync(join(tmpdir(), 'bench-'))
  try {
    writeFileSync(join(folder, 'tokens'), tokens.join('\n'))
    writeFileSync(join(folder, 'get.lua'), script(join(folder, 'tokens'), load))
    const [command, ...rest] = pinned(core, [
      'wrk',
      '--latency',
      '-t1',
      `-c${connections}`,
      `-d${Math.ceil(seconds)}`,
      '-s',
      join(folder, 'get.lua'),
      `http://127.0.0.1:${port}${path}`,
    ])
    const { stdout } = await promisify(execFile)(command!, rest)
    const [, requests = '0', measured = '0', unit = 's'] =
      /(\d+) requests in ([\d.]+)(m?s)/.exec(stdout) ?? []
    const failed = Number(/Non-2xx or 3xx responses: (\d+)/.exec(stdout)?.[1] ?? 0)
    const broken = /Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)/.exec(stdout)
    return {
      requests: Number(requests),
      failed: failed + (broken?.slice(1).reduce((sum, count) => sum + Number(count), 0) ?? 0),
      seconds: Number(measured) * (unit === 'ms' ? 0.001 : 1),
      p50Ms: percentile(stdout, '50'),
      p99Ms: percentile(stdout, '99'),
    }
  } finally {
    rmSync(folder, { recursive: true })
  }
}

function percentile(stdout: string, which: string): number | undefined {
  const [, amount, unit = ''] = new RegExp(`${which}%\\s+([\\d.]+)(us|ms|s)`).exec(stdout) ?? []
  return amount === undefined ? undefined : Number(amount) * ({ us: 0.001, ms: 1, s: 1000 }[unit] ?? 1)
}

/** Requests are put together beforehand: what Lua does while it counts would be measured as latency. */
function script(tokenFile: string, { body, perSecond, connections }: GatewayLoad): string {
  const sent = body === undefined ? "'GET', nil" : "'POST', nil"
  // Milliseconds that a connection waits before each request, at random as independent callers come.
  const delay = `
function delay()
  return -math.log(1 - math.random()) * ${perSecond === undefined ? 0 : (connections * 1000) / perSecond}
end
`
  return `
local requests = {}
local turn = 0
function init()
  for token in io.lines(${JSON.stringify(tokenFile)}) do
    requests[#requests + 1] = wrk.format(${sent}, { ['Authorization'] = 'Bearer ' .. token, ['Host'] = 'bench' }, ${body === undefined ? 'nil' : JSON.stringify(body)})
  end
end
function request()
  turn = turn % #requests + 1
  return requests[turn]
end
${perSecond === undefined ? '' : delay}`
}

async function bySockets({
  port,
  path,
  tokens,
  connections,
  seconds,
  body,
}: GatewayLoad): Promise<GatewayLoadResult> {
  const started = performance.now()
  const end = started + seconds * 1000
  let turn = 0
  let requests = 0
  let failed = 0
  const next = (): string => {
    turn = (turn + 1) % tokens.length
    const head = `${path} HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer ${tokens[turn]!}\r\n`
    return body === undefined
      ? `GET ${head}\r\n`
      : `POST ${head}Content-Length: ${body.length}\r\n\r\n${body}`
  }
  await Promise.all(
    Array.from({ length: connections }, () => {
      const socket = connect(port, '127.0.0.1')
      let expected = -1
      let received = 0
      socket.on('connect', () => socket.write(next()))
      socket.on('error', () => (failed += 1))
      socket.on('data', (chunk: Buffer) => {
        if (expected === -1) {
          // The head of a reply over loopback comes in one piece.
          const head = chunk.indexOf('\r\n\r\n')
          const text = chunk.toString('latin1', 0, head)
          expected = head + 4 + Number(/content-length: (\d+)/i.exec(text)?.[1] ?? 0)
          if (!text.startsWith('HTTP/1.1 200')) failed += 1
        }
        received += chunk.length
        if (received < expected) return
        requests += 1
        expected = -1
        received = 0
        if (performance.now() < end) socket.write(next())
        else socket.end()
      })
      return new Promise((resolve) => socket.once('close', resolve))
    }),
  )
  return {
    requests,
    failed,
    seconds: (performance.now() - started) / 1000,
    p50Ms: undefined,
    p99Ms: undefined,
  }
}
