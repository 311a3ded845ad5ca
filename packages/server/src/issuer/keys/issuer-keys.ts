import { Problem } from '@countersign/sdk/core'
import type { Clock } from '@countersign/sdk/core'
import type { Log } from '../../log.ts'
import type { BeforeMigration, Store } from '../../store/store.ts'
import type { IssuerSettings } from '../../trust/trust.ts'
import { createExternalKeys } from './external-keys.ts'
import { openKeyRing } from './key-ring.ts'
import type { KeyRing, KeyRingOptions } from './key-ring.ts'
import { createKeySeal, dangerouslyUnsealed } from './key-seal.ts'
import type { KeySeal } from './key-seal.ts'
import { rotationTiming } from './rotation-timing.ts'
import type { RotationTiming } from './rotation-timing.ts'
import { startSignerProcess } from './signer-process.ts'

export type IssuerKeysOptions = {
  readonly settings: IssuerSettings
  readonly store: Store
  readonly clock: Clock
  readonly log: Log
  /** For how long verifiers may keep the key set, in seconds. */
  readonly cacheSeconds?: number | undefined
}

/**
 * Opens the key ring that the trust file's issuer section describes.
 *
 * @throws Problem `rotation-unsafe`, `seal-missing`, `seal-weak`, and those of `openKeyRing`
 *
 * @example
 * const ring = await openIssuerKeys({ settings: trust.issuer, store, clock: Date.now, log })
 * await ring.rotate()
 */
export async function openIssuerKeys(options: IssuerKeysOptions): Promise<KeyRing> {
  const { settings, store, clock, log, cacheSeconds } = options
  const timing = issuerTiming(settings, cacheSeconds)
  const { algorithm } = settings.keys
  const seal = chooseSeal(settings, store)
  const external = startExternal(settings, log)
  try {
    return await openKeyRing({ store, seal, timing, algorithm, clock, log, external })
  } catch (error) {
    await external?.keys.close()
    throw error
  }
}

/**
 * Refuses a seal that does not open the keys of a store: before that is brought up to date, so that a mistaken secret
 * changes nothing at all.
 */
export function sealCheck(settings: IssuerSettings): BeforeMigration {
  return (keys) => {
    const seal = chooseSeal(settings, settings.store)
    for (const { keyId, algorithm, sealedKey } of keys)
      if (sealedKey !== undefined) seal.open(sealedKey, { keyId, algorithm })
  }
}

function startExternal({ keys: { external } }: IssuerSettings, log: Log): KeyRingOptions['external'] {
  if (external === undefined) return undefined
  const { command, timeoutMs, leave } = external
  return { keys: createExternalKeys(startSignerProcess({ command, timeoutMs, log })), leave }
}

/** The numbers an issuer's keys rotate by. @throws Problem `rotation-unsafe` */
export function issuerTiming({ keys, tokens }: IssuerSettings, cacheSeconds?: number): RotationTiming {
  return rotationTiming({
    rotateEverySeconds: keys.rotateEverySeconds,
    tokenLifetimeSeconds: tokens.lifetimeSeconds,
    ...(cacheSeconds === undefined ? {} : { cacheSeconds }),
  })
}

function chooseSeal({ keys }: IssuerSettings, store: Pick<Store, 'kind'>): KeySeal {
  if (keys.seal !== undefined) return createKeySeal(keys.seal)
  if (keys.dangerouslyUnsealed || store.kind === 'memory') return dangerouslyUnsealed
  throw new Problem(
    'seal-missing',
    `issuer.keys.seal: the ${store.kind} store would hold private keys unsealed`,
    {
      next: 'set it to a secret of at least 32 bytes, made with: openssl rand -base64 48',
    },
  )
}
