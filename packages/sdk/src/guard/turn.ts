/**
 * Lets a request that was checked go on when the event loop has read what else this turn brings: first all checks, then
 * all handlers and the writing of all answers. One after the other, a signature, a handler and a write to a socket push
 * each other out of the processor's caches, and whoever waits for the answers is woken up for each of them.
 *
 * Nobody waits for another turn: the event loop does these things before it looks for new input.
 *
 * @returns a promise, in which the caller's asynchronous context goes on.
 * @example
 * const outcome = await inTurn(outcomeOf(guard, request, requirement))
 */
export function inTurn<Value>(value: Value): Promise<Value> {
  return new Promise((resolve) => {
    soon(resolve, value)
    // A clock that was in place when this was loaded may be gone by now, with all that it was to call.
    if (globalThis.setImmediate !== soon) globalThis.setImmediate(resolve, value)
  })
}

// As it was when this was loaded: a clock that a test puts in its place later moves only when that test wants it to.
const soon = globalThis.setImmediate
