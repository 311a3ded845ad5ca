import type { Denial } from '../core/denial.ts'
import { refuseUnknownOptions } from '../core/options.ts'
import { Problem } from '../core/problem.ts'
import { allCheck, anyCheck, claimCheck, notCheck, roleCheck, scopeCheck } from './check.ts'
import type { Check } from './check.ts'
import type { Policy, Requirement } from './policy.ts'
import { fails, holds, readPredicate } from './predicate.ts'
import type { Principal } from './principal.ts'

/**
 * Compiles what a route asks for into one function: undefined lets the principal through, a denial says what is
 * missing. Asking it allocates nothing.
 *
 * Nothing is allowed by accident. What a token does not tell (an absent claim, one of an unexpected type, roles for a
 * principal that has none at all) is *unknown*: a condition on it does not hold, and `not` of it does not hold
 * either. So `not: { claims: { tenant: { equals: 'evil' } } }` refuses a token without a tenant; whoever wants to let
 * that one in says so: `anyOf: [{ claims: { tenant: { exists: false } } }, { not: … }]`. Directly under `not` exactly
 * one thing may stand, since "not a and b" is read in two ways. A policy or a list that names nothing is refused: for
 * any valid token there is the word `authenticated`.
 *
 * @param where for messages: which requirement this is.
 * @throws Problem `policy-invalid`, or `option-unknown` for a misspelt key.
 * @example
 * const denialOf = compilePolicy({ roles: 'admin', scopes: ['invoices:write'] })
 * const denial = denialOf(principal) // { reason: 'scope-missing', detail: 'needs scope "invoices:write"' }
 */
export function compilePolicy(
  requirement: Requirement,
  where = 'policy',
): (principal: Principal) => Denial | undefined {
  const checks = readRequirement(requirement, where)
  return (principal) => {
    for (let at = 0; at < checks.length; at++) {
      const check = checks[at]!
      if (check.test(principal) !== holds) return check.denial
    }
    return undefined
  }
}

/**
 * Every scope to ask for so that the requirement's scopes are met, for the challenge (RFC 6750 §3) and for clients.
 * Of alternatives, the first one that names scopes.
 */
export function requiredScopes(requirement: Requirement): string[] {
  return typeof requirement === 'string' ? [] : [...new Set(scopesOf(requirement))]
}

/** How a principal fares with each thing a requirement asks for. */
export type Explanation = {
  readonly text: string
  readonly verdict: 'holds' | 'fails' | 'unknown'
  readonly parts: readonly Explanation[]
}

/**
 * Says for each thing a requirement asks for whether it holds: for tools that explain a decision. All of them must hold.
 *
 * @example
 * explainPolicy({ roles: 'admin' }, principal) // [{ text: 'role "admin"', verdict: 'fails', parts: [] }]
 */
export function explainPolicy(requirement: Requirement, principal: Principal): Explanation[] {
  const explain = (check: Check): Explanation => ({
    text: check.text,
    verdict: verdictNames[check.test(principal)],
    parts: check.parts.map(explain),
  })
  return readRequirement(requirement, 'policy').map(explain)
}

function readRequirement(requirement: Requirement, where: string): readonly Check[] {
  if (requirement === 'open' || requirement === 'authenticated') return []
  return readPolicy(requirement, where)
}

/** All of the checks must hold. Scopes first: what is missing of them is what a client can do something about. */
function readPolicy(policy: Policy, where: string): readonly Check[] {
  if (typeof policy !== 'object' || policy === null || Array.isArray(policy)) {
    throw invalid(where, 'expected a policy', 'write open, authenticated or { roles: … }')
  }
  refuseUnknownOptions(where, policy, policyKeys)
  const checks: Check[] = []
  if (policy.scopes !== undefined)
    checks.push(...readScopes(policy.scopes, `${where}.scopes`).map(scopeCheck))
  if (policy.roles !== undefined) checks.push(...readNames(policy.roles, `${where}.roles`).map(roleCheck))
  if (policy.claims !== undefined) checks.push(...readClaims(policy.claims, `${where}.claims`))
  if (policy.allOf !== undefined) checks.push(...readList(policy.allOf, `${where}.allOf`).flat())
  if (policy.anyOf !== undefined)
    checks.push(anyCheck(readList(policy.anyOf, `${where}.anyOf`).map(allCheck)))
  if (policy.not !== undefined) checks.push(notCheck(readNegated(policy.not, `${where}.not`)))
  if (checks.length > 0) return checks
  throw invalid(where, 'names nothing', 'write authenticated for any valid token, or say what is needed')
}

function readNegated(policy: Policy, where: string): Check {
  const checks = readPolicy(policy, where)
  const isOne = Object.values(policy).filter((part) => part !== undefined).length === 1
  if (isOne && (checks.length === 1 || policy.allOf !== undefined)) return allCheck(checks)
  throw invalid(
    where,
    'more than one thing stands under not',
    'write not: { anyOf: […] } for none of them, not: { allOf: […] } for not all of them together',
  )
}

function readClaims(claims: Policy['claims'], where: string): Check[] {
  if (typeof claims !== 'object' || claims === null || Object.keys(claims).length === 0) {
    throw invalid(
      where,
      'expected claims and what must hold for them',
      "for example { '/tenant': { equals: 'acme' } }",
    )
  }
  return Object.entries(claims).flatMap(([claim, predicate]) =>
    readPredicate(claim, predicate, `${where}[${JSON.stringify(claim)}]`).map(claimCheck),
  )
}

function readList(policies: readonly Policy[], where: string): (readonly Check[])[] {
  if (!Array.isArray(policies) || policies.length === 0) {
    throw invalid(where, 'expected a list of policies', 'name at least one')
  }
  return policies.map((policy: Policy, index) => readPolicy(policy, `${where}[${index}]`))
}

function readScopes(names: string | readonly string[], where: string): readonly string[] {
  const scopes = readNames(names, where)
  // RFC 6749 §3.3: a scope token has no spaces, so this would be a scope that nobody can have.
  const joined = scopes.find((scope) => scope.includes(' '))
  if (joined !== undefined) throw invalid(where, `"${joined}" has a space in it`, 'write a list of scopes')
  return scopes
}

/** One name or a list of names; exact strings, compared as such. */
function readNames(names: string | readonly string[], where: string): readonly string[] {
  const listed: readonly unknown[] = Array.isArray(names) ? names : [names]
  if (listed.length === 0) throw invalid(where, 'an empty list asks for nothing', 'name at least one')
  for (const name of listed) {
    if (typeof name !== 'string' || name === '') throw invalid(where, 'expected a name or a list of names')
  }
  return [...new Set(listed as readonly string[])]
}

function scopesOf({ scopes, allOf, anyOf }: Policy): readonly string[] {
  const own = scopes === undefined ? [] : typeof scopes === 'string' ? [scopes] : scopes
  const alternative = anyOf?.map(scopesOf).find((found) => found.length > 0)
  return [...own, ...(allOf ?? []).flatMap(scopesOf), ...(alternative ?? [])]
}

function invalid(where: string, message: string, next?: string): Problem {
  return new Problem('policy-invalid', `${where}: ${message}`, next === undefined ? {} : { next })
}

const policyKeys = ['roles', 'scopes', 'claims', 'anyOf', 'allOf', 'not'] as const satisfies (keyof Policy)[]
const verdictNames = { [holds]: 'holds', [fails]: 'fails', '-1': 'unknown' } as const
