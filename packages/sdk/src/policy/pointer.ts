import { Problem } from '../core/problem.ts'

/** A place in the claims: the reference tokens of a JSON Pointer. */
export type Pointer = readonly string[]

/**
 * Reads a JSON Pointer (RFC 6901), or the bare name of a top-level claim.
 *
 * What starts with a slash is a pointer; anything else is a name as it stands, dots and slashes included, so
 * `https://acme.example/roles` needs no escaping.
 *
 * @param where for the message: which option it stands in.
 * @throws Problem `policy-invalid` for an empty text, and for a `~` that is neither `~0` nor `~1`.
 * @example
 * readPointer('/realm_access/roles', 'roles') // ['realm_access', 'roles']
 */
export function readPointer(text: string, where: string): Pointer {
  if (typeof text !== 'string' || text === '') {
    throw new Problem(
      'policy-invalid',
      `${where}: expected a claim, got ${text === '' ? 'an empty text' : typeof text}`,
      {
        next: 'write a name such as tenant, or a JSON Pointer such as /realm_access/roles',
      },
    )
  }
  if (!text.startsWith('/')) return [text]
  return text
    .slice(1)
    .split('/')
    .map((token) => unescaped(token, text, where))
}

/**
 * The value a pointer leads to, or undefined. Only members that the claims themselves have: never one of a prototype.
 */
export function lookUp(claims: unknown, pointer: Pointer): unknown {
  let value = claims
  for (let at = 0; at < pointer.length; at++) {
    if (typeof value !== 'object' || value === null) return undefined
    const token = pointer[at]!
    // "length" is an array's own property, and yet no member of the JSON array.
    if (!Object.hasOwn(value, token) || (token === 'length' && Array.isArray(value))) return undefined
    value = (value as Record<string, unknown>)[token]
  }
  return value
}

function unescaped(token: string, pointer: string, where: string): string {
  const parts = token.split('~')
  for (const part of parts.slice(1)) {
    if (part.startsWith('0') || part.startsWith('1')) continue
    throw new Problem('policy-invalid', `${where}: "${pointer}" is not a JSON Pointer`, {
      next: 'write ~0 for ~ and ~1 for / inside a name (RFC 6901 §3)',
    })
  }
  // In this order, or ~01 would turn into a slash (RFC 6901 §4).
  return token.replaceAll('~1', '/').replaceAll('~0', '~')
}
