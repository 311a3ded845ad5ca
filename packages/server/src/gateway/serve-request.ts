import { deny, isProblem, Problem } from '@countersign/sdk/core'
import type { Denial } from '@countersign/sdk/core'
import { canonicalPath, problemResponse } from '@countersign/sdk/policy'
import type { CanonicalPath } from '@countersign/sdk/policy'
import { plainAnswer, sendAnswer, wantsJson } from './front/answer.ts'
import type { Answer } from './front/answer.ts'
import { tokenWithdrawn } from './decision/check.ts'
import type { Outcome } from './decision/check.ts'
import type { Client, ClientReply, ClientRequest } from './front/client-connection.ts'
import { answerPreflight, corsReply, withCors } from './decision/cors.ts'
import { decide, locate, methodUnknown, routeUnknown } from './decision/decide.ts'
import type { Asked } from './decision/decide.ts'
import { decisionRecord } from './decision/decision.ts'
import type { DecisionRecord } from './decision/decision.ts'
import { failureAnswer, failureStatus } from './upstream/failures.ts'
import type { ExchangeFailure } from './upstream/failures.ts'
import { forward } from './upstream/forward.ts'
import { forwardHttp2 } from './upstream/forward-http2.ts'
import { senderOf } from './upstream/forwarded.ts'
import type { GatewayState } from './gateway-state.ts'
import type { Serve } from './front/listen.ts'
import { outgoingFields, tokenSender } from './outgoing.ts'
import { refusalAnswer } from './decision/refusal.ts'
import { gateRequest } from './front/request-gate.ts'
import type { GatedRequest, GateRefusal } from './front/request-gate.ts'
import { publishedAt } from './decision/resource-metadata.ts'
import type { ReadyService } from './decision/routes.ts'
import type { Allowance } from './decision/token-facts.ts'
import type { TracedRequest } from '../tracing/tracing.ts'
import { handshakeFault, openTunnel } from './upstream/tunnel.ts'
import type { TunnelEnd } from './upstream/tunnel.ts'
import type { Upstream } from './upstream/upstream.ts'
import { withoutPrefix } from './upstream/upstream-target.ts'

/** The walk of a proxied call: request gate, route, check, and forward or refuse. */
export function createServe(gateway: GatewayState): Serve {
  return (client, request, response, expectsContinue, upgradable) => {
    const call: Call = {
      gateway,
      client,
      request,
      response,
      expectsContinue,
      upgradable,
      unread: false,
      path: undefined,
      service: undefined,
      route: undefined,
      params: undefined,
      allow: undefined,
      ruled: undefined,
      token: undefined,
      nextNonce: undefined,
      told: undefined,
      reason: undefined,
      failure: undefined,
      requestId: undefined,
      span: undefined,
    }
    gateway.observer?.begin(call)
    try {
      walk(call)
    } catch (error) {
      crash(call, error)
    }
  }
}

function walk(call: Call): void {
  const { gateway, client, request, response } = call
  if (gateway.draining) response.shouldKeepAlive = false
  const nowMs = gateway.clock()
  const gated = gateRequest(request)
  if (gated.kind !== 'request') {
    call.unread = announcesBody(request)
    return refuseAtGate(call, gated)
  }
  call.unread = gated.body !== 'none' && gated.body !== 0
  if (gated.via?.includes(gateway.viaName) === true) {
    return decline(call, 508, 'it has come through this gateway before')
  }
  const path = canonicalPath(gated.target)
  if ('reason' in path) return refuse(call, path)
  call.path = path
  if (path.segments[0] === '.well-known') {
    if (path.segments[1] === 'countersign') return probe(call, gated, path)
    const metadata = publishedAt(path, gated, gateway.routing.services)
    if (metadata !== undefined) return answer(call, metadata)
  }
  const preflight = answerPreflight(call, gateway.routing, gated, request.rawHeaders)
  if (preflight !== undefined) return answer(call, preflight)
  const nowhere = locate(call, gateway.routing, gated.method, gated.host?.name)
  if (nowhere !== undefined) return refuse(call, nowhere)
  const service = call.service!
  if (typeof gated.body === 'number' && gated.body > (service.bodyLimitBytes ?? Infinity)) {
    call.failure = 'body-oversize'
    return decline(call, 413, 'a longer body than the service takes')
  }
  if (call.route!.rules !== undefined) {
    const { address } = senderOf(gateway.proxies, client, request.rawHeaders)
    call.ruled = { method: gated.method, hostName: gated.host?.name, address }
  }
  if (gated.websocket) {
    const fault = handshakeFault(request.rawHeaders, takesCookies(service))
    if (!call.upgradable || service.websocket?.routes.has(call.route!.name) !== true) {
      return decline(call, 501, 'a WebSocket where none may be', true)
    }
    if (fault !== undefined) return refuse(call, deny('request-malformed', fault), undefined, true)
  }
  const sender = tokenSender(call, gated)
  const outcome =
    call.span === undefined
      ? decide(call, request.rawHeaders, nowMs, sender)
      : call.span.within('auth.verify', () => decide(call, request.rawHeaders, nowMs, sender))
  if (outcome instanceof Promise) checkLater(call, gated, service, outcome)
  else conclude(call, gated, service, outcome)
}

/** One request on its way through; what is known of it grows. */
type Call = Asked & {
  readonly gateway: GatewayState
  readonly client: Client
  readonly request: ClientRequest
  readonly response: ClientReply
  readonly expectsContinue: boolean
  /** The connection can become a WebSocket. */
  readonly upgradable: boolean
  /** Whether a body may follow that nobody has read. */
  unread: boolean
  /** The good token it came with. */
  token: Outcome['token']
  /** What to answer in `DPoP-Nonce`. */
  nextNonce: string | undefined
  /** Headers that the answer has beside the service's own. */
  told: Outcome['reply']
  /** `allowed`, or why it was refused; undefined while nothing is decided. */
  reason: DecisionRecord['reason'] | 'allowed'
  /** How the exchange with the upstream failed. */
  failure: ExchangeFailure | undefined
  requestId: string | undefined
  /** Undefined when nobody traces. */
  span: TracedRequest | undefined
}

/** Keys have to be fetched first. The client may leave meanwhile. */
function checkLater(call: Call, gated: GatedRequest, service: ReadyService, outcome: Promise<Outcome>): void {
  const { client } = call
  const turn = { replying: false, gone: false, abort: () => void (turn.gone = true) }
  client.begin(turn)
  outcome
    .then((fetched) => {
      if (turn.gone) return
      conclude(call, gated, service, fetched)
      if ('reason' in fetched.result) client.end()
    })
    .catch((error: unknown) => {
      if (turn.gone) return
      cannotDecide(call, error)
      client.end()
    })
}

function conclude(call: Call, gated: GatedRequest, service: ReadyService, outcome: Outcome): void {
  const { token, result, reply, dryRun } = outcome
  if ('reason' in result) return refuse(call, result, token, false, reply)
  call.nextNonce = outcome.nextNonce
  call.told = reply
  const { gateway } = call
  call.token = token
  call.reason = 'allowed'
  if (gateway.onDecision !== undefined) {
    record(call, dryRun === undefined ? { token } : { token, ...dryRun, dryRun: true })
  }
  send(call, gated, service, result)
}

function send(call: Call, gated: GatedRequest, service: ReadyService, { identity }: Allowance): void {
  const { gateway, client, request, response, expectsContinue } = call
  const { path, query } = call.path!
  const target = withoutPrefix(path, service.prefixSegments) + query
  const fields = outgoingFields(call, gated, identity)
  if (gated.websocket) return tunnel(call, service, target, fields)
  // A body where none is expected may be left unread by the upstream, which would take it for the next request.
  const last = call.unread && bodilessMethods.has(gated.method)
  const carry = service.upstream.protocol === 'h2' ? forwardHttp2 : forward
  carry({
    client,
    request,
    response,
    method: gated.method,
    body: gated.body,
    expectsContinue,
    last,
    target,
    fields,
    bodyLimitBytes: service.bodyLimitBytes,
    pool: service.upstream,
    dress: dressOf(call),
    nextNonce: call.nextNonce,
    limits: gateway.limits,
    ticker: gateway.ticker,
    fail: (failure, upstream, unread, defect) => {
      call.unread = unread
      call.failure = failure
      logFailure(call, service, upstream, 'upstream failed', failure, defect)
      answer(call, failureAnswer(failure, json(call)), failureStatus[failure] === 408)
    },
    retry: (failure, upstream) => logFailure(call, service, upstream, 'upstream retried', failure, undefined),
    cutShort: (failure, upstream, defect) =>
      logFailure(call, service, upstream, 'reply cut short', failure, defect),
  })
}

/** What changes the headers of the service's reply; mostly nothing. */
function dressOf({ service, request, told }: Call): ((headers: string[]) => string[]) | undefined {
  const { cors } = service!
  const dress = cors === undefined ? undefined : corsReply(cors, request.rawHeaders)
  if (told === undefined) return dress
  const lines = Object.entries(told).flat()
  return (headers) => [...(dress === undefined ? headers : dress(headers)), ...lines]
}

function tunnel(call: Call, service: ReadyService, target: string, fields: string): void {
  const { gateway, client, request, response, token } = call
  const rule = service.websocket!
  openTunnel({
    client,
    request,
    response,
    target,
    fields,
    pool: service.upstream,
    rule,
    lifeMs:
      token === undefined || rule.outlivesToken ? undefined : token.expiresAtSeconds * 1000 - gateway.clock(),
    withdrawn:
      token === undefined ? undefined : () => tokenWithdrawn(service, request.rawHeaders, gateway.clock()),
    closed: (reason, detail) => tunnelClosed(call, reason, detail),
    limits: gateway.limits,
    fail: (failure, upstream) => {
      call.failure = failure
      logFailure(call, service, upstream, 'upstream failed', failure, undefined)
      answer(call, failureAnswer(failure, json(call)), true)
    },
  })
}

/** We have closed a WebSocket that both sides would have kept open; the record joins that of its handshake. */
function tunnelClosed(call: Call, reason: TunnelEnd, detail: string): void {
  const { gateway, service, route, token, requestId } = call
  gateway.log.info('websocket closed', { service: service!.name, route: route!.name, reason, requestId })
  gateway.observer?.tunnelClosed(service!.name, reason)
  if (reason === 'idle' || gateway.onDecision === undefined) return
  record(call, { token, reason, detail: `the WebSocket was closed: ${detail}`, status: 101 })
}

/** A browser sends cookies along whoever wrote the page. */
function takesCookies({ tokenFrom }: ReadyService): boolean {
  return tokenFrom.some(({ kind }) => kind === 'cookie')
}

function logFailure(
  call: Call,
  service: ReadyService,
  upstream: Upstream,
  event: string,
  failure: ExchangeFailure,
  defect: unknown,
): void {
  const { failures, log, observer, ticker } = call.gateway
  observer?.upstreamFailed(service.name, failure)
  if (defect !== undefined)
    log.error('request failed', { problem: 'a defect in the gateway', stack: stackOf(defect) })
  failures.write(event, failure, { service: service.name, upstream: upstream.origin.key }, ticker.nowMs)
}

/** Behind what the gate refuses nothing can be trusted to be a request, so the connection closes. */
function refuseAtGate(call: Call, refusal: GateRefusal): void {
  switch (refusal.kind) {
    case 'denied':
      return refuse(call, refusal.denial, undefined, true)
    case 'unsupported':
      return decline(
        call,
        501,
        `${refusal.what === 'upgrade' ? 'an upgrade' : 'a method'} for no service`,
        true,
      )
    case 'asterisk':
      return answer(
        call,
        plainAnswer(204, false, { Allow: 'GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS' }),
        true,
      )
  }
}

function refuse(
  call: Call,
  denial: Denial,
  token?: Outcome['token'],
  close = false,
  reply?: Outcome['reply'],
): void {
  const { gateway, request } = call
  call.token = token
  call.reason = denial.reason
  const refusal = refusalAnswer(denial, call, gateway.realm, request.rawHeaders, gateway.clock(), reply)
  if (gateway.onDecision !== undefined) {
    record(call, { token, reason: denial.reason, detail: denial.detail, status: refusal.status })
  }
  answer(call, refusal, close)
}

/** No matter of tokens or rules: the request itself is not for us to serve. */
function decline(call: Call, status: 413 | 501 | 508, detail: string, close = false): void {
  call.reason = 'request-malformed'
  if (call.gateway.onDecision !== undefined) record(call, { reason: call.reason, detail, status })
  answer(call, plainAnswer(status, json(call)), close)
}

/** The keys to decide with cannot be had: 503, never 401, and never a yes. */
function cannotDecide(call: Call, error: unknown): void {
  if (!isProblem(error)) return crash(call, error)
  const { gateway } = call
  call.reason = 'keys-unavailable'
  if (gateway.onDecision !== undefined) {
    record(call, { reason: 'keys-unavailable', detail: error.message, status: 503 })
  }
  answer(call, problemResponse(error, { wantsJson: json(call) }))
}

/** Whether we are alive, and whether to send us requests. Under a path of our own, so that no service's is taken. */
function probe(call: Call, { method }: GatedRequest, { segments }: CanonicalPath): void {
  const name = segments.length === 3 ? segments[2] : undefined
  if (name !== 'livez' && name !== 'readyz') return refuse(call, routeUnknown)
  if (method !== 'GET' && method !== 'HEAD') {
    call.allow = ['GET', 'HEAD']
    return refuse(call, methodUnknown)
  }
  const isWell = name === 'livez' || call.gateway.isReady()
  answer(call, isWell ? plainAnswer(200) : plainAnswer(503, json(call), { 'Retry-After': '1' }))
}

/** Whether Node's parser will read a body, whatever the gate thought of the request. */
function announcesBody({ headers }: ClientRequest): boolean {
  return headers['content-length'] !== undefined || headers['transfer-encoding'] !== undefined
}

/** Something that must not happen. Closed, since what state the connection is in is unknown. */
function crash(call: Call, error: unknown): void {
  const { gateway, client, response } = call
  const problem = isProblem(error)
    ? error
    : new Problem('internal', 'a defect in the gateway', { cause: error })
  gateway.log.error('request failed', { problem: problem.message, stack: stackOf(error) })
  if (response.headersSent) client.cut()
  else answer(call, plainAnswer(500, json(call)), true)
}

function stackOf(error: unknown): string | undefined {
  return error instanceof Error ? error.stack : undefined
}

function answer(call: Call, reply: Answer, close = false): void {
  const { client, request, response, unread, expectsContinue, service } = call
  const cors = service?.cors
  const dressed = cors === undefined ? reply : withCors(reply, cors, request.rawHeaders)
  // Who waits for "100 Continue" has not sent its body, and learns now that it need not.
  sendAnswer(dressed, client, request, response, { unread: unread && !expectsContinue, close })
}

function record(call: Call, known: Partial<Parameters<typeof decisionRecord>[0]>): void {
  const { gateway, request, path, service, route } = call
  const made = decisionRecord({
    method: request.method,
    path: path?.path,
    service,
    route,
    token: undefined,
    reason: undefined,
    detail: undefined,
    status: undefined,
    ...known,
  })
  gateway.onDecision!(call.requestId === undefined ? made : { ...made, requestId: call.requestId })
  call.requestId ??= made.requestId
}

function json(call: Call): boolean {
  return wantsJson(call.request.rawHeaders)
}

const bodilessMethods: ReadonlySet<string> = new Set(['GET', 'HEAD', 'DELETE', 'OPTIONS'])
