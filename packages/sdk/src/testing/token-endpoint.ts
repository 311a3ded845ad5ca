import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Denial, DenialReason } from '../core/denial.ts'
import { readForm } from '../core/form.ts'
import type { Form } from '../core/form.ts'
import { isProblem } from '../core/problem.ts'
import { createDpopChecker } from '../jwt/dpop-check.ts'
import type { DpopChecker } from '../jwt/dpop-check.ts'
import { createDpopNonces } from '../jwt/dpop-nonce.ts'
import type { KeySet } from '../jwt/key-set.ts'
import { createClientAuthentication } from './client-authentication.ts'
import type { ClientAuthentication } from './client-authentication.ts'
import { readNames } from './names.ts'
import type { TestIssuer } from './memory-issuer.ts'
import type { TestToken } from './mint.ts'
import type { ReadClient } from './test-client.ts'
import { createShownSubjects } from './token-exchange.ts'
import type { ShownSubjects } from './token-exchange.ts'
import { createTransactions, transactionMediaType, transactionTokenType } from './transactions.ts'
import type { Transactions } from './transactions.ts'

export type TokenEndpointOptions = {
  readonly issuer: TestIssuer
  readonly clients: ReadonlyMap<string, ReadClient>
  /** The issuer's keys themselves: its endpoints may be made to fail. */
  readonly keySet: KeySet
  readonly trustDomain: string | undefined
  readonly dpopNonces: boolean
}

/**
 * The token endpoint of the test issuer: client credentials (RFC 6749 §4.4), token exchange (RFC 8693) and transaction
 * tokens, for clients with a secret or an assertion. It grants what is asked for (`scope`, `roles`, `audience` or
 * `resource`) when the client may have it; in an exchange, when the subject has it as well. A token is bound to the key of
 * the DPoP proof that came with the request, if one did (RFC 9449 §5).
 */
export class TestTokenEndpoint {
  readonly #issuer: TestIssuer
  readonly #clients: ReadonlyMap<string, ReadClient>
  readonly #authenticate: ClientAuthentication
  readonly #subjects: ShownSubjects
  readonly #transactions: Transactions
  readonly #proofs: DpopChecker

  constructor({ issuer, clients, keySet, trustDomain, dpopNonces }: TokenEndpointOptions) {
    this.#issuer = issuer
    this.#clients = clients
    this.#authenticate = createClientAuthentication(clients, { issuer: issuer.url, clock: issuer.clock })
    this.#subjects = createShownSubjects(issuer, clients, keySet)
    this.#transactions = createTransactions(trustDomain, { issuer, keySet, subjects: this.#subjects })
    this.#proofs = createDpopChecker(dpopNonces ? { nonces: createDpopNonces() } : {})
  }

  answer(request: IncomingMessage, response: ServerResponse): void {
    const chunks: Buffer[] = []
    let length = 0
    request.on('data', (chunk: Buffer) => {
      chunks.push(chunk)
      length += chunk.length
      if (length > maxBodyLength) request.destroy()
    })
    request.on('end', () => {
      void this.#grant(request, Buffer.concat(chunks))
        .catch((error: unknown) => {
          // The keys of a client's platform cannot be had; anything else is a mistake, and must be seen.
          if (isProblem(error) && error.code === 'keys-unavailable')
            return refuse('temporarily_unavailable', 503)
          throw error
        })
        .then((answer) => send(answer, response))
    })
  }

  async #grant(request: IncomingMessage, body: Buffer): Promise<Answer> {
    const { headers, headersDistinct, rawHeaders } = request
    const form = readForm(headers['content-type'], body)
    if (typeof form === 'string') return refuse('invalid_request')
    const known = await this.#authenticate(headersDistinct['authorization'] ?? [], form)
    if ('error' in known) return refuse(known.error, known.error === 'invalid_client' ? 401 : 400)
    const { clientId } = known
    const client = this.#clients.get(clientId)!
    const decided = this.#decide(clientId, client, form)
    if ('status' in decided) return decided
    const { boundTo: thumbprint } = decided
    if (thumbprint === undefined && headers['dpop'] === undefined) return this.#sign(decided)
    const nowMs = this.#issuer.clock()
    const checked = await this.#proofs.check({
      rawHeaders,
      method: 'POST',
      url: `${this.#issuer.url}/token`,
      owner: clientId,
      nowMs,
      ...(thumbprint === undefined ? {} : { thumbprint }),
    })
    if (checked.kind === 'proven') {
      const { thumbprint, nextNonce: nonce } = checked.proof
      return { ...this.#sign(decided, thumbprint), nonce }
    }
    const error = errors[checked.denial.reason] ?? 'invalid_dpop_proof'
    return { ...refuse(error, 400, checked.denial), nonce: this.#proofs.currentNonce(nowMs) }
  }

  #decide(clientId: string, client: ReadClient, form: Form): Granted | Answer {
    const { values } = form
    const grantType = values.get('grant_type')
    if (grantType === undefined) return refuse('invalid_request')
    if (grantType === 'client_credentials') return this.#credentials(clientId, client, form)
    if (grantType !== exchangeGrant) return refuse('unsupported_grant_type')
    // What is not read is refused: passed over, an actor_token would look as if it counted.
    if (values.has('actor_token') || values.has('actor_token_type')) return refuse('invalid_request')
    const requested = values.get('requested_token_type') ?? accessTokenType
    if (requested === transactionTokenType) return this.#transact(clientId, client, form)
    const isReadable = requested === accessTokenType && values.get('subject_token_type') === accessTokenType
    if (!isReadable) return refuse('invalid_request')
    return this.#exchange(clientId, client, form)
  }

  #credentials(clientId: string, client: ReadClient, form: Form): Granted | Answer {
    const rights = readRights(client, form, this.#issuer.audience)
    if (typeof rights === 'string') return refuse(rights)
    const { lifetimeSeconds } = this.#issuer
    return { token: { clientId, lifetimeSeconds, ...rights }, lifetimeSeconds }
  }

  #exchange(clientId: string, client: ReadClient, form: Form): Granted | Answer {
    const subject = this.#subjects(clientId, form.values.get('subject_token') ?? '')
    if (subject === undefined) return refuse('unauthorized_client')
    if ('reason' in subject) return refuse('invalid_request', 400, subject)
    const { name, act, secondsLeft, boundTo, claims } = subject
    const both = {
      ...client,
      roles: client.roles.filter((role) => subject.roles.has(role)),
      scopes: client.scopes.filter((scope) => subject.scopes.has(scope)),
    }
    const rights = readRights(both, form, this.#issuer.audience)
    if (typeof rights === 'string') return refuse(rights)
    const lifetimeSeconds = Math.min(this.#issuer.lifetimeSeconds, secondsLeft)
    const token = { clientId, lifetimeSeconds, subject: name, claims: { ...claims, act } }
    return { token: { ...token, ...rights }, lifetimeSeconds, issuedType: accessTokenType, boundTo }
  }

  #transact(clientId: string, { mayTransact }: ReadClient, form: Form): Granted | Answer {
    const transaction = this.#transactions(clientId, mayTransact, form)
    if ('error' in transaction) return refuse(transaction.error)
    if ('reason' in transaction) return refuse('invalid_request', 400, transaction)
    const { subject, scopes, secondsLeft, boundTo } = transaction
    const lifetimeSeconds = Math.min(this.#issuer.lifetimeSeconds, secondsLeft)
    // It is no credential, so it names no client.
    const claims = { ...transaction.claims, client_id: undefined }
    const audience = form.audiences[0]!
    const token = {
      subject,
      audience,
      scopes,
      lifetimeSeconds,
      claims,
      dangerouslyType: transactionMediaType,
    }
    return { token, lifetimeSeconds, issuedType: transactionTokenType, boundTo }
  }

  #sign({ token, lifetimeSeconds, issuedType }: Granted, thumbprint?: string): Answer {
    const isTransaction = issuedType === transactionTokenType
    const isBound = thumbprint !== undefined && !isTransaction
    const claims = isBound ? { ...token.claims, cnf: { jkt: thumbprint } } : { ...token.claims }
    const { scopes = [] } = token
    return {
      status: 200,
      document: {
        access_token: this.#issuer.token({ ...token, claims }),
        token_type: isTransaction ? 'N_A' : isBound ? 'DPoP' : 'Bearer',
        expires_in: lifetimeSeconds,
        ...(issuedType === undefined ? {} : { issued_token_type: issuedType }),
        ...(scopes.length > 0 ? { scope: scopes.join(' ') } : {}),
      },
    }
  }
}

type Answer = {
  readonly status: number
  readonly document: object
  /** For the client's next proof. */
  readonly nonce?: string | undefined
}

type Granted = {
  readonly token: Omit<TestToken, 'scopes'> & { readonly scopes?: readonly string[] }
  readonly lifetimeSeconds: number
  readonly issuedType?: string
  /** The key that the client must prove to have. */
  readonly boundTo?: string | undefined
}

type Rights = {
  readonly audience: string
  readonly scopes?: readonly string[]
  readonly roles?: readonly string[]
}

/** What is asked for, or all there is when nothing is; the error of RFC 6749 §5.2 when it is more than the client may have. */
function readRights(client: ReadClient, form: Form, own: string): Rights | string {
  const [audience = own, ...others] = new Set([...form.audiences, ...form.resources])
  // A token is for one service.
  if (others.length > 0) return 'invalid_target'
  if (client.mayCall !== undefined && !client.mayCall.includes(audience)) return 'invalid_target'
  const scopes = readNames(form.values.get('scope'), client.scopes)
  const roles = readNames(form.values.get('roles'), client.roles)
  if (scopes === undefined || roles === undefined) return 'invalid_scope'
  return {
    audience,
    ...(scopes.length > 0 ? { scopes } : {}),
    ...(roles.length > 0 ? { roles } : {}),
  }
}

function refuse(error: string, status = 400, denial?: Denial): Answer {
  const description = denial === undefined ? {} : { error_description: `refused: ${denial.reason}` }
  return { status, document: { error, ...description } }
}

function send({ status, document, nonce }: Answer, response: ServerResponse): void {
  response.writeHead(status, {
    'Content-Type': 'application/json',
    'Cache-Control': 'no-store',
    ...(nonce === undefined ? {} : { 'DPoP-Nonce': nonce }),
    ...(status === 401 ? { 'WWW-Authenticate': 'Basic realm="test issuer"' } : {}),
  })
  response.end(JSON.stringify(document))
}

const errors: { readonly [Reason in DenialReason]?: string } = {
  'nonce-required': 'use_dpop_nonce',
  'confirmation-mismatch': 'invalid_request',
}
const exchangeGrant = 'urn:ietf:params:oauth:grant-type:token-exchange'
const accessTokenType = 'urn:ietf:params:oauth:token-type:access_token'
const maxBodyLength = 64 * 1024
