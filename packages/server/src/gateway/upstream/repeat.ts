import type { ExchangeFailure } from './failures.ts'

/** Whether a request cannot be acted on twice, as far as HTTP knows: it changes nothing more, and has no body that has left. */
export function isRepeatable(method: string, body: number | 'chunked' | 'none'): boolean {
  return body === 'none' && idempotentMethods.has(method)
}

/** RFC 9110 §9.2.2. */
const idempotentMethods: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS', 'PUT', 'DELETE'])

/** The target cannot be reached, or has closed without a word: another one may do better. */
export const retriedFailures: ReadonlySet<ExchangeFailure> = new Set([
  'unreachable',
  'tls-failed',
  'connect-timeout',
  'closed',
])

/** These say nothing about a target. */
export const ourOwnFailures: ReadonlySet<ExchangeFailure> = new Set([
  'wait-timeout',
  'wait-full',
  'body-oversize',
  'client-stalled',
  'refused',
  'defect',
])
