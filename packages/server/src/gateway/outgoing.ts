import type { RequestPeer } from '@countersign/sdk/policy'
import { readTraceContext, traceLines } from '../tracing/trace-context.ts'
import type { ObservedCall } from './gateway-metrics.ts'
import type { GatewayState } from './gateway-state.ts'
import type { Client } from './front/client-connection.ts'
import type { GatedRequest } from './front/request-gate.ts'
import type { TokenSender } from './decision/sender.ts'
import { forwardedLines, senderOf } from './upstream/forwarded.ts'
import { upstreamFields } from './upstream/headers.ts'

/**
 * The header lines of an outgoing request, built from nothing: what the client may say, then what only we may say.
 *
 * @param identity who it is from, as lines
 */
export function outgoingFields(call: OutgoingCall, gated: GatedRequest, identity: string): string {
  const { gateway, client, request, service } = call
  const { passing } = service!
  return upstreamFields(
    passing === undefined ? request.rawHeaders : passing.pass(request.rawHeaders),
    withoutCertificate(gateway, gated),
    forwardedLines(senderOf(gateway.proxies, client, request.rawHeaders), gated.host?.authority) +
      traceOf(call),
    `Via: 1.1 ${gateway.viaName}\r\n`,
    identity + certificateLine(call, gated),
  )
}

/** What of a call the outgoing request is made from. */
export type OutgoingCall = Pick<ObservedCall, 'request' | 'service' | 'span' | 'token'> & {
  readonly gateway: Pick<GatewayState, 'certificateHeader' | 'proxies' | 'viaName'>
  readonly client: Client
}

/** Undefined where no bound token is taken, so that nobody asks. */
export function tokenSender(
  { service, client }: Pick<OutgoingCall, 'service' | 'client'>,
  { method, target }: GatedRequest,
): TokenSender | undefined {
  return service!.senderCheck === undefined
    ? undefined
    : { method, target, peer: client.socket as RequestPeer }
}

/** What stands in the proxies' header may come from anybody, and behind us everything comes from us. */
function withoutCertificate(
  { certificateHeader }: OutgoingCall['gateway'],
  gated: GatedRequest,
): GatedRequest {
  if (certificateHeader === undefined) return gated
  return { ...gated, dropped: [...(gated.dropped ?? []), certificateHeader] }
}

/** Our span's context when somebody traces, else what the client sent, if it is well formed. */
function traceOf({ span, request }: OutgoingCall): string {
  const context = span?.context ?? readTraceContext(request.rawHeaders)
  return context === undefined ? '' : traceLines(context)
}

/** The service sees our connection, and would have to take our word for whom we have seen. */
function certificateLine(call: OutgoingCall, gated: GatedRequest): string {
  const { service, token, request } = call
  const sender = token?.confirmation === undefined ? undefined : tokenSender(call, gated)
  if (sender === undefined) return ''
  return service!.senderCheck!.certificateLine({ ...sender, rawHeaders: request.rawHeaders }, token!)
}
