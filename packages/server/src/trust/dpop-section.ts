import { mistake } from './reading.ts'
import type { Reading } from './reading.ts'
import { word } from './scalars.ts'
import { loadSecret, secretReference, strongEnough } from './secret-reference.ts'
import { fields, onlyTrue, optional } from './shape.ts'
import type { Shape } from './shape.ts'
import type { Client, DpopSettings, Service } from './trust.ts'

/** `issuer.dpop` and `gateway.dpop`: how proofs of possession (RFC 9449) are checked there. */
export const dpopSection = fields({
  nonces: optional(
    onlyTrue(),
    'Demands a nonce of ours in each proof, so that none can be made in advance; none unless said.',
  ),
  nonceSecret: optional(
    secretReference(),
    'What nonces are made from, the same at every replica; at the issuer made from the seal unless given.',
  ),
})

export type DpopDraft = typeof dpopSection extends Shape<infer T> ? T : never

/** @param loads whether secrets of this part of the file are wanted. */
export function resolveDpop(
  draft: DpopDraft | undefined,
  loads: boolean,
  reading: Reading,
): { readonly dpop?: DpopSettings } {
  if (draft === undefined) return {}
  const { nonces = false, nonceSecret: reference } = draft
  if (reference === undefined) return { dpop: { nonces, nonceSecret: undefined } }
  if (!nonces) {
    mistake(reading, reference, 'there are no nonces to make from it', 'write `nonces: true` beside it')
  }
  const nonceSecret = loads ? loadSecret(reference, reading) : undefined
  if (nonceSecret !== undefined) strongEnough(nonceSecret, nonceStrength, reference, reading)
  return { dpop: { nonces, nonceSecret } }
}

/** `services.NAME.bind` */
export function serviceBind(): Shape<NonNullable<Service['bind']>> {
  return word(['dpop', 'certificate', 'any'])
}

/** `clients.NAME.bind` */
export function clientBind(): Shape<NonNullable<Client['bind']>> {
  return word(['dpop', 'certificate'])
}

const nonceStrength = { bytes: 32, why: 'nonces need at least 32, or somebody could make their own' }
