import type { DecisionRecord } from '../gateway/decision/decision.ts'
import type { Log } from '../log.ts'

/**
 * Writes decision records to the log: refusals as `info`, since somebody will ask why, what was let through as `debug`.
 * Exact, because only the operator reads it; the caller was told the vague form.
 */
export function logDecision(log: Log): (record: DecisionRecord) => void {
  return (record) => {
    if (record.outcome === 'deny') log.info('gateway.denied', record)
    else log.debug('gateway.allowed', record)
  }
}
