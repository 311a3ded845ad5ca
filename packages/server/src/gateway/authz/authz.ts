import { deny } from '@countersign/sdk/core'
import { createTrustedProxies } from '../../net/address.ts'
import { plainAnswer, sendAnswer } from '../front/answer.ts'
import type { Answer } from '../front/answer.ts'
import { readOriginal } from './authz-original.ts'
import { judge } from './authz-verdict.ts'
import type { Verdict } from './authz-verdict.ts'
import type { Client, ClientReply, ClientRequest } from '../front/client-connection.ts'
import type { Serve } from '../front/listen.ts'
import { gateRequest } from '../front/request-gate.ts'
import type { GatedRequest } from '../front/request-gate.ts'
import type { GatewayState } from '../gateway-state.ts'
import type { AuthzProxy, AuthzSettings } from '../../trust/trust.ts'

/**
 * The decision endpoint for one kind of proxy: the same decision as the gateway's own, for a request that the proxy holds.
 *
 * 200 lets it through and brings the identity headers, which the proxy must set in place of whatever the client sent
 * under these names; everything else refuses it.
 */
export function createAuthz(gateway: GatewayState, { proxy, peers }: AuthzSettings): Serve {
  if (proxy === 'envoyGrpc') throw new TypeError('answered over HTTP/2')
  const trusted = createTrustedProxies(peers)
  return (client, request, response, expectsContinue) => {
    const gated = gateRequest(request)
    const unread = bodyFollows(request, gated) && !expectsContinue
    const answer = (reply: Answer, close = false): void =>
      sendAnswer(reply, client, request, response, { unread, close })
    if (gateway.draining) response.shouldKeepAlive = false
    if (peers.length > 0 && !trusted.trusts(client.address)) {
      gateway.log.warn('authz.stranger', { address: client.address })
      return answer(plainAnswer(403), true)
    }
    if (gated.kind === 'request' && isProbe(gated)) return answer(probe(gateway))
    ask(client, response, async () => {
      const original =
        gated.kind === 'request'
          ? readOriginal(proxy, { ...gated, rawHeaders: request.rawHeaders, address: client.address })
          : gated.kind === 'denied'
            ? gated.denial
            : deny('method-unknown', 'a request that no route can be for')
      const verdict = await judge(gateway, original)
      return () => answer(ways[proxy](verdict), gated.kind !== 'request')
    })
  }
}

/** One inquiry at a time for each connection; the proxy may leave meanwhile. */
function ask(client: Client, response: ClientReply, work: () => Promise<() => void>): void {
  const turn = { replying: false, gone: false, abort: () => void (turn.gone = true) }
  client.begin(turn)
  void work().then((finish) => {
    if (turn.gone || response.destroyed) return
    finish()
    client.end()
  })
}

function bodyFollows({ headers }: ClientRequest, gated: ReturnType<typeof gateRequest>): boolean {
  if (gated.kind === 'request') return gated.body !== 'none' && gated.body !== 0
  return headers['content-length'] !== undefined || headers['transfer-encoding'] !== undefined
}

function isProbe({ target, method }: GatedRequest): boolean {
  return target === '/.well-known/countersign/readyz' && method === 'GET'
}

function probe({ leaving }: GatewayState): Answer {
  return leaving ? plainAnswer(503, false, { 'Retry-After': '1' }) : plainAnswer(200)
}

function asItIs(verdict: Verdict): Answer {
  if (verdict.kind === 'refuse') return verdict.answer
  const { identity, nextNonce } = verdict
  const nonce = nextNonce === undefined ? {} : { 'DPoP-Nonce': nextNonce }
  return { ...plainAnswer(200), headers: { ...Object.fromEntries(identity), ...nonce, ...allowedHeaders } }
}

/**
 * nginx knows 2xx, 401 and 403, and turns everything else into a 500 of its own. What the client did wrong becomes 403,
 * with the true status beside it for an error_page; that we cannot decide stays an error.
 */
function forNginx(verdict: Verdict): Answer {
  const answer = asItIs(verdict)
  const { status, headers } = answer
  const stays = status < 300 || status === 401 || status === 403 || status >= 500
  return {
    ...answer,
    status: stays ? status : 403,
    headers: { ...headers, 'Countersign-Status': `${status}` },
  }
}

/** Envoy adds what we say and keeps what the client said, unless it is told what to take away. */
function forEnvoy(verdict: Verdict): Answer {
  const answer = asItIs(verdict)
  if (verdict.kind === 'refuse' || verdict.absent.length === 0) return answer
  return {
    ...answer,
    headers: { ...answer.headers, 'x-envoy-auth-headers-to-remove': verdict.absent.join(',') },
  }
}

/** HAProxy has no rules of its own about paths: it is told whom to ask, and for what. */
function forHaproxy(verdict: Verdict): Answer {
  const answer = asItIs(verdict)
  if (verdict.kind === 'refuse') return answer
  const { service, target } = verdict
  const place = { 'Countersign-Service': service, 'Countersign-Target': target }
  return { ...answer, headers: { ...answer.headers, ...place } }
}

const allowedHeaders = { 'Cache-Control': 'no-store' }

const ways: Readonly<Record<Exclude<AuthzProxy, 'envoyGrpc'>, (verdict: Verdict) => Answer>> = {
  nginx: forNginx,
  traefik: asItIs,
  caddy: asItIs,
  envoy: forEnvoy,
  haproxy: forHaproxy,
}
