import type { GatewayLimits } from '../front/limits.ts'

/**
 * Whether a client has had time enough for as much of its body as has come. Time in which it was not let send does not
 * count.
 *
 * @example
 * isTooSlow(1_000, 33_000, { bodyMs: 30_000, bodyBytesPerSecond: 500 }) // true: 30 s, and two for what has come
 */
export function isTooSlow(
  sentBytes: number,
  elapsedMs: number,
  { bodyMs, bodyBytesPerSecond }: Pick<GatewayLimits, 'bodyMs' | 'bodyBytesPerSecond'>,
): boolean {
  const beyondMs = elapsedMs - bodyMs
  return beyondMs > 0 && sentBytes * 1000 < beyondMs * bodyBytesPerSecond
}
