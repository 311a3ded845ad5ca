import type { IncomingMessage, ServerResponse } from 'node:http'
import { createGrid, statusClass, statusClasses } from '../metrics/grid.ts'
import type { Metrics } from '../metrics/registry.ts'
import type { AccessLog } from '../tracing/access-log.ts'

export type AdminMetricsOptions = {
  /** Undefined: nothing is counted. */
  readonly metrics: Metrics | undefined
  /** Undefined: nothing is logged. */
  readonly accessLog: AccessLog | undefined
  readonly addressOf: (request: IncomingMessage) => string
}

/**
 * Counts and logs what the admin API answers. Who did what is in the audit log.
 *
 * @returns to be called with each request before it is answered
 *
 * @example
 * const observe = observeAdmin({ metrics, accessLog, addressOf: issuer.addressOf })
 */
export function observeAdmin({
  metrics,
  accessLog,
  addressOf,
}: AdminMetricsOptions): (request: IncomingMessage, response: ServerResponse) => void {
  const requests =
    metrics &&
    createGrid(
      metrics.counter('countersign_admin_requests_total', 'Requests to the admin API answered.', [
        'method',
        'status',
      ]),
      [methods, statusClasses],
    )
  return (request, response) => {
    const startedMs = performance.now()
    response.on('close', () => {
      // Who left before the head had gone out got nothing.
      const status = response.headersSent ? response.statusCode : 0
      const { method = '', url = '' } = request
      requests?.add(method, statusClass(status))
      if (accessLog?.wants(status) !== true) return
      const durationMs = performance.now() - startedMs
      const [path] = url.split('?', 1)
      accessLog.write({ part: 'admin', method, path, status, durationMs, address: addressOf(request) })
    })
  }
}

const methods = ['GET', 'POST', 'PUT', 'DELETE'] as const
