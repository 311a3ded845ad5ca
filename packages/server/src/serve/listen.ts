import type { Server } from 'node:http'
import type { AddressInfo, Server as NetServer } from 'node:net'
import { Problem } from '@countersign/sdk/core'
import type { ListenAddress } from '../trust/trust.ts'

/**
 * Starts to listen.
 *
 * @param setting what of the trust file said where, such as `gateway.listen`: for the message
 * @param sharing 'shared' in a worker whose siblings listen at the same address; alone unless given
 * @returns where it listens; the real port where 0 was asked for
 * @throws Problem `port-taken`, or `address-unusable` where this machine or this user may not listen
 */
export function listen(
  server: NetServer,
  { host, port }: ListenAddress,
  setting: string,
  sharing: 'alone' | 'shared' = 'alone',
): Promise<ListenAddress> {
  return new Promise((resolve, reject) => {
    const fail = (cause: NodeJS.ErrnoException): void => reject(cannotListen({ host, port }, setting, cause))
    server.once('error', fail)
    server.listen({ host, port, exclusive: sharing === 'alone' }, () => {
      server.off('error', fail)
      const address = server.address() as AddressInfo
      resolve({ host, port: address.port })
    })
  })
}

function cannotListen(address: ListenAddress, setting: string, cause: NodeJS.ErrnoException): Problem {
  const variable = `COUNTERSIGN_${setting.replaceAll('.', '_').toUpperCase()}`
  const where = `${setting}: ${addressText(address)}`
  if (cause.code === 'EADDRINUSE') {
    return new Problem('port-taken', `${where} is taken by another program`, {
      next: `end that program, or choose another address there or in ${variable}`,
      cause,
    })
  }
  const why = cause.code === 'EACCES' ? 'this user may not listen there' : `${cause.code ?? 'unknown reason'}`
  return new Problem('address-unusable', `${where} cannot be listened on (${why})`, {
    next: `choose another address there or in ${variable}`,
    cause,
  })
}

/** `127.0.0.1:8080`, `[::1]:8080`. */
export function addressText({ host, port }: ListenAddress): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`
}

/**
 * Stops to listen and lets requests at hand finish, for at most `drainMs`. Idle connections are closed at once, others
 * when their reply is done: they may be kept alive and would never end by themselves.
 */
export async function drain(server: Server, drainMs: number): Promise<void> {
  const ended = new Promise<void>((resolve) => void server.close(() => resolve()))
  const idle = setInterval(() => server.closeIdleConnections(), 20)
  const limit = setTimeout(() => server.closeAllConnections(), drainMs)
  try {
    await ended
  } finally {
    clearInterval(idle)
    clearTimeout(limit)
  }
}
