import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Http2ServerRequest, Http2ServerResponse } from 'node:http2'
import { isPending } from '../core/pending.ts'
import type { Challenge } from '../policy/challenge.ts'
import type { Decision } from '../policy/decide.ts'
import type { Principal, SignedClaims } from '../policy/principal.ts'
import type { Guard, GuardRequest, GuardTerms, RequirementOf } from './guard.ts'
import { responseHeadersOf } from './outcome.ts'
import type { PolicyOf } from './refusal.ts'
import { checkRequirement } from './routes.ts'
import type { GuardRoutes } from './routes.ts'

type Allowed<Claims extends SignedClaims = SignedClaims> = Decision<Claims> & { readonly kind: 'allow' }

/** For servers of node:http, and of node:http2, whose requests and responses are made to look the same. */
export type NodeListener = (
  request: IncomingMessage | Http2ServerRequest,
  response: ServerResponse | Http2ServerResponse,
) => void

/**
 * Puts a guard before a listener of node:http. Who may not pass gets the same answer as at the gateway, and the
 * listener never hears of it; request and response reach the listener untouched.
 *
 * With routes, `auth` is undefined on the open ones. Only the `request` event is guarded: a server that also listens
 * for `upgrade` or `connect` must ask `guard.check` there.
 *
 * @param requirement what every request needs, or the service's routes.
 * @param listener gets the principal, and the decision with the route and its parameters.
 * @throws Problem `policy-invalid`, `option-unknown`, at once.
 * @example
 * const routes = readRoutes({ 'GET /health': 'open', 'GET /invoices/{id}': { roles: 'reader' } })
 * createServer(guardNode(guard, routes, (req, res, auth, { params }) => {
 *   res.end(`invoice ${params.id} for ${auth?.subject}`)
 * }))
 */
export function guardNode<Terms extends GuardTerms>(
  guard: Guard<Terms>,
  requirement: PolicyOf<Terms>,
  listener: (
    request: IncomingMessage,
    response: ServerResponse,
    auth: Principal<Terms['claims']>,
    decision: Allowed<Terms['claims']>,
  ) => void,
): NodeListener
export function guardNode<Terms extends GuardTerms>(
  guard: Guard<Terms>,
  requirement: RequirementOf<Terms> | GuardRoutes<Terms['role'], Terms['scope']>,
  listener: (
    request: IncomingMessage,
    response: ServerResponse,
    auth: Principal<Terms['claims']> | undefined,
    decision: Allowed<Terms['claims']>,
  ) => void,
): NodeListener
export function guardNode(
  guard: Guard,
  requirement: RequirementOf<GuardTerms> | GuardRoutes,
  listener: (
    request: IncomingMessage,
    response: ServerResponse,
    auth: Principal & undefined,
    decision: Allowed,
  ) => void,
): NodeListener {
  checkRequirement(requirement)
  return serve as NodeListener

  function serve(request: IncomingMessage, response: ServerResponse): void {
    let decision: Decision | Promise<Decision>
    try {
      decision = guard.check(readRequest(request), requirement)
    } catch (problem) {
      answer(request, response, guard.answerProblem(problem, request.rawHeaders))
      return
    }
    if (isPending(decision)) void later(decision, request, response)
    else act(decision, request, response)
  }

  async function later(
    pending: Promise<Decision>,
    request: IncomingMessage,
    response: ServerResponse,
  ): Promise<void> {
    let decision: Decision
    try {
      decision = await pending
    } catch (problem) {
      answer(request, response, guard.answerProblem(problem, request.rawHeaders))
      return
    }
    // Whoever asked may have left while the keys were on their way.
    if (!isGone(response)) act(decision, request, response)
  }

  function act(decision: Decision, request: IncomingMessage, response: ServerResponse): void {
    if (decision.kind !== 'allow') answer(request, response, guard.answer(decision, request.rawHeaders))
    else {
      for (const [name, value] of responseHeadersOf(decision)) response.setHeader(name, value)
      const auth = decision.principal as Principal & undefined
      if (guard.context === undefined) listener(request, response, auth, decision)
      else guard.context.run(auth, () => listener(request, response, auth, decision))
    }
  }
}

function readRequest({ method, url, rawHeaders, socket }: IncomingMessage): GuardRequest {
  return { method: method ?? '', target: url ?? '', rawHeaders, peer: socket }
}

/** Answers in place of the listener, and leaves the connection so that the answer arrives. */
export function answer(
  request: IncomingMessage,
  response: ServerResponse,
  { status, headers, body }: Challenge,
): void {
  if (response.headersSent || isGone(response)) return
  const sent = { ...headers, 'Content-Length': Buffer.byteLength(body) }
  if (!isLongUpload(request)) {
    // Node reads what little is left of the request, and the connection serves the next one.
    response.writeHead(status, sent).end(body)
    return
  }
  // Closing while bytes still come in makes the kernel reset the connection, which can take the answer with it; reading
  // to the end would let anybody feed us for nothing. So: answer, read on for a moment, close.
  response.writeHead(status, { ...sent, Connection: 'close' }).write(body)
  linger(request, response)
}

/**
 * Whether nobody is left to read this. In HTTP/2 it is the stream that knows, and the response does not say; in HTTP/1 the
 * socket knows first, since the response hears of its end only when the event loop has come to that.
 */
export function isGone(response: {
  readonly destroyed: boolean
  readonly stream?: { readonly destroyed: boolean }
  readonly socket?: { readonly destroyed: boolean } | null
}): boolean {
  if (response.stream !== undefined) return response.destroyed || response.stream.destroyed
  return response.destroyed || response.socket?.destroyed === true
}

/** HTTP/2 can end one request and keep the connection, so there every refusal is simply an answer. */
function isLongUpload({ headers, complete, httpVersionMajor }: IncomingMessage): boolean {
  if (complete || httpVersionMajor > 1) return false
  return headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > shortBodyBytes
}

function linger(request: IncomingMessage, response: ServerResponse): void {
  let bytesLeft = lingerBytes
  const timer = setTimeout(finish, lingerMs)
  request.on('data', count).once('end', finish).once('close', finish).resume()

  function count(chunk: Uint8Array): void {
    bytesLeft -= chunk.length
    if (bytesLeft < 0) finish()
  }

  function finish(): void {
    clearTimeout(timer)
    request.off('data', count).off('end', finish).off('close', finish).pause()
    response.end()
  }
}

const shortBodyBytes = 64 * 1024
const lingerBytes = 1024 * 1024
const lingerMs = 2000
