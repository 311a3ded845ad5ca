import { isProblem } from '@countersign/sdk/core'

/** How every command ends; documented in docs/exit-codes.md. */
export const exitCodes = {
  ok: 0,
  /** It failed. */
  failure: 1,
  /** It was typed wrong. */
  usage: 2,
  /** The trust file has mistakes, or is not there. */
  trust: 3,
  /** Somebody could not be reached. */
  unreachable: 4,
  /** The answer is no. */
  denied: 5,
} as const

/** The exit code of something thrown. */
export function exitCodeOf(error: unknown): number {
  if (!isProblem(error)) return exitCodes.failure
  return codes.get(error.code) ?? exitCodes.failure
}

/** Problem codes whose command ends with something else than 1. */
const codes: ReadonlyMap<string, number> = new Map([
  ['usage', exitCodes.usage],
  ['token-unreadable', exitCodes.usage],
  ['trust-missing', exitCodes.trust],
  ['trust-invalid', exitCodes.trust],
  ['trust-unusable', exitCodes.trust],
  ['export-impossible', exitCodes.trust],
  ['nothing-to-serve', exitCodes.trust],
  ['rotation-unsafe', exitCodes.trust],
  ['keys-unavailable', exitCodes.unreachable],
  ['issuer-unreachable', exitCodes.unreachable],
  ['issuer-unavailable', exitCodes.unreachable],
  ['token-unavailable', exitCodes.unreachable],
  ['provider-unreachable', exitCodes.unreachable],
  ['store-unavailable', exitCodes.unreachable],
  ['admin-unreachable', exitCodes.unreachable],
  ['admin-refused', exitCodes.denied],
  ['token-refused', exitCodes.denied],
  ['login-refused', exitCodes.denied],
])
