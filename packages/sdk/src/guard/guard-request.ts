import type { IncomingMessage } from 'node:http'
import { carriedBy } from './carried.ts'
import { readFetchRequest } from './fetch.ts'
import type { GuardRequest } from './guard.ts'

/** A guard's request, with what its adapters know of it. */
export type AskedRequest = GuardRequest & {
  /** Whether it has waited for the others of its turn: it does so once, however many guards it passes. */
  waited?: boolean
}

/**
 * A node:http request as a guard takes it; the same object for the same message, so that guards which are asked one
 * after the other, in whatever framework, see that it is one request.
 *
 * @param target the request line's own target, which routers leave in `originalUrl` and change in `url`.
 */
export function nodeGuardRequest(message: IncomingMessage, target?: string): AskedRequest {
  const carried = carriedBy(message)
  if (carried.request !== undefined) return carried.request
  const { method = '', url = '', rawHeaders, socket } = message
  return (carried.request = { method, target: target ?? url, rawHeaders, peer: socket, waited: false })
}

/**
 * The message of a request as frameworks have it: the message itself, a `Request`, or an object with the message in `raw`.
 * Whatever somebody has put there under `raw` on a message or a `Request` of theirs, such as a body, is never taken for it.
 */
export function messageOf<Message extends object>(request: Message | { readonly raw: Message }): Message {
  const isItself =
    'rawHeaders' in request || typeof (request as { headers?: { get?: unknown } }).headers?.get === 'function'
  return !isItself && 'raw' in request ? request.raw : (request as Message)
}

/** The same for a `Request` of the fetch standard. */
export function fetchGuardRequest(request: Request): AskedRequest {
  const carried = carriedBy(request)
  return (carried.request ??= readFetchRequest(request))
}
