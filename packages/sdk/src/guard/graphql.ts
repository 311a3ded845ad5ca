import { Problem } from '../core/problem.ts'
import type { Guard, GuardTerms } from './guard.ts'
import { needsOf } from './refusal.ts'
import type { Needs } from './refusal.ts'

/** `GraphQLError` of graphql-js, or what is made like it. */
export type GraphqlErrorClass = new (message: string, options: { extensions: { code: GraphqlCode } }) => Error

/** The codes that clients of GraphQL know, in `extensions.code`. */
export type GraphqlCode =
  'BAD_REQUEST' | 'UNAUTHENTICATED' | 'FORBIDDEN' | 'SERVICE_UNAVAILABLE' | 'INTERNAL_SERVER_ERROR'

/**
 * Makes the checks of a GraphQL server: each gives who acts, or throws a `GraphQLError` with a code in its extensions.
 * In a resolver it guards one field. Where the context is made it guards all of them, but some servers (Apollo, Mercurius)
 * answer what is thrown there with a 500. The context must hold the request.
 *
 * A refusal in GraphQL is an error among the data, with the status 200; the headers that belong to it are in
 * `needs.answerHeaders(req)`, for whatever writes the answer. Whoever wants a 401 for the whole endpoint puts an HTTP
 * guard in front.
 *
 * @param GraphQLError of graphql, which is not imported here.
 * @example
 * const needs = guardGraphql(guard, GraphQLError)
 * const readers = needs({ roles: 'reader' })
 * const resolvers = { Query: { invoice: (_, { id }, { req }) => readers(req, (auth) => findInvoice(id, auth)) } }
 */
export function guardGraphql<Terms extends GuardTerms>(
  guard: Guard<Terms>,
  GraphQLError: GraphqlErrorClass,
): Needs<Terms> {
  if (typeof GraphQLError !== 'function') {
    throw new Problem('option-invalid', 'guardGraphql: expected the GraphQLError of graphql')
  }
  return needsOf('guardGraphql', guard, (cause) => {
    const code = codes[cause.challenge.status] ?? 'INTERNAL_SERVER_ERROR'
    const error = new GraphQLError(cause.message, { extensions: { code } })
    // Not as its `originalError`: by that Yoga takes an error for one that nobody meant to show, and masks it.
    return Object.defineProperty(error, 'cause', { value: cause, configurable: true, writable: true })
  })
}

const codes: Readonly<Record<number, GraphqlCode>> = {
  400: 'BAD_REQUEST',
  401: 'UNAUTHENTICATED',
  403: 'FORBIDDEN',
  503: 'SERVICE_UNAVAILABLE',
}
