import { Problem } from '../core/problem.ts'
import type { Guard, GuardTerms } from './guard.ts'
import { needsOf, passedOn, Refusal } from './refusal.ts'
import type { Needs } from './refusal.ts'

/** `TRPCError` of @trpc/server, or what is made like it. */
export type TrpcErrorClass = new (options: { code: TrpcCode; message: string; cause: unknown }) => Error

export type TrpcCode =
  'BAD_REQUEST' | 'UNAUTHORIZED' | 'FORBIDDEN' | 'SERVICE_UNAVAILABLE' | 'INTERNAL_SERVER_ERROR'

/**
 * Makes the checks of a tRPC server, for middleware: each gives who acts, or throws a `TRPCError`. The context must
 * hold the request, as `createContext` gets it. `needs.answerHeaders(ctx?.req)` is for `responseMeta`.
 *
 * @param TRPCError of @trpc/server, which is not imported here.
 * @example
 * const needs = guardTrpc(guard, TRPCError)
 * const readers = needs({ roles: 'reader' })
 * const t = initTRPC.context<{ req: IncomingMessage }>().create()
 * const procedure = t.procedure.use(({ ctx, next }) => readers(ctx.req, (auth) => next({ ctx: { auth } })))
 */
export function guardTrpc<Terms extends GuardTerms>(
  guard: Guard<Terms>,
  TRPCError: TrpcErrorClass,
): Needs<Terms> {
  if (typeof TRPCError !== 'function') {
    throw new Problem('option-invalid', 'guardTrpc: expected the TRPCError of @trpc/server')
  }
  return needsOf('guardTrpc', guard, (cause) => {
    const code = codes[cause.challenge.status] ?? 'INTERNAL_SERVER_ERROR'
    return new TRPCError({ code, message: cause.message, cause })
  })
}

/**
 * The headers that refusals ask for (`WWW-Authenticate`, `Retry-After`, `DPoP-Nonce`), for `responseMeta`. Of a batch, the
 * first refusal counts. What the answer to an allowed call should tell is in `needs.answerHeaders` alone.
 *
 * @example
 * createHTTPServer({ router, createContext, responseMeta: ({ errors }) => ({ headers: challengeHeaders(errors) }) })
 */
export function challengeHeaders(errors: readonly { readonly cause?: unknown }[]): Record<string, string> {
  const refusal = errors.map(({ cause }) => cause).find((cause) => cause instanceof Refusal)
  return refusal === undefined ? {} : passedOn(refusal.challenge)
}

const codes: Readonly<Record<number, TrpcCode>> = {
  400: 'BAD_REQUEST',
  401: 'UNAUTHORIZED',
  403: 'FORBIDDEN',
  503: 'SERVICE_UNAVAILABLE',
}
