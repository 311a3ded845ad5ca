import { Problem } from '../core/problem.ts'
import type { RequestPeer } from '../policy/client-certificate.ts'
import type { Principal } from '../policy/principal.ts'
import { proceed, rememberAuth } from './auth-of.ts'
import type { Guard, GuardRequest, GuardTerms, RequirementOf } from './guard.ts'
import { outcomeOf, responseHeadersOf } from './outcome.ts'
import { checkRequirement } from './routes.ts'
import type { GuardRoutes } from './routes.ts'
import { rpcStatus } from './rpc-status.ts'

/** `ConnectError` of @connectrpc/connect, which is not imported here. */
export type ConnectErrorClass = new (message: string, code: number, metadata: Record<string, string>) => Error

/** What a request to a Connect server has that a guard needs. */
export type ConnectRequest = {
  readonly url: string
  readonly requestMethod: string
  readonly header: Headers
  readonly contextValues: {
    get(key: typeof peerKey): RequestPeer | undefined
    set(key: typeof authKey, value: Principal): unknown
  }
}

/** A server interceptor of Connect, for unary calls and streams. */
export type ConnectInterceptor = <Asked extends ConnectRequest, Answer>(
  next: (request: Asked) => Promise<Answer>,
) => (request: Asked) => Promise<Answer>

/** A reply of a handler; of a stream it is there before its messages are. */
type ConnectAnswer = { readonly header?: Headers; readonly stream?: boolean; readonly message?: unknown }

type Run = <Result>(step: () => Result) => Result

/** Where handlers find who acts: `context.values.get(authKey)`; undefined on open methods. */
export const authKey: { readonly id: symbol; readonly defaultValue: Principal | undefined } = Object.freeze({
  id: Symbol('countersign.auth'),
  defaultValue: undefined,
})

/**
 * Where the guard finds the connection of a call, which Connect does not tell by itself: only by it can a token that is
 * bound to a client certificate pass (RFC 8705), and a proxy's header count.
 *
 * @example
 * connectNodeAdapter({ routes, interceptors, contextValues: (req) => createContextValues().set(peerKey, req.socket) })
 */
export const peerKey: { readonly id: symbol; readonly defaultValue: RequestPeer | undefined } = Object.freeze(
  { id: Symbol('countersign.peer'), defaultValue: undefined },
)

/**
 * Guards a Connect server, whichever of its three protocols a client speaks: a call needs a token
 * (`Authorization: Bearer …`) that meets the requirement. Refusals are a `ConnectError` with the code
 * `unauthenticated`, `permission_denied`, or `unavailable` when nothing can be decided, and with the challenge.
 *
 * Connect runs interceptors when it has read a unary message: the size of those is for `readMaxBytes` to limit.
 *
 * @param requirement what every method needs, or routes, which for Connect are `POST /package.Service/Method`; a method
 *   that none of them names is not there.
 * @throws Problem `policy-invalid`, `option-unknown`, `option-invalid`, when the service starts.
 * @example
 * const interceptor = guardConnect(guard, { roles: 'reader' }, ConnectError)
 * createServer(connectNodeAdapter({ routes, interceptors: [interceptor] }))
 * // in a handler: authOf(context.values).subject
 */
export function guardConnect<Terms extends GuardTerms>(
  guard: Guard<Terms>,
  requirement: RequirementOf<Terms> | GuardRoutes<Terms['role'], Terms['scope']>,
  ConnectError: ConnectErrorClass,
): ConnectInterceptor {
  checkRequirement(requirement)
  if (typeof ConnectError !== 'function') {
    throw new Problem('option-invalid', 'guardConnect: expected the ConnectError of @connectrpc/connect')
  }
  return (next) => async (request) => {
    const outcome = await outcomeOf(guard, readConnectRequest(request), requirement, [])
    if (outcome.kind === 'refused') {
      const { status, headers, body } = outcome.challenge
      throw new ConnectError(body, rpcStatus(status), challengeOf(headers))
    }
    const { principal } = outcome
    rememberAuth(request.contextValues, principal, guard)
    if (principal !== undefined) request.contextValues.set(authKey, principal)
    const reply = await proceed(request.contextValues, guard, () => next(request))
    const { header, stream, message } = reply as ConnectAnswer
    for (const [name, value] of responseHeadersOf(outcome)) header?.set(name, value)
    if (guard.context === undefined || stream !== true) return reply
    const run: Run = (step) => proceed(request.contextValues, guard, step)
    return { ...reply, message: stepwise(message as AsyncIterable<unknown>, run) }
  }
}

/**
 * A handler that is a generator has not begun when its messages are here: its code runs in whatever asks for the next
 * one, so each step of it is put into the context.
 */
function stepwise(messages: AsyncIterable<unknown>, run: Run): AsyncIterable<unknown> {
  return {
    [Symbol.asyncIterator]() {
      const steps = run(() => messages[Symbol.asyncIterator]())
      const running: AsyncIterator<unknown> = { next: () => run(() => steps.next()) }
      // Only what it has: Connect looks whether it can end an iterator early.
      if (steps.return !== undefined) running.return = (value) => run(() => steps.return!(value))
      if (steps.throw !== undefined) running.throw = (error) => run(() => steps.throw!(error))
      return running
    },
  }
}

/** The path begins at the first slash behind the authority (RFC 3986 §3.2). */
function readConnectRequest({ url, requestMethod, header, contextValues }: ConnectRequest): GuardRequest {
  const rawHeaders: string[] = []
  for (const [name, value] of header) rawHeaders.push(name, value)
  const target = url.slice(url.indexOf('/', url.indexOf('//') + 2))
  return { method: requestMethod, target, rawHeaders, peer: contextValues.get(peerKey) }
}

function challengeOf(headers: Readonly<Record<string, string>>): Record<string, string> {
  const sent: Record<string, string> = {}
  for (const name of ['WWW-Authenticate', 'Retry-After', 'DPoP-Nonce']) {
    if (headers[name] !== undefined) sent[name] = headers[name]
  }
  return sent
}
