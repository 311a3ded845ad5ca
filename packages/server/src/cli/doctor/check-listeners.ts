import { once } from 'node:events'
import { connect, createServer } from 'node:net'
import type { ListenAddress, Trust } from '../../trust/trust.ts'
import { fail, pass, reasonOf, warn } from './finding.ts'
import type { Finding } from './finding.ts'

const timeoutMs = 2_000

/** What is to be found at an address of ours. */
type Listener = {
  readonly name: string
  readonly listen: ListenAddress
  /** Where it says that it lives; undefined: only that somebody listens can be told. */
  readonly alive?: string
  /** Where it says that it is ready. */
  readonly ready?: string
}

export type Part = 'issuer' | 'gateway'

/** Who listens where we are to listen: our servers, nobody yet, or somebody else. */
export async function checkListeners(trust: Trust, only: Part | undefined): Promise<Finding[]> {
  return (await Promise.all(listenersOf(trust, only).map(checkListener))).flat()
}

function listenersOf({ issuer, gateway, operations }: Trust, only: Part | undefined): readonly Listener[] {
  const listeners: Listener[] = []
  if (issuer !== undefined && only !== 'gateway') {
    const plain = issuer.tls === undefined ? { alive: '/livez', ready: '/readyz' } : {}
    listeners.push({ name: 'issuer', listen: issuer.listen, ...plain })
    if (issuer.admin !== undefined) {
      listeners.push({ name: 'admin', listen: issuer.admin.listen, alive: '/admin/openapi.json' })
    }
  }
  if (gateway !== undefined && only !== 'issuer') {
    const probes = '/.well-known/countersign'
    const plain = gateway.tls === undefined ? { alive: `${probes}/livez`, ready: `${probes}/readyz` } : {}
    listeners.push({ name: 'gateway', listen: gateway.listen, ...plain })
    for (const { proxy, listen } of gateway.authz ?? []) listeners.push({ name: `authz ${proxy}`, listen })
  }
  if (operations?.listen !== undefined) {
    listeners.push({ name: 'operations', listen: operations.listen, alive: '/livez', ready: '/readyz' })
  }
  return listeners
}

async function checkListener({ name, listen, alive, ready }: Listener): Promise<Finding[]> {
  const check = `listen ${name}`
  const place = `${listen.host}:${listen.port}`
  const reached = await reach(nearby(listen.host), listen.port)
  if (reached !== undefined) return [await checkFree(check, place, listen)]
  const base = `http://${listen.host.includes(':') ? `[${nearby(listen.host)}]` : nearby(listen.host)}:${listen.port}`
  if (alive === undefined) return [pass(check, `somebody listens at ${place}`)]
  const [lives, isReady] = await Promise.all([
    statusOf(`${base}${alive}`),
    ready && statusOf(`${base}${ready}`),
  ])
  if (lives !== 200) {
    const next = 'end the program that listens there, or choose another port'
    return [fail(check, `${place} is taken by something that is not ours`, next)]
  }
  if (ready === undefined || isReady === 200) return [pass(check, `answers at ${place}`)]
  return [warn(check, `answers at ${place}, and is not ready`, 'its log says what it waits for')]
}

/** Whether it could listen there. Nothing stays open. */
async function checkFree(check: string, place: string, { host, port }: ListenAddress): Promise<Finding> {
  const server = createServer()
  try {
    server.listen({ host, port, exclusive: true })
    await once(server, 'listening')
    return warn(check, `nobody listens at ${place} yet`, '`countersign serve` does')
  } catch (error) {
    const next =
      reasonOf(error) === 'EACCES'
        ? 'choose a port above 1024, or let this user listen there'
        : 'choose another address'
    return fail(check, `${place} cannot be listened on (${reasonOf(error)})`, next)
  } finally {
    server.close()
  }
}

/** @returns why not; undefined when somebody is there. */
export async function reach(host: string, port: number): Promise<string | undefined> {
  const socket = connect({ host, port })
  try {
    await once(socket, 'connect', { signal: AbortSignal.timeout(timeoutMs) })
    return undefined
  } catch (error) {
    return error instanceof Error && error.name === 'AbortError' ? 'no answer in time' : reasonOf(error)
  } finally {
    socket.destroy()
  }
}

async function statusOf(url: string): Promise<number | undefined> {
  try {
    const response = await fetch(url, { redirect: 'manual', signal: AbortSignal.timeout(timeoutMs) })
    await response.body?.cancel()
    return response.status
  } catch {
    return undefined
  }
}

/** Where a server that listens everywhere is found from here. */
function nearby(host: string): string {
  if (host === '0.0.0.0') return '127.0.0.1'
  return host === '::' ? '::1' : host
}
