/**
 * Waits for SIGTERM or SIGINT, then for `stop`. A second signal is impatience and ends the process as it ever does.
 *
 * @param stop lets go of everything; told which signal came
 */
export async function untilStopped(stop: (signal: NodeJS.Signals) => Promise<void>): Promise<void> {
  const signal = await new Promise<NodeJS.Signals>((resolve) => {
    const stopped = (name: NodeJS.Signals): void => {
      for (const each of signals) process.off(each, stopped)
      resolve(name)
    }
    for (const each of signals) process.on(each, stopped)
  })
  await stop(signal)
}

const signals = ['SIGTERM', 'SIGINT'] as const
