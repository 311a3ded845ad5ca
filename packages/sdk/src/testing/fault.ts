import type { IncomingMessage, ServerResponse } from 'node:http'
import { refuseUnknownOptions } from '../core/options.ts'
import { Problem } from '../core/problem.ts'

/** How an endpoint fails: with a status, also with `Retry-After`; or `reset`, which hangs up without an answer. */
export type Fault = number | 'reset' | { readonly status: number; readonly retryAfterSeconds?: number }

/**
 * Refuses a fault that none can be, so that a test does not pass because nothing failed.
 *
 * @throws Problem `option-invalid`, `option-unknown`.
 */
export function checkFault(name: string, fault: Fault): void {
  if (fault === 'reset') return
  if (typeof fault !== 'number') refuseUnknownOptions(`fail: ${name}`, fault, ['status', 'retryAfterSeconds'])
  const { status, retryAfterSeconds } = statusOf(fault)
  if (!Number.isInteger(status) || status < 200 || status > 599) {
    throw new Problem('option-invalid', `fail: ${name}: expected a status from 200 to 599, or reset`)
  }
  if (retryAfterSeconds === undefined) return
  if (!Number.isSafeInteger(retryAfterSeconds) || retryAfterSeconds < 0) {
    throw new Problem('option-invalid', `fail: ${name}: retryAfterSeconds must be a whole number of seconds`)
  }
}

/** Answers a request with a fault. */
export function answerFault(fault: Fault, request: IncomingMessage, response: ServerResponse): void {
  if (fault === 'reset') return void request.socket.destroy()
  const { status, retryAfterSeconds } = statusOf(fault)
  // RFC 9110 §10.2.3
  if (retryAfterSeconds !== undefined) response.setHeader('Retry-After', retryAfterSeconds)
  response.writeHead(status).end()
}

function statusOf(fault: Exclude<Fault, 'reset'>): Exclude<Fault, 'reset' | number> {
  return typeof fault === 'number' ? { status: fault } : fault
}
