import { plainAnswer } from '../front/answer.ts'
import type { Answer } from '../front/answer.ts'
import type { UpstreamFailure } from './upstream-connection.ts'

/** How a failed exchange looks to the client, when nothing of a reply has been sent. */
export function failureAnswer(failure: ExchangeFailure, wantsJson: boolean): Answer {
  const status = failureStatus[failure]
  return plainAnswer(status, wantsJson, status === 503 ? { 'Retry-After': '1' } : {})
}

export type ExchangeFailure = UpstreamFailure | 'body-oversize' | 'client-stalled' | 'upgrade-malformed'

/** 502: the service is not there or talks nonsense. 504: it is too slow. 503: we have no room for the request. */
export const failureStatus: Readonly<Record<ExchangeFailure, 408 | 413 | 500 | 502 | 503 | 504>> = {
  'body-oversize': 413,
  'client-stalled': 408,
  defect: 500,
  unreachable: 502,
  'tls-failed': 502,
  'connect-timeout': 504,
  'wait-timeout': 503,
  'wait-full': 503,
  refused: 503,
  closed: 502,
  'reply-timeout': 504,
  'reply-stalled': 504,
  unasked: 502,
  'status-malformed': 502,
  'header-malformed': 502,
  'head-oversize': 502,
  'length-malformed': 502,
  'length-ambiguous': 502,
  'chunk-malformed': 502,
  'upgrade-unasked': 502,
  'upgrade-malformed': 502,
  'interim-excess': 502,
  'cut-short': 502,
}
