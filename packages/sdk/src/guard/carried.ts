import type { Principal } from '../policy/principal.ts'
import type { AskedRequest } from './guard-request.ts'

/**
 * What guards remember of one request, on the object that the framework gives to its handlers. Private fields, so that
 * whoever prints that object prints nothing of it.
 */
export class Carried {
  readonly #carrier: object
  #request: AskedRequest | undefined
  #principal: Principal | undefined
  #guard: object | undefined

  constructor(carrier: object) {
    this.#carrier = carrier
  }

  /** Not of an object that was copied or derived from the carrier: that is another request, whatever it has along. */
  isOf(carrier: object): boolean {
    return this.#carrier === carrier
  }

  get request(): AskedRequest | undefined {
    return this.#request
  }

  set request(request: AskedRequest) {
    this.#request = request
  }

  get principal(): Principal | undefined {
    return this.#principal
  }

  /** Whose principal it is. */
  get guard(): object | undefined {
    return this.#guard
  }

  letThrough(principal: Principal, guard: object): void {
    this.#principal = principal
    this.#guard = guard
  }
}

/** What is remembered of this carrier; from now on there is something. */
export function carriedBy(carrier: Carrier): Carried {
  const carried = carrier[key]
  return carried?.isOf(carrier) === true ? carried : (carrier[key] = new Carried(carrier))
}

/** The same for those who only look. */
export function carriedSoFar(carrier: Carrier): Carried | undefined {
  const carried = carrier[key]
  return carried?.isOf(carrier) === true ? carried : undefined
}

// A symbol that nobody else has: whatever merges a body or a header into a request cannot name it. A WeakMap would be
// one as well, but a request lives for a moment, and weak entries cost the garbage collector more than the check costs.
const key = Symbol('countersign')

/** An object of the framework's that lives as long as one request. */
export type Carrier = object & { [key]?: Carried }
