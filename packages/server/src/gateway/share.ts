import { Problem } from '@countersign/sdk/core'

/**
 * What one of several processes may use of what all may have together.
 *
 * @param where the setting, for the message
 * @throws Problem `trust-unusable` when there is less than one for each: rounded up, it would be no limit any more
 */
export function shareOf(total: number, processes = 1, where: string): number {
  const share = Math.floor(total / processes)
  if (share >= 1) return share
  throw new Problem('trust-unusable', `${where}: ${total} cannot be shared among ${processes} processes`, {
    next: 'allow more, or let fewer workers run',
  })
}
