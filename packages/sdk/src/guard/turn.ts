/**
 * Lets those who were checked in one turn of the event loop go on together, when its input has been read: first all
 * checks, then all handlers and the writing of all answers. One after the other, a signature, a handler and a write to a
 * socket push each other out of the processor's caches, and whoever waits for the answers is woken up for each of them.
 *
 * Nobody waits for another turn: the event loop does these things before it looks for new input.
 *
 * @returns a promise, in which the caller's asynchronous context goes on; or the value where there is no such loop.
 * @example
 * const outcome = await inTurn(outcomeOf(guard, request, requirement))
 */
export function inTurn<Value extends object>(value: Value): Value | Promise<Value> {
  if (soon === undefined) return value
  return new Promise((resolve) => {
    const length = waiting.push({ resolve: resolve as (value: object) => void, value })
    if (length === 1) soon(letGo)
    // Bounded, so that a crowd's first request does not wait for the signature of its last one.
    else if (length === mostAtOnce) letGo()
  })
}

function letGo(): void {
  const all = waiting
  waiting = []
  for (const { resolve, value } of all) resolve(value)
}

let waiting: { readonly resolve: (value: object) => void; readonly value: object }[] = []
const mostAtOnce = 32

// As it was when this was loaded: what a test puts in its place later, to move its own clock, is not for us. Servers of the
// fetch standard need not have one.
const soon = (globalThis as { setImmediate?: (callback: () => void) => unknown }).setImmediate
