import { hkdfSync } from 'node:crypto'
import { Secret } from '@countersign/sdk/core'
import { createDpopChecker, createDpopNonces } from '@countersign/sdk/jwt'
import type { DpopChecker, DpopNonces } from '@countersign/sdk/jwt'
import type { Store } from '../../store/store.ts'
import type { IssuerSettings } from '../../trust/trust.ts'

/**
 * Checks the DPoP proofs of token requests (RFC 9449 §5). Used proofs are remembered by the store, so that each counts
 * once among all replicas; nonces, where they are demanded, need none.
 *
 * @example
 * const proofs = createIssuerProofs({ settings: trust.issuer, store })
 * proofs.algorithms // what metadata lists
 */
export function createIssuerProofs({ settings, store }: ProofOptions): DpopChecker {
  const nonces = createNonces(settings)
  return createDpopChecker({ replays: store, ...(nonces === undefined ? {} : { nonces }) })
}

type ProofOptions = {
  readonly settings: Pick<IssuerSettings, 'dpop' | 'keys'>
  readonly store: Pick<Store, 'putOnce'>
}

/** Replicas agree on nonces without a word: what they are made from is the same for all of them. */
function createNonces({ dpop, keys }: ProofOptions['settings']): DpopNonces | undefined {
  if (dpop?.nonces !== true) return undefined
  if (dpop.nonceSecret !== undefined) return createDpopNonces({ secret: dpop.nonceSecret })
  // Without a seal the store is this process's own: the reader of the trust file sees to it.
  if (keys.seal === undefined) return createDpopNonces()
  // RFC 5869 §3.2: another label, another key. Who learns it can make nonces, and open no key.
  const derived = hkdfSync('sha256', keys.seal.reveal(), '', 'countersign DPoP nonces 1', 32)
  return createDpopNonces({ secret: new Secret(new Uint8Array(derived)) })
}
