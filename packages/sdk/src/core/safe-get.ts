import { lookup as dnsLookup } from 'node:dns'
import { request as httpRequest } from 'node:http'
import { request as httpsRequest } from 'node:https'
import { BlockList, isIP } from 'node:net'
import type { LookupFunction } from 'node:net'
import { Problem } from './problem.ts'

/** What a fetch of metadata or keys may do; the strict values are the defaults of whoever calls. */
export type SafeGetLimits = {
  /** For the whole exchange, milliseconds. */
  readonly timeoutMs: number
  readonly maxBytes: number
  /** Lets names resolve to private addresses (RFC 1918, RFC 4193 and the like), as inside a cluster. */
  readonly allowPrivateAddresses: boolean
  /** Lets `http:` and loopback addresses through for loopback names: only when a person configured such a name. */
  readonly allowLoopback: boolean
  /** Lets `http:` through to any host: whoever sits on the network then chooses the keys. */
  readonly dangerouslyAllowHttp: boolean
}

export type SafeGetReply = {
  readonly status: number
  /** The parsed JSON of a 200; undefined otherwise. */
  readonly document: unknown
  readonly cacheControl: string | undefined
  readonly etag: string | undefined
}

/**
 * Gets a JSON document. No redirect is followed, no address off the public Internet is spoken to unless allowed, and
 * the address that is checked is the one that is connected to, so that a name cannot change in between.
 *
 * @throws Problem `fetch-refused` for a URL or address that is not allowed, `fetch-failed` for everything else.
 */
export function safeGetJson(url: string, limits: SafeGetLimits, etag?: string): Promise<SafeGetReply> {
  const target = checkUrl(url, limits)
  const request = target.protocol === 'https:' ? httpsRequest : httpRequest
  return new Promise((resolve, reject) => {
    const fail = (message: string, cause?: unknown): void => {
      reject(cause instanceof Problem ? cause : failed(url, message, cause))
    }
    const signal = AbortSignal.timeout(limits.timeoutMs)
    const outgoing = request(
      target,
      {
        method: 'GET',
        headers: {
          accept: 'application/json, application/jwk-set+json',
          ...(etag === undefined ? {} : { 'if-none-match': etag }),
        },
        agent: false,
        signal,
        lookup: guardedLookup(target.hostname, limits),
      },
      (reply) => {
        const chunks: Buffer[] = []
        let size = 0
        reply.on('data', (chunk: Buffer) => {
          size += chunk.length
          if (size > limits.maxBytes) {
            fail(`the answer is longer than ${limits.maxBytes} bytes`)
            outgoing.destroy()
          } else chunks.push(chunk)
        })
        reply.on('error', (cause) => fail('the answer broke off', cause))
        reply.on('end', () => {
          const status = reply.statusCode ?? 0
          const read =
            status === 200 ? parse(Buffer.concat(chunks).toString('utf8')) : { document: undefined }
          if (read === undefined) return fail('the answer is not JSON')
          resolve({
            status,
            document: read.document,
            cacheControl: reply.headers['cache-control'],
            etag: reply.headers.etag,
          })
        })
      },
    )
    outgoing.on('error', (cause) => {
      fail(signal.aborted ? `no answer within ${limits.timeoutMs} ms` : 'cannot be reached', cause)
    })
    outgoing.end()
  })
}

/** True for the names and addresses that always mean this machine. */
export function isLoopbackHost(hostname: string): boolean {
  const host = hostname.startsWith('[') ? hostname.slice(1, -1) : hostname
  if (host === 'localhost' || host.endsWith('.localhost')) return true
  return isIP(host) !== 0 && loopback.check(host, isIP(host) === 6 ? 'ipv6' : 'ipv4')
}

function checkUrl(url: string, limits: SafeGetLimits): URL {
  const target = URL.parse(url)
  if (target === null) throw refused(url, 'not a URL')
  if (target.username !== '' || target.password !== '')
    throw new Problem('fetch-refused', 'a URL with credentials in it')
  const local = limits.allowLoopback && isLoopbackHost(target.hostname)
  if (target.protocol === 'http:') {
    if (!local && !limits.dangerouslyAllowHttp)
      throw refused(url, 'plain http: lets the network choose the answer')
  } else if (target.protocol !== 'https:') throw refused(url, 'only https: is fetched')
  const host = target.hostname.startsWith('[') ? target.hostname.slice(1, -1) : target.hostname
  if (isIP(host) !== 0) checkAddress(host, local, limits)
  return target
}

/** node:net asks this for the address it then connects to. */
function guardedLookup(hostname: string, limits: SafeGetLimits): LookupFunction {
  const local = limits.allowLoopback && isLoopbackHost(hostname)
  return (host, options, done) => {
    dnsLookup(host, { ...options, all: true }, (error, addresses) => {
      if (error !== null) return done(error, '')
      try {
        for (const { address } of addresses) checkAddress(address, local, limits)
      } catch (problem) {
        return done(problem as Error, '')
      }
      if (options.all === true) done(null, addresses)
      else done(null, addresses[0]!.address, addresses[0]!.family)
    })
  }
}

function checkAddress(address: string, local: boolean, limits: SafeGetLimits): void {
  const family = isIP(address) === 6 ? 'ipv6' : 'ipv4'
  if (loopback.check(address, family)) {
    if (local) return
    throw refused(address, 'a loopback address')
  }
  if (linkLocal.check(address, family)) throw refused(address, 'a link-local address')
  if (privateNetworks.check(address, family) && !limits.allowPrivateAddresses) {
    throw refused(
      address,
      'a private address',
      'set allowPrivateAddresses if the issuer is inside your network',
    )
  }
}

function parse(text: string): { document: unknown } | undefined {
  try {
    return { document: JSON.parse(text) }
  } catch {
    return undefined
  }
}

function refused(what: string, why: string, next?: string): Problem {
  return new Problem('fetch-refused', `${what}: ${why}`, next === undefined ? {} : { next })
}

function failed(url: string, why: string, cause: unknown): Problem {
  return new Problem('fetch-failed', `${url}: ${why}`, {
    next: 'check that it can be reached from here',
    cause,
  })
}

const loopback = new BlockList()
loopback.addSubnet('127.0.0.0', 8, 'ipv4')
loopback.addAddress('::1', 'ipv6')

// Cloud metadata services live here; no issuer does.
const linkLocal = new BlockList()
linkLocal.addSubnet('169.254.0.0', 16, 'ipv4')
linkLocal.addSubnet('fe80::', 10, 'ipv6')

const privateNetworks = new BlockList()
for (const [network, prefix] of [
  ['0.0.0.0', 8],
  ['10.0.0.0', 8],
  ['100.64.0.0', 10],
  ['172.16.0.0', 12],
  ['192.0.0.0', 24],
  ['192.168.0.0', 16],
  ['198.18.0.0', 15],
  ['224.0.0.0', 4],
  ['240.0.0.0', 4],
] as const) {
  privateNetworks.addSubnet(network, prefix, 'ipv4')
}
for (const [network, prefix] of [
  ['::', 128],
  ['fc00::', 7],
  ['fec0::', 10],
  ['ff00::', 8],
] as const) {
  privateNetworks.addSubnet(network, prefix, 'ipv6')
}
