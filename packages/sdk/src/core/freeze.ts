/**
 * Freezes a JSON value with all that is in it, takes the prototype from its objects, and gives it back: what a claim is
 * named can then never be found where there is no such claim (`constructor`, `toString`). Its depth is bounded by
 * core/json.ts.
 */
export function freezeDeep<T>(value: T): T {
  if (typeof value !== 'object' || value === null || Object.isFrozen(value)) return value
  for (const inner of Object.values(value)) freezeDeep(inner)
  if (!Array.isArray(value)) Object.setPrototypeOf(value, null)
  return Object.freeze(value)
}
