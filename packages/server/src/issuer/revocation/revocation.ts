import { setTimeout as sleep } from 'node:timers/promises'
import type { Clock } from '@countersign/sdk/core'
import { createVerifier, dangerouslyAnyAudience } from '@countersign/sdk/jwt'
import type { KeySet } from '@countersign/sdk/jwt'
import type { AboutToken } from '../http/client-endpoint.ts'
import { refuse } from '../http/refusal.ts'
import type { Reply } from '../http/reply.ts'
import { toleranceSeconds } from './revoke.ts'
import type { Revoke } from './revoke.ts'

/**
 * Revocation by the client that a token was issued to (RFC 7009). The token counts no longer, nor does any that was
 * exchanged for it. It is on disk when the answer is sent.
 *
 * A token that is none of ours, or has expired, is answered like one that is now revoked (§2.2): it can do no harm.
 *
 * @example
 * const revokeToken = createRevocation({ issuer, keySet, refreshKeys: keyRing.refresh, revoke, clock })
 */
export function createRevocation({
  issuer,
  keySet,
  refreshKeys,
  revoke,
  clock,
}: RevocationOptions): AboutToken {
  const verifier = createVerifier({
    issuer,
    keySet,
    clock,
    audience: dangerouslyAnyAudience,
    confirmation: 'checked-by-caller',
    // Some service may go on with it that long after its exp.
    clockToleranceSeconds: toleranceSeconds,
    cache: false,
  })

  const newestKeys = oncePerSecond(refreshKeys)
  return async (client, text, nowMs) => {
    let outcome = verifier.verifyNow(text, nowMs) ?? (await verifier.verify(text))
    if (outcome.kind === 'denied' && outcome.denial.reason === 'key-unknown') {
      // Another replica may have signed it with a key that took over this very minute: then "done" would be a lie.
      await newestKeys()
      outcome = await verifier.verify(text)
    }
    if (outcome.kind === 'denied') return done
    const { tokenId, clientId, expiresAtSeconds } = outcome.token
    if (clientId !== client.id || tokenId === undefined) {
      return refuse('invalid_grant', 'the token was issued to another client')
    }
    await revoke({ tokenId, expiresAtSeconds }, { nowMs, by: client.id })
    return { ...done, about: { tokenId } }
  }
}

export type RevocationOptions = {
  readonly issuer: string
  readonly keySet: KeySet
  /** Reads the ring anew. @throws Problem `store-unavailable` */
  readonly refreshKeys: () => Promise<void>
  readonly revoke: Revoke
  readonly clock: Clock
}

/** Whoever asks gets a run that began after that, and shares it with all who ask meanwhile. */
function oncePerSecond(work: () => Promise<void>): () => Promise<void> {
  let lastMs = -Infinity
  let next: Promise<void> | undefined
  const run = async (): Promise<void> => {
    await sleep(Math.max(0, lastMs + 1000 - performance.now()))
    next = undefined
    lastMs = performance.now()
    await work()
  }
  return () => (next ??= run())
}

/** RFC 7009 §2.2: the status says it all. */
const done: Reply = { status: 200, headers: ['Cache-Control', 'no-store', 'Pragma', 'no-cache'], body: '' }
