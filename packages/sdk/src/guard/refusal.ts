import type { IncomingMessage } from 'node:http'
import type { Http2ServerRequest } from 'node:http2'
import type { Challenge } from '../policy/challenge.ts'
import type { Policy } from '../policy/policy.ts'
import type { Principal, SignedClaims } from '../policy/principal.ts'
import { proceed, rememberAuth } from './auth-of.ts'
import type { Guard, GuardTerms } from './guard.ts'
import { fetchGuardRequest, messageOf, nodeGuardRequest } from './guard-request.ts'
import type { AskedRequest } from './guard-request.ts'
import { checkOneRequirement, outcomeOf } from './outcome.ts'

/** What a framework's own error for a refusal has as its `cause`: the answer as it would be in HTTP. */
export class Refusal extends Error {
  override readonly name = 'Refusal'
  readonly challenge: Challenge

  constructor(challenge: Challenge) {
    super(challenge.body)
    this.challenge = challenge
  }
}

/**
 * A request as servers on Node have it, as those of the fetch standard do, or as Fastify does: an object with the message
 * in `raw`.
 */
export type HttpRequest =
  | IncomingMessage
  | Request
  | { readonly raw: IncomingMessage | Http2ServerRequest; readonly originalUrl: string }

/** What may be asked for: all but nothing. */
export type PolicyOf<Terms extends GuardTerms> = 'authenticated' | Policy<Terms['role'], Terms['scope']>

/** Asks for one thing: gives who acts, or throws the error of the framework. */
export type Need<Claims extends SignedClaims = SignedClaims> = {
  (request: HttpRequest): Promise<Principal<Claims>>
  /**
   * Runs what follows for who acts, in the guard's context where it has one; not at all for a request that is refused. A
   * generator that it returns runs in the context of whoever reads it.
   *
   * @example
   * t.procedure.use(({ ctx, next }) => readers(ctx.req, (auth) => next({ ctx: { auth } }))) // in tRPC
   */
  <Result>(request: HttpRequest, run: (auth: Principal<Claims>) => Result | Promise<Result>): Promise<Result>
}

/** Makes what asks for one thing. */
export type Needs<Terms extends GuardTerms = GuardTerms> = {
  /** @throws Problem `policy-invalid`, `option-unknown`, at once. */
  (requirement: PolicyOf<Terms>): Need<Terms['claims']>
  /**
   * What the answer to this request should say in its headers, for frameworks in which only the server can set them: of a
   * refusal its challenge (`WWW-Authenticate`, `Retry-After`, `DPoP-Nonce`), the first counts; of a call that was let
   * through the next `DPoP-Nonce` (RFC 9449 §8.2). Ask when all has been decided; nothing for what was never asked about.
   *
   * @example
   * responseMeta: ({ ctx }) => ({ headers: needs.answerHeaders(ctx?.req) }) // in tRPC
   */
  answerHeaders(request: HttpRequest | null | undefined): Record<string, string>
}

/**
 * For frameworks that know refusals as their own kind of error, thrown from within a call.
 *
 * @param errorOf makes that error; the message of the refusal is all that it may show to the caller.
 */
export function needsOf<Terms extends GuardTerms>(
  where: string,
  guard: Guard<Terms>,
  errorOf: (refusal: Refusal) => Error,
): Needs<Terms> {
  // By message, since what a framework hands to its checks and to what ends its answers need not be one object.
  const told = new WeakMap<object, Record<string, string>>()

  const needs = (requirement: PolicyOf<Terms>): Need<Terms['claims']> => {
    checkOneRequirement(where, requirement)
    return need

    async function need(request: HttpRequest): Promise<Principal<Terms['claims']>>
    async function need<Result>(request: HttpRequest, run: Run<Terms, Result>): Promise<Result>
    async function need<Result>(request: HttpRequest, run?: Run<Terms, Result>): Promise<unknown> {
      const outcome = await outcomeOf(guard, askedOf(request), requirement, [])
      if (outcome.kind === 'refused') {
        tell(request, passedOn(outcome.challenge))
        throw errorOf(new Refusal(outcome.challenge))
      }
      if (outcome.responseHeaders !== undefined) tell(request, outcome.responseHeaders)
      rememberAuth(request, outcome.principal, guard)
      const auth = outcome.principal as Principal<Terms['claims']>
      return run === undefined ? auth : proceed(request, guard, async () => run(auth))
    }
  }
  const answerHeaders = (request: HttpRequest | null | undefined): Record<string, string> =>
    request === undefined || request === null ? {} : { ...told.get(messageOf<Message>(request)) }
  return Object.freeze(Object.assign(needs, { answerHeaders }))

  function tell(request: HttpRequest, headers: Readonly<Record<string, string>>): void {
    const message = messageOf<Message>(request)
    told.set(message, { ...headers, ...told.get(message) })
  }
}

/** The headers of a challenge that make sense around a body which is not the challenge's own. */
export function passedOn({ headers }: Challenge): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).filter(([name]) => ofChallenge.includes(name)))
}

function askedOf(request: HttpRequest): AskedRequest {
  const message = messageOf<Message>(request)
  if (!('rawHeaders' in message)) return fetchGuardRequest(message)
  return nodeGuardRequest(message as IncomingMessage, (request as { originalUrl?: string }).originalUrl)
}

type Run<Terms extends GuardTerms, Result> = (auth: Principal<Terms['claims']>) => Result | Promise<Result>

type Message = IncomingMessage | Http2ServerRequest | Request

const ofChallenge: readonly string[] = ['WWW-Authenticate', 'Retry-After', 'DPoP-Nonce']
