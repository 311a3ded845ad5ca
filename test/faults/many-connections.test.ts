/** A gateway in a process of its own, and more clients than it has use for. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { connect } from 'node:net'
import type { AddressInfo, Socket } from 'node:net'
import { platform } from 'node:process'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { execFileSync } from 'node:child_process'
import type { GatewayLimits } from '../../packages/server/src/gateway/front/limits.ts'
import { ask, get } from '../gateway/stand.ts'

const idle = 10_000
const dribbling = 1_000
// Each process has one end of them, and some hundred files beside.
const room = Number(execFileSync('sh', ['-c', 'ulimit -n'], { encoding: 'utf8' })) || Infinity
const skip =
  platform !== 'linux'
    ? 'counts files by /proc'
    : room < idle + 1_000
      ? `only ${room} files may be open`
      : false

test(
  `${idle} idle connections cost little, others are served beside them, and nothing is left of them`,
  { skip },
  async (t) => {
    const gateway = await startGateway(t)
    await leave(await openIdle(t, gateway.port, 500))
    const before = await gateway.untilEmpty()
    const sockets = await openIdle(t, gateway.port, idle)
    const full = await gateway.state()
    assert.ok(full.connections >= idle, `${full.connections} connections`)
    const each = (full.rss - before.rss) / idle
    t.diagnostic(`${Math.round(each)} bytes of the gateway’s memory a connection`)
    assert.ok(each < 24 * 1024, `${Math.round(each / 1024)} KiB a connection`)
    for (let count = 0; count < 20; count++) await served(gateway.port)
    // They are still what they were: each may ask again.
    for (const socket of sockets.slice(0, 50)) {
      socket.write(get('/billing/health'))
      assert.match(String((await once(socket, 'data'))[0]), /^HTTP\/1.1 200 /)
    }
    await leave(sockets)
    await backTo(before, gateway)
  },
)

test(
  `${dribbling} connections that dribble heads and bodies are all ended, others are served beside them, and nothing is left of them`,
  { skip },
  async (t) => {
    const gateway = await startGateway(t, {
      requestHeadMs: 1_500,
      bodyMs: 1_500,
      bodyBytesPerSecond: 1_000,
      // On a busy machine they read the refusal late.
      unreadMs: 4_000,
    })
    const dribble = async (count: number): Promise<void> => {
      const clients = Array.from({ length: count }, (_, index) => new Dribbler(gateway.port, index % 2 === 0))
      t.after(() => clients.forEach(({ socket }) => socket.destroy()))
      await new Promise((resolve) => setTimeout(resolve, 500))
      for (let asked = 0; asked < 10; asked++) await served(gateway.port)
      await Promise.all(clients.map(({ ended }) => ended))
      for (const { received } of clients) assert.match(received, /^HTTP\/1.1 408 /)
    }
    await dribble(50)
    const before = await gateway.untilEmpty()
    await dribble(dribbling)
    await backTo(before, gateway)
  },
)

type State = {
  readonly connections: number
  readonly files: number
  readonly used: number
  readonly rss: number
}

/** Soon: what ten thousand connections leave behind is not all let go of by the first look of the garbage collector. */
async function backTo(before: State, gateway: { untilEmpty(): Promise<State> }): Promise<void> {
  for (const deadline = Date.now() + 60_000; ;) {
    const after = await gateway.untilEmpty()
    const more = after.used - before.used
    if (after.files <= before.files && more < 3_000_000) return
    assert.ok(
      Date.now() < deadline,
      `${Math.round(more / 1000)} kB and ${after.files - before.files} files more`,
    )
  }
}

async function served(port: number): Promise<void> {
  assert.equal((await ask(port, get('/billing/health', 'Connection: close'))).status, 200)
}

/** Sends a byte every now and then: of its head, or of its body. */
class Dribbler {
  readonly socket: Socket
  readonly ended: Promise<void>
  received = ''

  constructor(port: number, isHead: boolean) {
    this.socket = connect(port, '127.0.0.1')
    const body = 'POST /billing/open HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n'
    this.socket.write(isHead ? 'GET /billing/health HTTP/1.1\r\nHost: a\r\nX-Slow: ' : body)
    const timer = setInterval(() => this.socket.writable && this.socket.write('x'), 200)
    this.socket.on('data', (piece: Buffer) => (this.received += piece.toString('latin1')))
    // Closed on what is half sent, a connection may be reset.
    this.socket.on('error', () => undefined)
    this.ended = new Promise((resolve) =>
      this.socket.once('close', () => {
        clearInterval(timer)
        resolve()
      }),
    )
  }
}

/** Connections that have been answered once, so that all they wait for is their next request. */
async function openIdle(t: TestContext, port: number, count: number): Promise<Socket[]> {
  const sockets: Socket[] = []
  t.after(() => sockets.forEach((socket) => socket.destroy()))
  const text = get('/billing/health')
  while (sockets.length < count) {
    const batch = Array.from({ length: Math.min(250, count - sockets.length) }, () =>
      connect(port, '127.0.0.1'),
    )
    sockets.push(...batch)
    await Promise.all(
      batch.map(
        (socket) =>
          new Promise((resolve, reject) => {
            socket.once('data', resolve).once('error', reject)
            socket.write(text)
          }),
      ),
    )
  }
  return sockets
}

async function leave(sockets: readonly Socket[]): Promise<void> {
  await Promise.all(
    sockets.map((socket) => {
      const closed = once(socket, 'close')
      socket.destroy()
      return closed
    }),
  )
}

async function startGateway(t: TestContext, limits: Partial<GatewayLimits> = {}) {
  const service = createServer((request, response) => {
    request.resume()
    if (request.method === 'GET') response.end('ok')
  }).listen(0, '127.0.0.1')
  await once(service, 'listening')
  t.after(() => service.close().closeAllConnections())
  const url = `http://127.0.0.1:${(service.address() as AddressInfo).port}`
  const program = join(import.meta.dirname, 'lone-gateway.ts')
  // What the gateway keeps of its own accord is to be gone when its clients are.
  const patience = { upstreamKeepAliveMs: 500, ...limits }
  const child = spawn(process.execPath, ['--conditions=source', program, url, JSON.stringify(patience)], {
    stdio: ['pipe', 'pipe', 'inherit'],
    env: { ...process.env, NODE_TEST_CONTEXT: undefined },
  })
  t.after(() => child.kill('SIGKILL'))
  const lines = createInterface(child.stdout)[Symbol.asyncIterator]()
  const line = async (): Promise<string> => {
    const { value } = (await lines.next()) as { value: string | undefined }
    assert.ok(value !== undefined, 'the gateway has ended')
    return value
  }
  const port = Number(await line())
  const state = async (): Promise<State> => {
    child.stdin.write('\n')
    return JSON.parse(await line()) as State
  }
  return {
    port,
    state,
    /** When neither a client is there nor a connection to the service. */
    async untilEmpty(): Promise<State> {
      let last = await state()
      for (const deadline = Date.now() + 60_000; ;) {
        await new Promise((resolve) => setTimeout(resolve, 250))
        const now = await state()
        if (now.connections === 0 && now.files === last.files) return now
        assert.ok(Date.now() < deadline, `${now.connections} connections are left`)
        last = now
      }
    },
  }
}
