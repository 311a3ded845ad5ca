import { Problem } from '../core/problem.ts'
import type { Guard, GuardTerms } from './guard.ts'
import { needOf } from './refusal.ts'
import type { Need, PolicyOf } from './refusal.ts'

/** `GraphQLError` of graphql-js, or what is made like it. */
export type GraphqlErrorClass = new (
  message: string,
  options: { originalError: Error; extensions: { code: GraphqlCode } },
) => Error

/** The codes that clients of GraphQL know, in `extensions.code`. */
export type GraphqlCode =
  'BAD_REQUEST' | 'UNAUTHENTICATED' | 'FORBIDDEN' | 'SERVICE_UNAVAILABLE' | 'INTERNAL_SERVER_ERROR'

/**
 * Makes the checks of a GraphQL server: each gives who acts, or throws a `GraphQLError` with a code in its extensions.
 * In a resolver it guards one field; where the context is made, all of them. The context must hold the request.
 *
 * A refusal in GraphQL is an error among the data, with the status 200. Whoever wants a 401 for the whole endpoint puts
 * an HTTP guard in front.
 *
 * @param GraphQLError of graphql, which is not imported here.
 * @example
 * const needs = guardGraphql(guard, GraphQLError)
 * const readers = needs({ roles: 'reader' })
 * const resolvers = { Query: { invoice: async (_, { id }, { req }) => findInvoice(id, await readers(req)) } }
 */
export function guardGraphql<Terms extends GuardTerms>(
  guard: Guard<Terms>,
  GraphQLError: GraphqlErrorClass,
): (requirement: PolicyOf<Terms>) => Need<Terms['claims']> {
  if (typeof GraphQLError !== 'function') {
    throw new Problem('option-invalid', 'guardGraphql: expected the GraphQLError of graphql')
  }
  return (requirement) =>
    needOf('guardGraphql', guard, requirement, (refusal) => {
      const code = codes[refusal.challenge.status] ?? 'INTERNAL_SERVER_ERROR'
      return new GraphQLError(refusal.message, { originalError: refusal, extensions: { code } })
    })
}

const codes: Readonly<Record<number, GraphqlCode>> = {
  400: 'BAD_REQUEST',
  401: 'UNAUTHENTICATED',
  403: 'FORBIDDEN',
  503: 'SERVICE_UNAVAILABLE',
}
