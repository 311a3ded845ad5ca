/**
 * What a check says of a principal. `unknown` is for what the token does not tell: it never lets anybody through, and
 * its negation is unknown as well (Kleene's logic), so `not` cannot turn an absent claim into access.
 */
export type Verdict = typeof holds | typeof fails | typeof unknown

export const holds = 1
export const fails = 0
export const unknown = -1
