import assert from 'node:assert/strict'
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { connect } from 'node:net'
import type { Socket } from 'node:net'
import { join } from 'node:path'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { setTimeout as wait } from 'node:timers/promises'
import { Pulse } from '../machine/pulse.ts'
import { openStand } from '../gateway/stand.ts'
import { ordersSecret } from '../issuer/fixture.ts'

/** `npm run test:faults`: at full size, and as patient as in the field. */
const isLong = process.env['COUNTERSIGN_LONG_FAULTS'] === '1'
/** The issuer is another process, so each end has its own descriptors. */
const many = Math.min(isLong ? 10_000 : 2_000, openFiles() - 300)
/** Both ends in this process. */
const most = Math.min(isLong ? 10_000 : 2_000, Math.floor(openFiles() / 2) - 300)
const head = 'POST /token HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\n'

test(`${many} connections that send half a request: the issuer answers others meanwhile, and ends these`, async (t) => {
  // It loses its patience when all are there: how long that takes is the machine's.
  const issuer = await startLoneIssuer(t, isLong ? [] : ['120'])
  const before = issuer.memory()
  const slow = await openSlowly(t, issuer.port, [head, `${head}Content-Length: 100\r\n\r\ngrant_type=`], many)
  // The kernel takes them for the process, which hears of them by and by.
  let open = 0
  for (
    const begunMs = performance.now();
    open < many && performance.now() - begunMs < (isLong ? 4_000 : 60_000);
  ) {
    open = await issuer.connections()
    if (open < many) await wait(20)
  }
  assert.ok(open >= many, `${open} of them are open at once`)
  const perConnection = (issuer.memory() - before) / many
  const tookMs: number[] = []
  for (let ended = false; !ended;) {
    const begunMs = performance.now()
    const answer = await fetch(`http://127.0.0.1:${issuer.port}/token`, {
      method: 'POST',
      body: new URLSearchParams({
        grant_type: 'client_credentials',
        client_id: 'orders',
        client_secret: ordersSecret,
      }),
    })
    assert.equal(answer.status, 200)
    await answer.text()
    tookMs.push(performance.now() - begunMs)
    // So many that one at which the machine stands still is not one of twenty.
    if (!isLong && tookMs.length === 100) await issuer.connections(1)
    ended = await Promise.race([slow.ended.then(() => true), wait(20, false)])
  }
  tookMs.sort((a, b) => a - b)
  const slowestMs = tookMs.at(-1)!
  t.diagnostic(
    `${Math.round(perConnection / 1024)} KiB a connection; ${tookMs.length} tokens meanwhile, in ` +
      `${tookMs[tookMs.length >> 1]!.toFixed(1)} ms, at most ${slowestMs.toFixed(0)} ms`,
  )
  assert.ok(perConnection < 32 * 1024, `${Math.round(perConnection / 1024)} KiB a connection`)
  // One that comes while thousands are ended at once waits for that.
  const nearlyAllMs = tookMs[Math.ceil(tookMs.length * 0.95) - 1]!
  assert.ok(nearlyAllMs < 500, `a token took ${nearlyAllMs} ms`)
  assert.deepEqual([...slow.received], ['HTTP/1.1 408 Request Timeout'])
  assert.ok((await issuer.connections()) < 10)
})

test(`${most} connections that send half a request: the gateway answers others meanwhile, and ends these`, async (t) => {
  const upstream = createServer((_, response) => response.end('ok'))
  upstream.listen(0, '127.0.0.1')
  await once(upstream, 'listening')
  const stand = await openStand(`http://127.0.0.1:${(upstream.address() as AddressInfo).port}`, {
    limits: { requestHeadMs: 1500, clientStallMs: 1500 },
  })
  t.after(async () => {
    await stand.close()
    upstream.closeAllConnections()
    upstream.close()
  })
  const slow = await openSlowly(
    t,
    stand.port,
    ['GET /billing/health HTTP/1.1\r\nHost: x\r\n', 'GET /billing/health HTTP/1.1\r\nHost: x\r\nX-Slow: a'],
    most,
  )
  // It has no more time than the slow ones.
  await new Pulse(t).undisturbed(async () => {
    const answer = await fetch(`http://127.0.0.1:${stand.port}/billing/invoices/7`, {
      headers: { Authorization: `Bearer ${stand.token()}` },
    })
    assert.equal(answer.status, 200)
  })
  await slow.ended
  assert.ok(slow.received.has('HTTP/1.1 408 Request Timeout'), [...slow.received].join())
})

test('more slow connections than the process may have files open: it lives, and answers again when they are ended', async (t) => {
  const { port, child } = await startLoneIssuer(t, ['1.5'], 'ulimit -n 128; ')
  const slow = await openSlowly(t, port, [head], 400)
  await slow.ended
  const answer = await fetch(`http://127.0.0.1:${port}/readyz`)
  assert.equal(answer.status, 200)
  assert.equal(child.exitCode, null)
})

/** @param limits shell commands before it starts */
async function startLoneIssuer(t: TestContext, args: readonly string[], limits = '') {
  const program = join(import.meta.dirname, 'lone-issuer.ts')
  const child = spawn(
    'sh',
    ['-c', `${limits}exec "$0" --conditions=source "$@"`, process.execPath, program, ...args],
    { stdio: ['pipe', 'pipe', 'inherit'], env: { ...process.env, NODE_TEST_CONTEXT: undefined } },
  )
  t.after(() => child.kill('SIGKILL'))
  const line = async (): Promise<number> =>
    Number(String(((await once(child.stdout, 'data')) as [Buffer])[0]))
  const port = await line()
  return {
    port,
    child,
    /** @param patienceSeconds what its patience is from now on */
    connections(patienceSeconds?: number): Promise<number> {
      const counted = line()
      child.stdin.write(`${patienceSeconds ?? ''}\n`)
      return counted
    },
    /** Resident, in bytes. */
    memory: () =>
      Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${child.pid}/status`, 'utf8'))?.[1]) * 1024,
  }
}

/** Connections that send the beginning of a request and then nothing. `ended` when the server has closed all of them. */
async function openSlowly(t: TestContext, port: number, beginnings: readonly string[], count: number) {
  const received = new Set<string>()
  const sockets: Socket[] = []
  t.after(() => sockets.forEach((socket) => socket.destroy()))
  const ends: Promise<void>[] = []
  for (let index = 0; index < count; index++) {
    const socket = connect(port, '127.0.0.1')
    sockets.push(socket)
    socket.on('data', (chunk: Buffer) => received.add(chunk.toString('latin1').split('\r\n')[0]!))
    // Closed on what is half sent, a connection may be reset.
    socket.on('error', () => undefined)
    ends.push(new Promise((resolve) => void socket.once('close', () => resolve())))
    socket.write(beginnings[index % beginnings.length]!)
    // Not more at once than the kernel keeps waiting for us.
    if (index % 200 === 199 || index === count - 1)
      await Promise.race([once(socket, 'connect').catch(() => undefined), ends.at(-1)])
  }
  return { received, ended: Promise.all(ends) }
}

function openFiles(): number {
  const text = execFileSync('sh', ['-c', 'ulimit -n'], { encoding: 'utf8' }).trim()
  return text === 'unlimited' ? 100_000 : Number(text)
}
