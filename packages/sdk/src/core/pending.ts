/**
 * Whether a value is still to come: by what it can do, not by its class. Where the global `Promise` has been replaced, or a
 * promise is of another realm, `instanceof` would take a decision that is pending for one that has been made.
 */
export function isPending<Value>(value: Value | Promise<Value>): value is Promise<Value> {
  return typeof (value as { readonly then?: unknown } | null | undefined)?.then === 'function'
}
