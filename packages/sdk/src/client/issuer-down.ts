import { Problem } from '../core/problem.ts'
import type { ProblemOptions } from '../core/problem.ts'

/**
 * That an issuer can be asked by nobody just now: it cannot be reached, or says so to the client itself. What it says of a
 * request for a user may be that user's own: another provider's keys, a limit, a slow look-up.
 */
export class IssuerDown extends Problem {
  constructor(message: string, options: ProblemOptions = {}) {
    super('token-unavailable', message, options)
  }
}
