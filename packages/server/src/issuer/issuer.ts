import type { IncomingMessage, ServerResponse } from 'node:http'
import { isProblem, refuseUnknownOptions, systemClock } from '@countersign/sdk/core'
import type { Clock } from '@countersign/sdk/core'
import type { KeySet } from '@countersign/sdk/jwt'
import type { RequestPeer } from '@countersign/sdk/policy'
import { createTrustedProxies, plainAddress } from '../net/address.ts'
import { silentLog } from '../log.ts'
import type { Log } from '../log.ts'
import type { Store } from '../store/store.ts'
import type { IssuerSettings, Trust } from '../trust/trust.ts'
import { readBody } from './http/body.ts'
import { inBursts } from './token/burst.ts'
import { openClientCertificates } from './clients/client-certificates.ts'
import { createBinding } from './token/binding.ts'
import { createClientEndpoint } from './http/client-endpoint.ts'
import { createDiscovery, issuerPaths } from './http/discovery.ts'
import { createIntrospection } from './revocation/introspection.ts'
import { issuerTiming, openIssuerKeys } from './keys/issuer-keys.ts'
import { servicesOf } from './clients/managed-clients.ts'
import type { KeyRing } from './keys/key-ring.ts'
import { createIssuerProofs } from './token/proofs.ts'
import { refuse } from './http/refusal.ts'
import { createRevocation } from './revocation/revocation.ts'
import { createRevocationFeed } from './revocation/revocation-feed.ts'
import { createRevocationList } from './revocation/revocation-list.ts'
import type { RevocationList } from './revocation/revocation-list.ts'
import { createRevoke } from './revocation/revoke.ts'
import type { Revoke } from './revocation/revoke.ts'
import { problemReply, send } from './http/reply.ts'
import type { Reply } from './http/reply.ts'
import { startSweeping } from './sweep.ts'
import { createTokenLimits } from './token/token-limits.ts'
import type { TokenLimits } from './token/token-limits.ts'
import { createTokenEndpoint, refusalReply } from './token/token-endpoint.ts'
import type { TokenEndpoint, TokenRequest } from './token/token-endpoint.ts'
import { openTokenRules } from './token/token-rules.ts'
import type { OpenTokenRules } from './token/token-rules.ts'

/** An issuer, ready to answer. */
export type Issuer = {
  /** Answers requests of a `node:http` server; make that one with `issuerServerOptions`. Never throws. */
  readonly listener: (request: IncomingMessage, response: ServerResponse) => void
  /** The issuer's public keys for verifying in this process; follows the ring. */
  readonly keySet: KeySet
  /** The keys themselves: describe, rotate, remove. */
  readonly keyRing: KeyRing
  /** The clients that the store keeps. */
  readonly managed: OpenTokenRules['managed']
  /** Revokes a token, a subject, a client or a key of ours. */
  readonly revoke: Revoke
  /** What is revoked, for verifying in this process. */
  readonly revocations: RevocationList
  /** Whether to send it requests: it can sign. It needs no store for that while the ring it has read is young enough. */
  isReady(): boolean
  /** Whose request it is: the peer's, or whom a trusted proxy speaks for. */
  addressOf(request: IncomingMessage): string
  /** Goes by another trust file's clients and services from the next request on. */
  replace(trust: Trust): void
  /** Stops the rotation of keys and the sweeping of the store. The store stays open: who opened it closes it. */
  close(): Promise<void>
}

export type IssuerOptions = {
  readonly settings: IssuerSettings
  readonly trust: Trust
  readonly store: Store
  readonly clock?: Clock
  readonly log?: Log
  /** For how long verifiers may keep the key set, in seconds; rotation is worked out with it. */
  readonly cacheSeconds?: number
}

/**
 * Makes an issuer: opens the key ring, or makes its first key, and compiles the trust file's grants.
 *
 * @throws Problem `rotation-unsafe`, `seal-broken`, `seal-missing`, `seal-weak`, `algorithm-unpublishable`,
 * `store-unavailable`
 *
 * @example
 * const issuer = await createIssuer({ settings: trust.issuer, trust, store })
 * createServer(issuerServerOptions, issuer.listener).listen(8080, '127.0.0.1')
 */
export async function createIssuer(options: IssuerOptions): Promise<Issuer> {
  refuseUnknownOptions('createIssuer', options, optionNames)
  const { settings, store, clock = systemClock, log = silentLog, cacheSeconds } = options
  const { cacheSeconds: servedSeconds } = issuerTiming(settings, cacheSeconds)
  const keyRing = await openIssuerKeys({ settings, store, clock, log, cacheSeconds })

  const issuer = settings.url
  const paths = issuerPaths(issuer)
  const { token: tokenPath } = paths
  const tokenEndpointUrl = new URL(issuer).origin + tokenPath
  const { keySet } = keyRing
  const revocations = createRevocationList({ issuer, store, clock, log })
  const certificates = openClientCertificates(settings, options.trust, log)
  const rules = await openTokenRules({
    issuer,
    tokenEndpoint: tokenEndpointUrl,
    trust: options.trust,
    store,
    keySet,
    revocations: revocations.revocations,
    clock,
    log,
    certificates,
  }).catch(async (error: unknown) => {
    await keyRing.close()
    throw error
  })
  const stopSweeping = startSweeping({ store, clock, log })

  const limits = createTokenLimits(settings.limits)
  const proofs = createIssuerProofs({ settings, store })
  const lifetimeSeconds = settings.tokens.lifetimeSeconds
  const tokenEndpoint = createTokenEndpoint({
    rules: rules.current,
    ring: keyRing,
    issuer,
    lifetimeSeconds,
    bind: createBinding({
      proofs,
      url:
        settings.mtlsUrl === undefined ? tokenEndpointUrl : [tokenEndpointUrl, settings.mtlsUrl + tokenPath],
      certificateOf: ({ rawHeaders = [], peer }) => certificates?.certificates.thumbprintOf(rawHeaders, peer),
    }),
    limits,
    log,
  })
  let addressOf = clientAddressOf(options.trust)
  const answerToken = listenForTokens(tokenEndpoint, {
    clock,
    limits,
    addressOf: (request) => addressOf(request),
  })
  const revoke = createRevoke({ list: revocations, keyRing, log })
  let services = servicesOf(options.trust)
  const own = { issuer, keySet, clock }
  const introspect = createIntrospection({
    ...own,
    revocations: revocations.revocations,
    services: () => services,
  })
  const revokeToken = createRevocation({ ...own, revoke, refreshKeys: () => keyRing.refresh() })
  const shared = { rules: rules.current, log }
  const listening = { clock, addressOf: (request: IncomingMessage) => addressOf(request) }
  // Without limits: a service asks about every token it is called with.
  const askingLimits = createTokenLimits()
  // Counted by themselves, so that nobody who has asked for too many tokens cannot take them back.
  const revokingLimits = createTokenLimits(settings.limits)
  const posted = new Map([
    [tokenPath, answerToken],
    [
      paths.introspection,
      listenForTokens(createClientEndpoint('introspection', shared, introspect), {
        ...listening,
        limits: askingLimits,
      }),
    ],
    [
      paths.revocation,
      listenForTokens(
        createClientEndpoint('revocation', { ...shared, limits: revokingLimits }, revokeToken),
        {
          ...listening,
          limits: revokingLimits,
        },
      ),
    ],
  ])
  const feed = createRevocationFeed({ issuer, list: revocations, ring: keyRing, clock })
  const discovery = createDiscovery({
    issuer,
    algorithm: settings.keys.algorithm,
    ring: keyRing,
    cacheSeconds: servedSeconds,
    proofAlgorithms: proofs.algorithms,
    clientCertificates: settings.clientCertificates,
    mtlsUrl: settings.mtlsUrl,
  })

  const isReady = (): boolean => {
    try {
      keyRing.signerAt(clock())
      return true
    } catch {
      return false
    }
  }
  const answer = (request: IncomingMessage): Reply => {
    const document = discovery.get(pathOf(request))
    if (document !== undefined) return document(request, clock())
    if (pathOf(request) === '/livez') return healthReply({ status: 'alive' })
    keyRing.signerAt(clock())
    return healthReply({ status: 'ready' })
  }

  return {
    listener(request, response) {
      const path = pathOf(request)
      const answerPost = posted.get(path)
      if (answerPost !== undefined) {
        if (request.method === 'POST') answerPost(request, response)
        else send(request, response, problemReply(405, ['Allow', 'POST']))
        return
      }
      if (path !== paths.revocations && !discovery.has(path) && path !== '/livez' && path !== '/readyz') {
        send(request, response, problemReply(404))
        return
      }
      if (request.method !== 'GET' && request.method !== 'HEAD') {
        send(request, response, problemReply(405, ['Allow', 'GET, HEAD']))
        return
      }
      if (path === paths.revocations) {
        void feed(request)
          .catch((error: unknown) => failureReply(error, log))
          .then((reply) => send(request, response, reply))
        return
      }
      send(
        request,
        response,
        attempt(() => answer(request), log),
      )
    },
    keySet: keyRing.keySet,
    keyRing,
    managed: rules.managed,
    revoke,
    revocations,
    isReady,
    addressOf: (request) => addressOf(request),
    replace(trust) {
      rules.replace(trust)
      services = servicesOf(trust)
      addressOf = clientAddressOf(trust)
      certificates?.replace(trust)
    },
    async close() {
      await stopSweeping()
      await rules.close()
      await keyRing.close()
    },
  }
}

/** Reads token requests and answers those of one turn of the event loop together. */
function listenForTokens(
  answer: TokenEndpoint,
  { clock, limits, addressOf }: TokenListening,
): (request: IncomingMessage, response: ServerResponse) => void {
  type Job = {
    readonly request: IncomingMessage
    readonly response: ServerResponse
    readonly token: TokenRequest
  }
  const enqueue = inBursts<Job, Reply | Promise<Reply>>(
    ({ token }) => answer(token),
    ({ request, response }, reply) => {
      if (reply instanceof Promise) void reply.then((later) => send(request, response, later))
      else send(request, response, reply)
    },
  )
  return (request, response) => {
    // A query would end up in logs along the way, with the client's secret in it.
    if (request.url?.includes('?')) {
      request.resume()
      send(
        request,
        response,
        refusalReply(refuse('invalid_request', 'send the parameters in the body, not in the URL')),
      )
      return
    }
    const address = addressOf(request)
    const tooOften = limits.forAddress(address, clock())
    if (tooOften !== undefined) {
      request.resume()
      send(request, response, { ...refusalReply(tooOften), about: { outcome: tooOften.error } })
      return
    }
    readBody(request, maxBodyBytes, (body) => {
      if (body === 'oversize') {
        const refusal = refuse('invalid_request', `the body is longer than ${maxBodyBytes} bytes`, {
          status: 413,
        })
        send(request, response, refusalReply(refusal))
        return
      }
      const token = {
        contentType: request.headers['content-type'],
        authorization: authorizationOf(request),
        body,
        rawHeaders: request.rawHeaders,
        peer: request.socket as RequestPeer,
        address,
        nowMs: clock(),
      }
      enqueue({ request, response, token })
    })
  }
}

type TokenListening = {
  readonly clock: Clock
  readonly limits: TokenLimits
  readonly addressOf: (request: IncomingMessage) => string
}

/** Whose request it is: the peer's, or whom a proxy of ours speaks for. */
function clientAddressOf({ trustedProxies = [] }: Trust): (request: IncomingMessage) => string {
  const proxies = createTrustedProxies(trustedProxies)
  return ({ socket, headers }) => {
    const forwardedFor = headers['x-forwarded-for']
    return proxies.clientAddress(
      plainAddress(socket.remoteAddress ?? ''),
      // Node joins several of them; the types know it of known names only.
      Array.isArray(forwardedFor) ? forwardedFor.join() : forwardedFor,
    )
  }
}

/** Node keeps the first of several `Authorization` headers; here the second one must not go unseen. */
function authorizationOf({ headers, rawHeaders }: IncomingMessage): readonly string[] {
  if (headers.authorization === undefined) return []
  const found: string[] = []
  for (let index = 0; index < rawHeaders.length; index += 2) {
    if (rawHeaders[index]!.toLowerCase() === 'authorization') found.push(rawHeaders[index + 1]!)
  }
  return found
}

function attempt(work: () => Reply, log: Log): Reply {
  try {
    return work()
  } catch (error) {
    return failureReply(error, log)
  }
}

function failureReply(error: unknown, log: Log): Reply {
  if (isProblem(error)) {
    log.error('issuer.unavailable', { code: error.code, message: error.message })
    return problemReply(503, ['Retry-After', String(error.retryAfterSeconds ?? 5)])
  }
  log.error('issuer.failed', { message: error instanceof Error ? error.message : 'unknown' })
  return problemReply(500)
}

function healthReply(body: { readonly status: string }): Reply {
  return {
    status: 200,
    headers: ['Content-Type', 'application/json', 'Cache-Control', 'no-store'],
    body: JSON.stringify(body),
  }
}

/** The path as it was sent, not decoded: another spelling of a path is another path. */
function pathOf(request: IncomingMessage): string {
  const url = request.url ?? ''
  // A proxy's way of asking (RFC 9112 §3.2.2) names the origin first; ours is the only one here.
  const start = url.startsWith('http://') || url.startsWith('https://') ? url.indexOf('/', 8) : 0
  const query = url.indexOf('?')
  return url.slice(start === -1 ? url.length : start, query === -1 ? url.length : query)
}

/** Room for two tokens of the greatest size that is ever verified, and parameters beside them. */
const maxBodyBytes = 48 * 1024
const optionNames = ['settings', 'trust', 'store', 'clock', 'log', 'cacheSeconds']
