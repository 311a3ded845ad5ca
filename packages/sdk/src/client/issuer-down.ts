import { Problem } from '../core/problem.ts'
import type { ProblemOptions } from '../core/problem.ts'

/** That an issuer can be asked by nobody just now: no answer at all, or one that is not about the request. */
export class IssuerDown extends Problem {
  constructor(message: string, options: ProblemOptions = {}) {
    super('token-unavailable', message, options)
  }
}
