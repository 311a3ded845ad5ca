import type { FamilyReading } from '../../metrics/registry.ts'
import type { GatewayAddresses } from '../gateway-listeners.ts'

/** What the primary tells a worker. */
export type ToWorker =
  /** The answer to `hello`: all it needs to begin. */
  | {
      readonly kind: 'start'
      /** The trust file, as the primary works by it: what stands on the disk now may be mistaken. */
      readonly text: string
      readonly file: string
      readonly processes: number
      readonly viaName: string
      /** Our issuer is in the primary: it may be asked as often as it would ask its store. */
      readonly issuerAtHand: boolean
      /** Base64. */
      readonly nonceSecret: string
      /** How long to look for keys before it listens, milliseconds. */
      readonly keysWithinMs: number
      /** Not to listen without keys: there is somebody whose place it takes. */
      readonly needsKeys: boolean
    }
  | { readonly kind: 'trust'; readonly text: string }
  | { readonly kind: 'numbers' }
  | { readonly kind: 'answers'; readonly answers: readonly Answer[] }
  | { readonly kind: 'leave'; readonly announceMs: number; readonly unnoticed: boolean }

/** What a worker tells the primary. */
export type FromWorker =
  | { readonly kind: 'hello' }
  | { readonly kind: 'listening'; readonly addresses: Addresses }
  /** It cannot begin, and ends. */
  | { readonly kind: 'failed'; readonly message: string; readonly next: string | undefined }
  /** Every half second, so that one that hangs is noticed. */
  | { readonly kind: 'beat'; readonly isReady: boolean }
  /** Asked for, and once more at the end. */
  | { readonly kind: 'numbers'; readonly reading: readonly FamilyReading[] }
  | { readonly kind: 'asks'; readonly asks: readonly Ask[] }

export type Addresses = GatewayAddresses

/** What only one process can know. */
export type Ask =
  | {
      readonly id: number
      readonly kind: 'proof'
      readonly scope: string
      readonly proof: string
      readonly expiresAtMs: number
      readonly nowMs: number
      readonly owner: string | undefined
    }
  | {
      readonly id: number
      readonly kind: 'take'
      readonly bucket: string
      readonly burst: number
      readonly perSecond: number
      readonly key: string
      readonly nowMs: number
    }

export type Answer = {
  readonly id: number
  /** Whether the proof is used for the first time; how long to wait; or that there is no room to remember it. */
  readonly told: boolean | number | 'full'
}
