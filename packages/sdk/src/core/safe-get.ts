import { lookup as dnsLookup } from 'node:dns'
import { BlockList, isIP } from 'node:net'
import type { LookupFunction } from 'node:net'
import { isLoopbackHost } from './loopback.ts'
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
  /** The parsed JSON of a 200, or the text itself where that was asked for; undefined otherwise. */
  readonly document: unknown
  readonly cacheControl: string | undefined
  readonly etag: string | undefined
  readonly retryAfter: string | undefined
}

/**
 * Gets a JSON document. No redirect is followed, no address off the public Internet is spoken to unless allowed, and
 * the address that is checked is the one that is connected to, so that a name cannot change in between.
 *
 * @throws Problem `fetch-refused` for a URL or address that is not allowed, `fetch-failed` for everything else.
 */
export function safeGetJson(url: string, limits: SafeGetLimits, etag?: string): Promise<SafeGetReply> {
  return safeGet(url, limits, json, etag)
}

/** The same for a JWT; `document` is its text (RFC 7519 §10.3.1 and types that end in `+jwt`). */
export function safeGetJwt(url: string, limits: SafeGetLimits, etag?: string): Promise<SafeGetReply> {
  return safeGet(url, limits, jwt, etag)
}

type Form = {
  readonly name: string
  readonly accept: string
  /** What stands behind `application/` or a plus. */
  readonly subtype: string
  /** Undefined when it is not of this form. */
  readonly read: (text: string) => { readonly document: unknown } | undefined
}

async function safeGet(
  url: string,
  limits: SafeGetLimits,
  form: Form,
  etag: string | undefined,
): Promise<SafeGetReply> {
  const target = checkUrl(url, limits)
  // When it is needed, and not by import: an import reads every export of node:http, and one of them loads all of fetch.
  const { request } = process.getBuiltinModule(target.protocol === 'https:' ? 'node:https' : 'node:http')
  return new Promise((resolve, reject) => {
    const signal = AbortSignal.timeout(limits.timeoutMs)
    const fail = (message: string, cause?: unknown): void => {
      if (cause instanceof Problem) return reject(cause)
      reject(failed(url, signal.aborted ? `no answer within ${limits.timeoutMs} ms` : message, cause))
    }
    const outgoing = request(
      target,
      {
        method: 'GET',
        headers: {
          accept: form.accept,
          ...(etag === undefined ? {} : { 'if-none-match': etag }),
        },
        agent: false,
        signal,
        lookup: guardedLookup(target.hostname, limits),
      },
      (reply) => {
        if (reply.statusCode === 200 && !says(form, reply.headers['content-type'])) {
          fail(`the answer is of another type than ${form.name}`)
          outgoing.destroy()
          return
        }
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
            status === 200 ? form.read(Buffer.concat(chunks).toString('utf8')) : { document: undefined }
          if (read === undefined) return fail(`the answer is not ${form.name}`)
          resolve({
            status,
            document: read.document,
            cacheControl: reply.headers['cache-control'],
            etag: reply.headers.etag,
            retryAfter: reply.headers['retry-after'],
          })
        })
      },
    )
    outgoing.on('error', (cause) => fail('cannot be reached', cause))
    outgoing.end()
  })
}

function checkUrl(url: string, limits: SafeGetLimits): URL {
  const target = URL.parse(url)
  if (target === null) throw refused(url, 'not a URL')
  if (target.username !== '' || target.password !== '')
    throw new Problem('fetch-refused', 'a URL with credentials in it')
  const local = limits.allowLoopback && isLoopbackHost(target.hostname)
  if (target.protocol === 'http:') {
    if (!local && !limits.dangerouslyAllowHttp)
      throw refused(url, 'plain http: lets the network choose the answer', 'write https:')
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

/**
 * Refuses an address that must not be connected to. `local`: the name is one of this machine, and allowed to be.
 *
 * @throws Problem `fetch-refused`.
 */
export function checkAddress(address: string, local: boolean, limits: SafeGetLimits): void {
  const family = isIP(address) === 6 ? 'ipv6' : 'ipv4'
  if (loopback.check(address, family)) {
    if (local) return
    throw refused(address, 'a loopback address')
  }
  // A resolver may answer for localhost too; plain http: was let through because the way does not leave the machine.
  if (local) throw refused(address, 'a name of this machine leads to another')
  if (never.check(address, family)) throw refused(address, 'no address of an issuer')
  if (privateNetworks.check(address, family) && !limits.allowPrivateAddresses) {
    throw refused(
      address,
      'a private address',
      'set allowPrivateAddresses if the issuer is inside your network',
    )
  }
}

/** What a server took from its users and serves under its own name (an upload, a page) says that it is something else. */
function says({ subtype }: Form, contentType: string | undefined): boolean {
  if (contentType === undefined) return true
  const type = contentType.split(';', 1)[0]!.trim().toLowerCase()
  return (
    type === `application/${subtype}` || (type.startsWith('application/') && type.endsWith(`+${subtype}`))
  )
}

function parse(text: string): { document: unknown } | undefined {
  try {
    return { document: JSON.parse(text) }
  } catch {
    return undefined
  }
}

const json: Form = {
  name: 'JSON',
  accept: 'application/json, application/jwk-set+json',
  subtype: 'json',
  read: parse,
}

const jwt: Form = {
  name: 'JWT',
  accept: 'application/revocations+jwt, application/jwt',
  subtype: 'jwt',
  read: (text) => ({ document: text.trim() }),
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

const loopback = blockList([
  ['127.0.0.0', 8],
  ['::1', 128],
])

// Never, whatever is allowed: this host by another name, link-local, multicast and reserved addresses, and those where
// clouds serve credentials to their machines.
const never = blockList([
  ['0.0.0.0', 8],
  ['100.100.100.200', 32],
  ['169.254.0.0', 16],
  ['192.0.0.0', 24],
  ['224.0.0.0', 4],
  ['240.0.0.0', 4],
  ['::', 128],
  ['fd00:ec2::', 32],
  ['fe80::', 10],
  ['fec0::', 10],
  ['ff00::', 8],
])

// RFC 1918, RFC 6598, RFC 2544, RFC 4193, and NAT64 (RFC 6052), behind which all of the others can be.
const privateNetworks = blockList([
  ['10.0.0.0', 8],
  ['100.64.0.0', 10],
  ['172.16.0.0', 12],
  ['192.168.0.0', 16],
  ['198.18.0.0', 15],
  ['64:ff9b::', 96],
  ['64:ff9b:1::', 48],
  ['fc00::', 7],
])

function blockList(subnets: readonly (readonly [string, number])[]): BlockList {
  const list = new BlockList()
  for (const [network, prefix] of subnets)
    list.addSubnet(network, prefix, isIP(network) === 6 ? 'ipv6' : 'ipv4')
  return list
}
