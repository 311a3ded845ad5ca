/**
 * How long a server asks to be left alone (RFC 9110 §10.2.3: seconds, or a date), in seconds; undefined when it does not
 * say. An hour at most: a mistaken value, or a proxy's in the issuer's place, must not silence a service for days.
 *
 * @param nowMs when it is, for a date; milliseconds since the epoch.
 */
export function readRetryAfter(value: string | null | undefined, nowMs: number): number | undefined {
  if (value === null || value === undefined || value === '') return undefined
  const seconds = Number(value)
  const waited = Number.isNaN(seconds) ? (Date.parse(value) - nowMs) / 1000 : seconds
  return Number.isNaN(waited) ? undefined : Math.min(Math.max(0, waited), maxSeconds)
}

const maxSeconds = 3600
