/**
 * What is asked for, unless the signal ends the wait: then its reason, at once. Whatever was asked goes on, since others may
 * wait for the same; nothing stays behind on the signal, which may outlive many calls.
 *
 * @param ask not called when the signal has ended already.
 * @throws the signal's reason, and what `ask` throws; by rejecting.
 */
export async function unlessAborted<T>(
  ask: () => Promise<T>,
  signal: AbortSignal | null | undefined,
): Promise<T> {
  if (signal === null || signal === undefined) return ask()
  signal.throwIfAborted()
  return new Promise((resolve, reject) => {
    const abort = (): void => reject(signal.reason)
    const settle =
      <Value>(by: (value: Value) => void) =>
      (value: Value): void => {
        signal.removeEventListener('abort', abort)
        by(value)
      }
    signal.addEventListener('abort', abort, { once: true })
    // Also what is thrown at once comes as a rejection.
    const asked = (async () => ask())()
    asked.then(settle(resolve), settle(reject))
  })
}
