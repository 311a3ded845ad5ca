import { deny } from '../core/denial.ts'
import type { Denial, DenialReason } from '../core/denial.ts'
import { fails, holds, unknown } from './predicate.ts'
import type { ClaimTest, Verdict } from './predicate.ts'
import type { Principal } from './principal.ts'

/** One thing a policy asks for; made when the policy is compiled, so that asking it allocates nothing. */
export type Check = {
  /** For people: `role "admin"`. */
  readonly text: string
  /** What to answer when it does not hold. */
  readonly denial: Denial
  /** What it is made of, for those who explain it. */
  readonly parts: readonly Check[]
  test(principal: Principal): Verdict
}

export function scopeCheck(scope: string): Check {
  return leaf('scope-missing', `scope ${JSON.stringify(scope)}`, ({ scopes }) => held(scopes, scope))
}

export function roleCheck(role: string): Check {
  return leaf('role-missing', `role ${JSON.stringify(role)}`, ({ roles }) => held(roles, role))
}

export function claimCheck({ text, test }: ClaimTest): Check {
  return leaf('claim-refused', text, ({ claims }) => test(claims))
}

export function allCheck(parts: readonly Check[]): Check {
  if (parts.length === 1) return parts[0]!
  return compound(parts, `all of (${textsOf(parts)})`, (principal) => {
    let verdict: Verdict = holds
    for (let at = 0; at < parts.length; at++) {
      const part = parts[at]!.test(principal)
      if (part === fails) return fails
      if (part === unknown) verdict = unknown
    }
    return verdict
  })
}

export function anyCheck(parts: readonly Check[]): Check {
  if (parts.length === 1) return parts[0]!
  return compound(parts, `any of (${textsOf(parts)})`, (principal) => {
    let verdict: Verdict = fails
    for (let at = 0; at < parts.length; at++) {
      const part = parts[at]!.test(principal)
      if (part === holds) return holds
      if (part === unknown) verdict = unknown
    }
    return verdict
  })
}

export function notCheck(part: Check): Check {
  return compound([part], `not (${part.text})`, (principal) => {
    const verdict = part.test(principal)
    return verdict === unknown ? unknown : verdict === holds ? fails : holds
  })
}

/** Somebody without any is not known to lack this one: the issuer may keep them elsewhere, or in another shape. */
function held(set: ReadonlySet<string>, name: string): Verdict {
  if (set.has(name)) return holds
  return set.size === 0 ? unknown : fails
}

function leaf(reason: DenialReason, text: string, test: Check['test']): Check {
  return Object.freeze({ text, denial: Object.freeze(deny(reason, `needs ${text}`)), parts: none, test })
}

function compound(parts: readonly Check[], text: string, test: Check['test']): Check {
  const denial = Object.freeze(deny(parts[0]!.denial.reason, `needs ${text}`))
  return Object.freeze({ text, denial, parts: Object.freeze([...parts]), test })
}

function textsOf(parts: readonly Check[]): string {
  return parts.map(({ text }) => text).join('; ')
}

const none: readonly Check[] = Object.freeze([])
