import { isProblem } from '@countersign/sdk/core'
import type { Log } from '../../log.ts'
import type { Client } from '../../trust/trust.ts'
import { readForm } from './form.ts'
import { isRefusal, refuse } from './refusal.ts'
import type { Refusal } from './refusal.ts'
import type { AboutReply, Reply } from './reply.ts'
import { refusalReply } from '../token/token-endpoint.ts'
import type { TokenEndpoint, TokenRules } from '../token/token-endpoint.ts'
import type { TokenLimits } from '../token/token-limits.ts'

/** Decides about the token that an authenticated client has sent. */
export type AboutToken = (client: Client, token: string, nowMs: number) => Promise<Reply | Refusal>

/**
 * An endpoint where a client proves who it is, in every way it may at the token endpoint, and then asks about one token:
 * introspection (RFC 7662 §2.1) and revocation (RFC 7009 §2.1). A `token_type_hint` is not needed, so it is not read.
 *
 * @param name in the log: `introspection` or `revocation`.
 *
 * @example
 * const answer = createClientEndpoint('revocation', { rules, log }, async (client, token, nowMs) => …)
 */
export function createClientEndpoint(
  name: 'introspection' | 'revocation',
  { rules, limits, log }: ClientEndpointParts,
  answer: AboutToken,
): TokenEndpoint {
  const refused = (refusal: Refusal, client: string | undefined): Reply => {
    const { denial, error } = refusal
    const detail = denial === undefined ? refusal.description : `${denial.reason}: ${denial.detail}`
    log.warn(`${name}.refused`, { client, reason: error, detail })
    return about(refusalReply(refusal), { outcome: error, client })
  }

  return async (request) => {
    try {
      const form = readForm(request.contentType, request.body)
      if (isRefusal(form)) return refused(form, undefined)
      const client = await rules().clientAuth.authenticate({ ...request, form })
      if (isRefusal(client)) return refused(client, client.clientId)
      const tooOften = limits?.forClient(client.id, request.nowMs)
      if (tooOften !== undefined) return refused(tooOften, client.id)
      const token = form.values.get('token')
      if (token === undefined) return refused(refuse('invalid_request', 'token is missing'), client.id)
      const reply = await answer(client, token, request.nowMs)
      return isRefusal(reply) ? refused(reply, client.id) : about(reply, { client: client.id })
    } catch (error) {
      if (!isProblem(error)) {
        const message = error instanceof Error ? error.message : 'unknown'
        log.error(`${name}.failed`, { code: 'unexpected', message })
        const refusal = refuse('server_error', 'the request could not be handled', { status: 500 })
        return about(refusalReply(refusal), { outcome: 'server_error' })
      }
      log.error(`${name}.failed`, { code: error.code, message: error.message })
      const retryAfterSeconds = error.retryAfterSeconds ?? 5
      // RFC 7009 §2.2.1: the client must take it that the token is as it was.
      const refusal = refuse('temporarily_unavailable', 'this cannot be done at the moment: try again', {
        status: 503,
        retryAfterSeconds,
      })
      return about(refusalReply(refusal), { outcome: 'unavailable' })
    }
  }
}

export type ClientEndpointParts = {
  /** Asked anew for every request: the trust file may be read again at any time. */
  readonly rules: () => Pick<TokenRules, 'clientAuth'>
  /** What is too often; nothing unless given. */
  readonly limits?: Pick<TokenLimits, 'forClient'>
  readonly log: Log
}

function about(reply: Reply, facts: AboutReply): Reply {
  return { ...reply, about: { ...reply.about, ...facts } }
}
