import { isProblem } from '@countersign/sdk/core'
import type { Log } from '../../log.ts'
import type { Client } from '../../trust/trust.ts'
import type { AuthRefusal, ClientAuth } from '../clients/client-auth.ts'
import type { Binding, Bound, Showing } from './binding.ts'
import { readForm } from '../http/form.ts'
import type { Form } from '../http/form.ts'
import type { ClientCredentials } from '../grants/client-credentials.ts'
import type { Granted } from '../grants/rights.ts'
import { jwtBearerGrant } from '../grants/jwt-bearer.ts'
import type { JwtBearer } from '../grants/jwt-bearer.ts'
import { accessTokenType, tokenExchangeGrant } from '../grants/token-exchange.ts'
import type { TokenExchange } from '../grants/token-exchange.ts'
import { transactionTokenType } from '../grants/transactions.ts'
import type { Transactions } from '../grants/transactions.ts'
import type { KeyRing } from '../keys/key-ring.ts'
import { mint, mintTransaction } from './mint.ts'
import type { Minted } from './mint.ts'
import { isRefusal, refuse } from '../http/refusal.ts'
import type { Refusal } from '../http/refusal.ts'
import { asciiJson } from '../http/reply.ts'
import type { AboutReply, Reply } from '../http/reply.ts'
import { tokenKind } from './token-kind.ts'
import type { TokenLimits } from './token-limits.ts'

/** A request to the token endpoint, read to its end. */
export type TokenRequest = {
  readonly contentType: string | undefined
  /** Every `Authorization` header, in order. */
  readonly authorization: readonly string[]
  readonly body: Buffer
  readonly address: string
  readonly nowMs: number
} & Showing

/** Answers token requests; at once, unless something has to be waited for. Never throws and never rejects. */
export type TokenEndpoint = (request: TokenRequest) => Reply | Promise<Reply>

export type TokenEndpointOptions = {
  /** Who may ask for what; asked anew for every request, since the trust file may be read again at any time. */
  readonly rules: () => TokenRules
  readonly ring: Pick<KeyRing, 'signerAt' | 'signingKeyAt'>
  /** The `iss` claim. */
  readonly issuer: string
  readonly lifetimeSeconds: number
  /** Says what tokens are bound to. */
  readonly bind: Binding
  /** What is too often; nothing unless given. */
  readonly limits?: Pick<TokenLimits, 'forClient'>
  readonly log: Log
}

export type TokenRules = {
  readonly clientAuth: ClientAuth
  readonly clientCredentials: ClientCredentials
  readonly tokenExchange: TokenExchange
  readonly jwtBearer: JwtBearer
  readonly transactions: Transactions
}

/**
 * The token endpoint (RFC 6749 §3.2): authenticate, grant, mint, reply.
 *
 * @example
 * const answer = createTokenEndpoint({ rules, ring, issuer: 'https://issuer.example', lifetimeSeconds: 300, log })
 */
export function createTokenEndpoint({
  rules,
  ring,
  issuer,
  lifetimeSeconds,
  bind,
  limits,
  log,
}: TokenEndpointOptions): TokenEndpoint {
  return (request) => {
    try {
      const form = readForm(request.contentType, request.body)
      const kind = tokenKind(isRefusal(form) ? undefined : form, request.authorization)
      if (isRefusal(form)) return withAbout(refused(form, undefined), { kind })

      // Taken once: a trust file that is replaced half-way must not be mixed with the one before.
      const current = rules()
      const client = current.clientAuth.authenticate({ ...request, form })
      // A client with a secret waits for nothing, not even for a microtask.
      const reply =
        client instanceof Promise
          ? client.then((found) => answerClient(found, form, current, request))
          : answerClient(client, form, current, request)
      return reply instanceof Promise
        ? reply.catch(failed).then((later) => withAbout(later, { kind }))
        : withAbout(reply, { kind })
    } catch (error) {
      return failed(error)
    }
  }

  function answerClient(
    client: Client | AuthRefusal,
    form: Form,
    { clientCredentials, tokenExchange, jwtBearer, transactions }: TokenRules,
    request: TokenRequest,
  ): Reply | Promise<Reply> {
    if (isRefusal(client)) return refused(client, client.clientId)
    const tooOften = limits?.forClient(client.id, request.nowMs)
    if (tooOften !== undefined) return refused(tooOften, client.id)

    const grantType = form.values.get('grant_type')
    if (grantType === undefined) return refused(refuse('invalid_request', 'grant_type is missing'), client.id)
    if (grantType === 'client_credentials')
      return answerGrant(client, clientCredentials(client.id, form), request)
    if (grantType === tokenExchangeGrant) {
      const decide =
        form.values.get('requested_token_type') === transactionTokenType ? transactions : tokenExchange
      return decide(client.id, form, request.nowMs).then((granted) => answerGrant(client, granted, request))
    }
    if (grantType === jwtBearerGrant) {
      return jwtBearer(client.id, form, request.nowMs).then((granted) =>
        answerGrant(client, granted, request),
      )
    }
    return refused(refuse('unsupported_grant_type', `known: ${grantTypes.join(', ')}`), client.id)
  }

  function answerGrant(
    client: Client,
    granted: Granted | Refusal,
    request: TokenRequest,
  ): Reply | Promise<Reply> {
    if (isRefusal(granted)) return refused(granted, client.id)
    // Last, so that a proof that was sent with a mistaken request is not used up by it.
    const bound = bind(client, granted, request)
    if (granted.useUp !== undefined) return issueOnce(client.id, granted, granted.useUp, bound, request.nowMs)
    return bound instanceof Promise
      ? bound.then((known) => issue(client.id, granted, known, request.nowMs))
      : issue(client.id, granted, bound, request.nowMs)
  }

  async function issueOnce(
    clientId: string,
    granted: Granted,
    useUp: NonNullable<Granted['useUp']>,
    pending: Bound | Refusal | Promise<Bound | Refusal>,
    nowMs: number,
  ): Promise<Reply> {
    const bound = await pending
    const used = isRefusal(bound) ? undefined : await useUp()
    return issue(clientId, granted, used ?? bound, nowMs)
  }

  function issue(
    clientId: string,
    granted: Granted,
    bound: Bound | Refusal,
    nowMs: number,
  ): Reply | Promise<Reply> {
    if (isRefusal(bound)) return refused(bound, clientId)
    const signer = ring.signerAt(nowMs)
    const confirmation = bound.claim
    const minted =
      granted.transaction === undefined
        ? mint({ signer, issuer, clientId, granted, nowMs, lifetimeSeconds, confirmation })
        : mintTransaction({ key: ring.signingKeyAt(nowMs), issuer, granted, nowMs, lifetimeSeconds })
    return minted instanceof Promise
      ? minted.then((signed) => tell(clientId, granted, bound, signed, signer.keyId))
      : tell(clientId, granted, bound, minted, signer.keyId)
  }

  function tell(clientId: string, granted: Granted, bound: Bound, minted: Minted, keyId: string): Reply {
    log.info('token.issued', {
      client: clientId,
      service: granted.service,
      tokenId: minted.tokenId,
      keyId,
      // Joins the records of a chain; absent for a client that acts for itself.
      parentId: granted.delegation?.claims.lineage?.[0]?.jti,
    })
    return withAbout(issued(minted, granted, bound), {
      outcome: 'issued',
      client: clientId,
      service: granted.service,
      tokenId: minted.tokenId,
    })
  }

  function refused(refusal: Refusal, client: string | undefined): Reply {
    const { denial } = refusal
    const detail = denial === undefined ? refusal.description : `${denial.reason}: ${denial.detail}`
    log.warn('token.refused', { client, reason: refusal.error, detail })
    return withAbout(refusalReply(refusal), { outcome: refusal.error, client })
  }

  function failed(error: unknown): Reply {
    if (isProblem(error)) {
      log.error('token.failed', { code: error.code, message: error.message })
      return withAbout(
        refusalReply(
          refuse('temporarily_unavailable', 'no token can be issued at the moment', {
            status: 503,
            retryAfterSeconds: error.retryAfterSeconds ?? 5,
          }),
        ),
        { outcome: 'unavailable' },
      )
    }
    log.error('token.failed', {
      code: 'unexpected',
      message: error instanceof Error ? error.message : 'unknown',
    })
    return withAbout(
      refusalReply(refuse('server_error', 'the request could not be handled', { status: 500 })),
      { outcome: 'server_error' },
    )
  }
}

function withAbout(reply: Reply, about: AboutReply): Reply {
  return { ...reply, about: { ...reply.about, ...about } }
}

/** A refusal on the wire (RFC 6749 §5.2). */
export function refusalReply(refusal: Refusal): Reply {
  const { error, description, status, challenge, retryAfterSeconds } = refusal
  const headers: string[] = [...tokenHeaders, ...(refusal.headers ?? [])]
  if (challenge) headers.push('WWW-Authenticate', 'Basic realm="token endpoint", charset="UTF-8"')
  if (retryAfterSeconds !== undefined) headers.push('Retry-After', String(retryAfterSeconds))
  // What was not read to its end cannot be told from the next request.
  if (status === 413) headers.push('Connection', 'close')
  return { status, headers, body: asciiJson({ error, error_description: description }) }
}

/** What `grant_types_supported` lists. */
export const grantTypes = ['client_credentials', tokenExchangeGrant, jwtBearerGrant] as const

/** A token on the wire (RFC 6749 §5.1). `scope` is always said: it may be more than the client asked for by name. */
function issued(
  { token, lifetimeSeconds }: Minted,
  { scopes, exchanged, transaction }: Granted,
  { claim, nextNonce }: Bound,
): Reply {
  const scope = scopes.length === 0 ? '' : `,"scope":${asciiJson(scopes.join(' '))}`
  // RFC 8693 §2.2.1
  if (transaction !== undefined) return issuedTransaction(token, lifetimeSeconds, scope, nextNonce)
  const type = exchanged === undefined ? '' : `,"issued_token_type":"${accessTokenType}"`
  // RFC 9449 §5: a token that is bound to a certificate alone is a bearer token by its type (RFC 8705 §3).
  const scheme = claim?.jkt === undefined ? 'Bearer' : 'DPoP'
  return {
    status: 200,
    headers: nextNonce === undefined ? tokenHeaders : [...tokenHeaders, 'DPoP-Nonce', nextNonce],
    // A token is base64url and dots: there is nothing in it to look at or escape.
    body: `{"access_token":"${token}","token_type":"${scheme}","expires_in":${lifetimeSeconds}${scope}${type}}`,
  }
}

/** No access token, so nothing that `token_type` could say how to use (RFC 8693 §2.2.1). */
function issuedTransaction(
  token: string,
  lifetimeSeconds: number,
  scope: string,
  nextNonce: string | undefined,
): Reply {
  return {
    status: 200,
    headers: nextNonce === undefined ? tokenHeaders : [...tokenHeaders, 'DPoP-Nonce', nextNonce],
    body:
      `{"access_token":"${token}","token_type":"N_A","expires_in":${lifetimeSeconds}${scope}` +
      `,"issued_token_type":"${transactionTokenType}"}`,
  }
}

/** RFC 6749 §5.1 asks for both of the last two on every answer that holds a token. */
const tokenHeaders = [
  'Content-Type',
  'application/json',
  'Cache-Control',
  'no-store',
  'Pragma',
  'no-cache',
] as const
