import { createServer } from '../net/node-http.ts'
import type { RequestListener } from 'node:http'
import { connect } from 'node:net'
import { createServer as createSocketServer } from 'node:net'
import { Problem } from '@countersign/sdk/core'
import { portFlag, portVariable } from './settings.ts'
import type { DemoPort, DemoPorts } from './settings.ts'

/** One listening server of the demo. */
export type Listening = { close(): Promise<void> }

/**
 * Listens on a port of this machine only.
 *
 * @throws Problem `port-taken` when somebody else listens there
 */
export async function listenLocally(
  name: DemoPort,
  port: number,
  listener: RequestListener,
): Promise<Listening> {
  const server = createServer(listener)
  await new Promise<void>((resolve, reject) => {
    server.once('error', (cause: NodeJS.ErrnoException) => {
      reject(cause.code === 'EADDRINUSE' ? taken(name, port) : refused(name, port, cause))
    })
    server.listen(port, '127.0.0.1', resolve)
  })
  return {
    close() {
      return new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      })
    },
  }
}

/**
 * Makes sure that every port of the demo is free before anything is started, so that a mistake is told once and nothing
 * has to be taken back. Also where another program listens on ::1 alone: `localhost` would lead to it.
 *
 * @throws Problem `port-taken`, or `port-refused` when this user may not listen there
 */
export async function checkPorts(ports: DemoPorts): Promise<void> {
  for (const [name, port] of Object.entries(ports) as [DemoPort, number][]) {
    const cause = await tryToListen(port)
    if (cause?.code === 'EADDRINUSE' || (await answersOnIpv6(port))) throw taken(name, port)
    if (cause !== undefined) throw refused(name, port, cause)
  }
}

function tryToListen(port: number): Promise<NodeJS.ErrnoException | undefined> {
  return new Promise((resolve) => {
    const server = createSocketServer()
    server.once('error', resolve)
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(undefined)))
  })
}

function answersOnIpv6(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ port, host: '::1', timeout: 250 })
    const end = (answers: boolean) => {
      socket.destroy()
      resolve(answers)
    }
    socket.once('connect', () => end(true))
    socket.once('error', () => end(false))
    socket.once('timeout', () => end(false))
  })
}

function taken(name: DemoPort, port: number): Problem {
  return new Problem('port-taken', `port ${port} is taken by another program`, { next: choose(name, port) })
}

function refused(name: DemoPort, port: number, cause: NodeJS.ErrnoException): Problem {
  const message = `cannot listen on port ${port} (${cause.code ?? 'unknown reason'})`
  return new Problem('port-refused', message, { cause, next: choose(name, port) })
}

function choose(name: DemoPort, port: number): string {
  const other = port < 60_000 ? port + 1000 : port - 1000
  return `choose another: ${portFlag(name)} ${other}, or ${portVariable(name)}=${other}`
}
