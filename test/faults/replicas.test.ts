import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { createServer, request as httpRequest } from 'node:http'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { setTimeout as wait } from 'node:timers/promises'
import type { Secret } from '@countersign/sdk/core'
import { ordersSecret } from '../issuer/fixture.ts'
import { Pulse } from '../machine/pulse.ts'
import { independentVerifiers } from '../issuer/verifiers.ts'
import { startPostgres, whyNoPostgres } from '../store/postgres-server.ts'
import type { PostgresServer } from '../store/postgres-server.ts'

// A minute of every clock here passes in a second. Patience (time limits of connections) stays as it is.
const clock = { FAST_CLOCK: '60', FAST_CLOCK_START: String(Date.now()) }
const times = { cacheSeconds: 30, lifetimeSeconds: 60, rotateEverySeconds: 360 }
const runMs = process.env['COUNTERSIGN_LONG_FAULTS'] === '1' ? 60_000 : 20_000
const skip = whyNoPostgres() ?? false

describe('replicas on one PostgreSQL, while keys turn every few seconds', { skip }, () => {
  let postgres: PostgresServer
  before(async () => {
    Object.assign(process.env, clock)
    await import('./fast-clock.ts')
    postgres = await startPostgres()
  })
  after(() => postgres.stop())

  test('no good token is refused by anybody, though a replica is killed and clocks differ', async (t) => {
    const database = await postgres.newDatabase()
    const replicas: Replica[] = []
    // No connection of its clients is closed just when one of them uses it again, however long the machine stands still.
    const front = createServer({ keepAliveTimeout: 0 }, (request, response) =>
      balance(replicas, request, response),
    )
    await new Promise<void>((resolve) => front.listen(0, '127.0.0.1', resolve))
    const issuer = `http://127.0.0.1:${(front.address() as AddressInfo).port}`
    t.after(() => {
      for (const { process: child } of replicas) child.kill('SIGKILL')
      front.closeAllConnections()
      front.close()
    })
    const start = async (aheadMs: number) => void replicas.push(await startReplica(issuer, database, aheadMs))
    await start(0)
    await start(4_000)

    const pulse = new Pulse(t)
    const verifiers = independentVerifiers(issuer, times.cacheSeconds)
    const refusals: string[] = []
    const keyIds = new Set<string>()
    let verified = 0
    const verifyAll = async (token: string): Promise<void> => {
      await Promise.all(
        Object.entries(verifiers).map(async ([name, verify]) => {
          try {
            await verify(token)
            verified += 1
          } catch (error) {
            // On a machine that stands still for a second, the token's minute may be over; and a key set that was on its
            // way came when it was a minute old, for which a verifier may wait ten seconds before it asks again.
            const isOurs = !pulse.stoodStillSince(performance.now() - 12_000)
            if (isOurs && Date.now() / 1000 < claimsOf(token).exp - 5)
              refusals.push(`${name}: ${String(error)}`)
          }
        }),
      )
    }
    const later: Promise<void>[] = []
    const untilMs = performance.now() + runMs
    const killAtMs = untilMs - runMs / 2
    let killed = false
    let failed = 0
    let issued = 0
    while (performance.now() < untilMs || keyIds.size < 3 || verified <= 500 || issued <= 100) {
      assert.ok(
        performance.now() < untilMs + 3 * runMs,
        `${keyIds.size} keys, ${issued} tokens, ${verified} checks`,
      )
      if (!killed && performance.now() > killAtMs) {
        killed = true
        replicas.shift()!.process.kill('SIGKILL')
        // Nobody is there beside the other one for a while; then another one comes.
        later.push(wait(3_000).then(() => start(-4_000)))
      }
      const token = await askToken(issuer)
      if (token === undefined) {
        failed += 1
        continue
      }
      issued += 1
      keyIds.add(keyIdOf(token))
      await verifyAll(token)
      later.push(wait(500).then(() => verifyAll(token)))
      await wait(15)
    }
    await Promise.all(later)
    assert.deepEqual([...new Set(refusals)], [], `${refusals.length} refusals of ${verified}`)
    // The request that was on its way to the replica that died.
    assert.ok(failed <= 5, `${failed} of ${issued} requests failed`)
  })
})

type Replica = { readonly port: number; readonly process: ChildProcess }

async function startReplica(issuer: string, database: Secret, aheadMs: number): Promise<Replica> {
  const here = import.meta.dirname
  const child = spawn(
    process.execPath,
    ['--conditions=source', '--import', join(here, 'fast-clock.ts'), join(here, 'replica.ts')],
    {
      stdio: ['ignore', 'pipe', 'inherit'],
      env: {
        ...process.env,
        ...clock,
        FAST_CLOCK_AHEAD: String(aheadMs),
        DATABASE_URL: database.revealText(),
        ISSUER: issuer,
        TIMES: JSON.stringify(times),
        NODE_TEST_CONTEXT: undefined,
      },
    },
  )
  for await (const line of child.stdout) return { port: Number(String(line)), process: child }
  throw new Error('the replica has ended')
}

let turns = 0

/**
 * One after the other; to the next one when there is nobody, or when it cannot answer now. On a machine that stands still
 * for a second, a minute of these clocks has passed in which no replica has read the keys, and each says so with a 503.
 */
function balance(replicas: readonly Replica[], request: IncomingMessage, response: ServerResponse): void {
  const chunks: Buffer[] = []
  let triesLeft = tries
  request.on('data', (chunk: Buffer) => chunks.push(chunk))
  request.on('end', () => {
    const attempt = (): void => {
      const replica = replicas[turns++ % replicas.length]
      if (replica === undefined) return again()
      const { method, url: path, headers } = request
      const onward = httpRequest(
        { host: '127.0.0.1', port: replica.port, method, path, headers, agent: false },
        (reply) => {
          if (reply.statusCode === 503) {
            reply.resume()
            return again()
          }
          response.writeHead(reply.statusCode!, reply.headers)
          reply.pipe(response)
        },
      )
      onward.on('error', () => (response.headersSent ? response.destroy() : again()))
      onward.end(Buffer.concat(chunks))
    }
    const again = (): void => {
      if (triesLeft-- === 0) response.writeHead(502).end()
      else setTimeout(attempt, 20)
    }
    attempt()
  })
}

/** Each some milliseconds after the other: sooner than any client here would give up. */
const tries = 100

async function askToken(issuer: string): Promise<string | undefined> {
  const body = new URLSearchParams({
    grant_type: 'client_credentials',
    client_id: 'orders',
    client_secret: ordersSecret,
  })
  const answer = await fetch(`${issuer}/token`, { method: 'POST', body })
  if (!answer.ok) return void (await answer.text())
  const { access_token: token } = (await answer.json()) as { access_token?: string }
  return token
}

function keyIdOf(token: string): string {
  return String(partOf(token, 0)['kid'])
}

function claimsOf(token: string): { exp: number } {
  return partOf(token, 1) as { exp: number }
}

function partOf(token: string, index: number): Record<string, unknown> {
  return JSON.parse(Buffer.from(token.split('.')[index]!, 'base64url').toString()) as Record<string, unknown>
}
