import { Problem } from '../core/problem.ts'
import { shownToken } from '../core/shown-token.ts'
import { HeldToken } from './held-token.ts'
import type { IssuerAccess } from './issuer-access.ts'

/** Who acts, as a guard gives it: `auth`. */
export type Subject = {
  /** When the token that showed it ends, seconds since the epoch. */
  readonly expiresAtSeconds: number
}

/** Finds who acts at the moment of a call: what `createAuthContext` of the guard makes. */
export type SubjectContext = { auth(): Subject }

/**
 * The tokens that a client gets on behalf of its callers (RFC 8693), one for each token that a caller showed. The
 * caller's own text is the key, so what was got for one is never found for another, whatever they are called.
 */
export class SubjectTokens {
  readonly #access: IssuerAccess
  readonly #fields: Readonly<Record<string, string>>
  readonly #held = new Map<string, { readonly token: HeldToken; readonly untilMs: number }>()

  /** @param fields what narrows the tokens. */
  constructor(access: IssuerAccess, fields: Readonly<Record<string, string>>) {
    this.#access = access
    this.#fields = fields
  }

  /** @throws Problem `auth-missing` for anything but the very `auth` that a guard gave. */
  of(subject: Subject): HeldToken {
    const exchange = exchangeFields(subject, 'onBehalfOf')
    const text = exchange.subject_token
    const known = this.#held.get(text)
    // Moved to the end: the first is the one that was not used for the longest time.
    this.#held.delete(text)
    const untilMs = subject.expiresAtSeconds * 1000
    const one = known ?? {
      token: new HeldToken(this.#access, { ...this.#fields, ...exchange }, untilMs),
      untilMs,
    }
    this.#held.set(text, one)
    this.#forget()
    return one.token
  }

  get size(): number {
    return this.#held.size
  }

  /** What has ended goes when its turn comes; beyond that, as many are kept as there is room for. */
  #forget(): void {
    const nowMs = this.#access.clock()
    for (const [text, { untilMs }] of this.#held) {
      if (this.#held.size <= maxSubjects && untilMs > nowMs) return
      this.#held.delete(text)
    }
  }
}

/** What every exchange of a caller's token says (RFC 8693 §2.1). @throws Problem `auth-missing` */
export function exchangeFields(subject: Subject, where: string) {
  const text = shownToken(subject)
  if (text === undefined) {
    throw new Problem('auth-missing', `${where}: this is not who acts in a request`, {
      next: 'give it auth as the guard gave it, and no copy of it',
    })
  }
  return {
    grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
    subject_token: text,
    subject_token_type: 'urn:ietf:params:oauth:token-type:access_token',
  } as const
}

/** Each holds two tokens, a few kilobytes. */
const maxSubjects = 1000
