/**
 * Freezes a JSON value with all that is in it, takes the prototype from its objects, and gives it back: what a claim is
 * named can then never be found where there is no such claim (`constructor`, `toString`). Its depth is bounded by
 * core/json.ts.
 */
export function freezeDeep<T>(value: T): T {
  if (typeof value !== 'object' || value === null || Object.isFrozen(value)) return value
  if (Array.isArray(value)) {
    for (let index = 0; index < value.length; index++) freezeInner(value[index])
    return Object.freeze(value)
  }
  // A parsed object's prototype has no enumerable member, so for…in sees its own names only, and is the fast form.
  for (const name in value) freezeInner(value[name])
  Object.setPrototypeOf(value, null)
  return Object.freeze(value)
}

/** Most members are texts and numbers, which need no call. */
function freezeInner(inner: unknown): void {
  if (typeof inner === 'object') freezeDeep(inner)
}
