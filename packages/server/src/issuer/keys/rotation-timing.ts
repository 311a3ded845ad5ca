import { Problem, refuseUnknownOptions } from '@countersign/sdk/core'

/** The numbers a rotation goes by, all in seconds, proven safe together when they are made. */
export type RotationTiming = {
  /** How long a key signs before the next one takes over. */
  readonly rotateEverySeconds: number
  /** The life of a token. */
  readonly tokenLifetimeSeconds: number
  /** The `max-age` the key set is served with: how long a verifier may go on with an old copy. */
  readonly cacheSeconds: number
  /** How long a new key is published before it signs. */
  readonly leadSeconds: number
  /** How often every replica reads the ring from the store again. */
  readonly refreshSeconds: number
  /** For how long a replica that cannot read the ring may go on with what it knows. */
  readonly staleAfterSeconds: number
  /** How far any two clocks may be apart. */
  readonly skewSeconds: number
}

export type RotationTimingOptions = {
  readonly rotateEverySeconds: number
  readonly tokenLifetimeSeconds: number
  readonly cacheSeconds?: number
  /** As short as safety allows, or longer; a quarter of `rotateEverySeconds`, at most a day, unless given. */
  readonly leadSeconds?: number
  readonly refreshSeconds?: number
  readonly skewSeconds?: number
}

/**
 * Works out when keys are published and withdrawn, and refuses numbers under which a good token could be refused.
 *
 * A new key must be in every copy of the key set before it signs. The slowest copy belongs to a verifier that asked
 * a replica just before that one learnt of the key: the replica may not have heard for `staleAfter`, the copy then
 * lives for `cache`, writing the announcement took a moment (less than `refresh`), and clocks differ by `skew`. So
 * `lead = staleAfter + cache + refresh + skew`, and `staleAfter` must leave every replica two chances to read the ring.
 *
 * @throws Problem `rotation-unsafe` with the numbers that do not fit together.
 *
 * @example
 * rotationTiming({ rotateEverySeconds: 30 * 86_400, tokenLifetimeSeconds: 300 }).leadSeconds   // 86_400
 */
export function rotationTiming(options: RotationTimingOptions): RotationTiming {
  refuseUnknownOptions('rotationTiming', options, optionNames)
  for (const [name, value] of Object.entries(options)) refuseOddNumber(name, value)
  const { rotateEverySeconds, tokenLifetimeSeconds } = options
  const cacheSeconds = options.cacheSeconds ?? defaultCacheSeconds
  const refreshSeconds = options.refreshSeconds ?? defaultRefreshSeconds
  const skewSeconds = options.skewSeconds ?? defaultSkewSeconds

  const leastLead = cacheSeconds + skewSeconds + 3 * refreshSeconds
  const leadSeconds =
    options.leadSeconds ??
    Math.max(leastLead, Math.min(longestDefaultLead, Math.floor(rotateEverySeconds / 4)))
  if (leadSeconds < leastLead) {
    throw unsafe(
      `a new key would sign ${leadSeconds} s after it is published, but a verifier may not know it for ${leastLead} s ` +
        `(cached key set ${cacheSeconds} s + clock difference ${skewSeconds} s + writing it and two readings ${3 * refreshSeconds} s)`,
      `publish new keys at least ${leastLead} s ahead, or serve the key set with a shorter cache life`,
    )
  }
  const overlap = tokenLifetimeSeconds + 2 * skewSeconds
  if (rotateEverySeconds < leadSeconds + overlap) {
    throw unsafe(
      `issuer.keys.rotateEvery is ${rotateEverySeconds} s, but one rotation takes ${leadSeconds + overlap} s: ` +
        `a new key is published for ${leadSeconds} s before it signs, and the old one stays for ${overlap} s ` +
        `(token lifetime ${tokenLifetimeSeconds} s + clock differences ${2 * skewSeconds} s)`,
      `set issuer.keys.rotateEvery to at least ${leadSeconds + overlap} s, or issuer.tokens.lifetime to less`,
    )
  }
  return Object.freeze({
    rotateEverySeconds,
    tokenLifetimeSeconds,
    cacheSeconds,
    leadSeconds,
    refreshSeconds,
    staleAfterSeconds: leadSeconds - cacheSeconds - refreshSeconds - skewSeconds,
    skewSeconds,
  })
}

/**
 * How long a key stays published once it no longer signs, in seconds: until the last token it signed is dead to
 * every verifier. One clock difference is between replicas, which switch at different moments; the other between us
 * and a verifier, whose tolerance counts as clock difference.
 */
export function overlapSeconds(longestTokenSeconds: number, timing: RotationTiming): number {
  return longestTokenSeconds + 2 * timing.skewSeconds
}

function refuseOddNumber(name: string, value: number | undefined): void {
  if (value === undefined || (Number.isSafeInteger(value) && value > 0)) return
  throw new Problem(
    'option-invalid',
    `rotationTiming: ${name} must be a whole number of seconds above 0, got ${value}`,
  )
}

function unsafe(message: string, next: string): Problem {
  return new Problem('rotation-unsafe', message, { next })
}

const defaultCacheSeconds = 300
const defaultRefreshSeconds = 30
const defaultSkewSeconds = 60
/** Some verifiers in the field keep a key set far longer than its header says; a day covers those we know of. */
const longestDefaultLead = 86_400

const optionNames = [
  'rotateEverySeconds',
  'tokenLifetimeSeconds',
  'cacheSeconds',
  'leadSeconds',
  'refreshSeconds',
  'skewSeconds',
]
