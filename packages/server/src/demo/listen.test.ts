import { test } from 'node:test'
import assert from 'node:assert/strict'
import { createServer } from 'node:net'
import type { AddressInfo, Server } from 'node:net'
import { isProblem } from '@countersign/sdk/core'
import { freePort } from '../../../../test/machine/free-port.ts'
import { checkPorts, listenLocally } from './listen.ts'

test('it listens on this machine only, and stops with connections open', async () => {
  const port = await freePort()
  const listening = await listenLocally('issuer', port, (_req, res) => res.end('here'))
  assert.equal(await (await fetch(`http://127.0.0.1:${port}`)).text(), 'here')
  assert.equal(await (await fetch(`http://localhost:${port}`)).text(), 'here')
  await listening.close()
  await assert.rejects(fetch(`http://127.0.0.1:${port}`))
})

test('a taken port is told with its flag and its variable, before and while listening', async () => {
  const other = await occupy('127.0.0.1')
  const { port } = other.address() as AddressInfo
  const isTaken = (error: unknown) =>
    isProblem(error) &&
    error.code === 'port-taken' &&
    error.message === `port ${port} is taken by another program` &&
    /--gateway-port \d+, or COUNTERSIGN_DEMO_GATEWAY_PORT=\d+/.test(error.next ?? '')
  await assert.rejects(checkPorts(await portsWith({ gateway: port })), isTaken)
  await assert.rejects(
    listenLocally('gateway', port, () => {}),
    isTaken,
  )
  other.close()
})

test('a port that another program has on ::1 alone is taken too: localhost may lead there', async (t) => {
  let other: Server
  try {
    other = await occupy('::1')
  } catch {
    return t.skip('this machine has no IPv6')
  }
  const { port } = other.address() as AddressInfo
  await assert.rejects(
    checkPorts(await portsWith({ issuer: port })),
    (error) => isProblem(error) && error.code === 'port-taken',
  )
  other.close()
})

test('free ports pass', async () => {
  await checkPorts(await portsWith({}))
})

async function portsWith(ports: Partial<Record<'issuer' | 'gateway', number>>) {
  const [issuer, gateway, provider, secret, billing] = await Promise.all(Array.from({ length: 5 }, freePort))
  return {
    issuer: issuer!,
    gateway: gateway!,
    provider: provider!,
    secret: secret!,
    billing: billing!,
    ...ports,
  }
}

function occupy(host: string): Promise<Server> {
  return new Promise((resolve, reject) => {
    const server = createServer()
    server.once('error', reject).listen(0, host, () => resolve(server))
  })
}
