import { refuseUnknownOptions } from '../core/options.ts'
import { Problem } from '../core/problem.ts'
import { lookUp, readPointer } from './pointer.ts'
import type { Pointer } from './pointer.ts'
import type { ClaimPredicate, ClaimValue } from './policy.ts'

/**
 * What a check says of a principal. `unknown` is for what the token does not tell: it never lets anybody through, and
 * its negation is unknown as well (Kleene's logic), so `not` cannot turn an absent claim into access.
 */
export type Verdict = typeof holds | typeof fails | typeof unknown

export const holds = 1
export const fails = 0
export const unknown = -1

/** One thing that must hold for one claim. */
export type ClaimTest = {
  /** For people: `claim /tenant equal to "acme"`. */
  readonly text: string
  test(claims: unknown): Verdict
}

/**
 * Reads what must hold for a claim into one test for each thing named.
 *
 * An absent claim, a null, and a value of another type than the predicate speaks about are `unknown`: neither the
 * predicate nor its negation holds for them. Only `exists` knows an absent claim.
 *
 * @param where for messages, such as `claims["/tenant"]`.
 * @throws Problem `policy-invalid`, `option-unknown`.
 */
export function readPredicate(claim: string, predicate: ClaimPredicate, where: string): readonly ClaimTest[] {
  const pointer = readPointer(claim, where)
  if (typeof predicate !== 'object' || predicate === null || Array.isArray(predicate)) {
    throw invalid(where, 'expected a predicate', 'for example { equals: … }')
  }
  refuseUnknownOptions(where, predicate, Object.keys(readers))
  const named = (Object.keys(readers) as (keyof ClaimPredicate)[]).filter(
    (name) => predicate[name] !== undefined,
  )
  if (named.length === 0)
    throw invalid(where, 'names nothing', 'write { exists: true }, or say what must hold')
  return named.map((name) => readers[name](pointer, claim, predicate, where))
}

type Reader = (pointer: Pointer, claim: string, predicate: ClaimPredicate, where: string) => ClaimTest

function readEquals(pointer: Pointer, claim: string, { equals }: ClaimPredicate, where: string): ClaimTest {
  const expected = readValue(equals, `${where}.equals`)
  return {
    text: `claim ${claim} equal to ${JSON.stringify(expected)}`,
    test(claims) {
      const value = lookUp(claims, pointer)
      if (value === expected) return holds
      return typeof value === typeof expected ? fails : unknown
    },
  }
}

function readIn(pointer: Pointer, claim: string, { in: listed }: ClaimPredicate, where: string): ClaimTest {
  if (!Array.isArray(listed) || listed.length === 0) {
    throw invalid(`${where}.in`, 'expected a list of values', 'for example { in: [acme, globex] }')
  }
  const expected = new Set<unknown>(listed.map((value) => readValue(value, `${where}.in`)))
  const types = new Set([...expected].map((value) => typeof value))
  return {
    text: `claim ${claim} one of ${JSON.stringify([...expected])}`,
    test(claims) {
      const value = lookUp(claims, pointer)
      if (expected.has(value)) return holds
      return types.has(typeof value) ? fails : unknown
    },
  }
}

function readContains(
  pointer: Pointer,
  claim: string,
  { contains }: ClaimPredicate,
  where: string,
): ClaimTest {
  const expected = readValue(contains, `${where}.contains`)
  return {
    text: `claim ${claim} a list with ${JSON.stringify(expected)}`,
    test(claims) {
      const value = lookUp(claims, pointer)
      if (!Array.isArray(value)) return unknown
      if (value.includes(expected)) return holds
      return value.every((element) => typeof element === typeof expected) ? fails : unknown
    },
  }
}

function readExists(pointer: Pointer, claim: string, { exists }: ClaimPredicate, where: string): ClaimTest {
  if (typeof exists !== 'boolean') throw invalid(`${where}.exists`, 'expected true or false')
  return {
    text: `claim ${claim} ${exists ? 'present' : 'absent'}`,
    test(claims) {
      // A null says that there is no value (RFC 7159 has no other meaning for it).
      const value = lookUp(claims, pointer)
      return (value !== undefined && value !== null) === exists ? holds : fails
    },
  }
}

function readPrefix(pointer: Pointer, claim: string, { prefix }: ClaimPredicate, where: string): ClaimTest {
  if (typeof prefix !== 'string' || prefix === '') {
    throw invalid(
      `${where}.prefix`,
      'expected a text that is not empty',
      'for any text at all write { exists: true }',
    )
  }
  return {
    text: `claim ${claim} starting with ${JSON.stringify(prefix)}`,
    test(claims) {
      const value = lookUp(claims, pointer)
      if (typeof value !== 'string') return unknown
      return value.startsWith(prefix) ? holds : fails
    },
  }
}

function readValue(value: unknown, where: string): ClaimValue {
  if (typeof value === 'string' || typeof value === 'boolean') return value
  if (typeof value === 'number' && Number.isFinite(value)) return value
  throw invalid(where, 'expected a text, a number, true or false')
}

function invalid(where: string, message: string, next?: string): Problem {
  return new Problem('policy-invalid', `${where}: ${message}`, next === undefined ? {} : { next })
}

const readers: Readonly<Record<keyof ClaimPredicate, Reader>> = {
  equals: readEquals,
  in: readIn,
  contains: readContains,
  exists: readExists,
  prefix: readPrefix,
}
