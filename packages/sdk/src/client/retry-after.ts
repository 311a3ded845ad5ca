/**
 * How long a server asks to be left alone (RFC 9110 §10.2.3: whole seconds, or a date), in seconds; undefined when it does
 * not say, or something else. An hour at most: a mistaken value, or a proxy's in the issuer's place, must not silence a
 * service for days.
 *
 * @param nowMs when it is, for a date; milliseconds since the epoch.
 */
export function readRetryAfter(value: string | null | undefined, nowMs: number): number | undefined {
  const text = value?.trim() ?? ''
  if (/^\d+$/.test(text)) return Math.min(Number(text), maxSeconds)
  // Date.parse also finds a date in "5, 10" and in "soon 2099"; the three forms of RFC 9110 §5.6.7 begin with the weekday.
  if (!/^(Mon|Tue|Wed|Thu|Fri|Sat|Sun)/.test(text)) return undefined
  const seconds = (Date.parse(text) - nowMs) / 1000
  return Number.isNaN(seconds) ? undefined : Math.min(Math.max(0, seconds), maxSeconds)
}

const maxSeconds = 3600
