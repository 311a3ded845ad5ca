import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { connect as connectTls } from 'node:tls'
import type { Service, Trust } from '../../trust/trust.ts'
import { reach } from './check-listeners.ts'
import { fail, pass, reasonOf } from './finding.ts'
import type { Finding } from './finding.ts'

const timeoutMs = 3_000

/** Whether each target of each service takes a connection; with TLS, one whose certificate is good for its name. */
export async function checkUpstreams({ services }: Trust): Promise<Finding[]> {
  const targets = [...services.values()].flatMap((service) => {
    const { upstream, upstreamSettings } = service
    const urls = upstreamSettings?.targets ?? (upstream === undefined ? [] : [upstream])
    return urls.map((url) => ({ service, url }))
  })
  return Promise.all(
    targets.map(async ({ service, url }) => {
      const { hostname, port, protocol } = new URL(url)
      const host = hostname.replace(/^\[|\]$/g, '')
      const why =
        protocol === 'http:'
          ? await reach(host, Number(port || 80))
          : await reachTls(host, Number(port || 443), service)
      const check = `upstream ${service.name}`
      if (why === undefined) return pass(check, `${url} can be reached`)
      return fail(check, `${url}: ${why}`, `start the service, or correct services.${service.name}.upstream`)
    }),
  )
}

async function reachTls(
  host: string,
  port: number,
  { upstreamSettings }: Service,
): Promise<string | undefined> {
  const { caFile, certificateFile, keyFile, serverName } = upstreamSettings?.tls ?? {}
  try {
    const socket = connectTls({
      host,
      port,
      // An address is no server name (RFC 6066 §3); its certificate is compared all the same.
      ...(serverName === undefined ? {} : { servername: serverName }),
      ...(caFile === undefined ? {} : { ca: readFileSync(caFile) }),
      ...(certificateFile === undefined ? {} : { cert: readFileSync(certificateFile) }),
      ...(keyFile === undefined ? {} : { key: readFileSync(keyFile) }),
    })
    try {
      await once(socket, 'secureConnect', { signal: AbortSignal.timeout(timeoutMs) })
      return undefined
    } finally {
      socket.destroy()
    }
  } catch (error) {
    return error instanceof Error && error.name === 'AbortError' ? 'no answer in time' : reasonOf(error)
  }
}
