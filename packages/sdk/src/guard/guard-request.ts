import type { IncomingMessage } from 'node:http'
import { carriedBy } from './carried.ts'
import { readFetchRequest } from './fetch.ts'
import type { GuardRequest } from './guard.ts'

/**
 * A node:http request as a guard takes it; the same object for the same carrier, so that guards which are asked one
 * after the other see that it is one request.
 *
 * @param carrier what the framework gives to its handlers.
 * @param target the request line's own target, which routers leave in `originalUrl` and change in `url`.
 */
export function nodeGuardRequest(
  carrier: object,
  { method = '', url = '', rawHeaders, socket }: IncomingMessage,
  target: string = url,
): GuardRequest {
  const carried = carriedBy(carrier)
  return (carried.request ??= { method, target, rawHeaders, peer: socket })
}

/** The same for a `Request` of the fetch standard. */
export function fetchGuardRequest(carrier: object, request: Request): GuardRequest {
  const carried = carriedBy(carrier)
  return (carried.request ??= readFetchRequest(request))
}
