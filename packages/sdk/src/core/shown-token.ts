/**
 * Remembers which token showed who acts, for clients that act on their behalf. Kept beside the object and not in it, so
 * that nothing which prints, copies or sends the object has the token: a copy of it has none.
 */
export function rememberShownToken(auth: object, text: string): void {
  shown.set(auth, text)
}

/** The text of the token, or undefined for anything that no guard has made. */
export function shownToken(auth: object): string | undefined {
  return shown.get(auth)
}

const shown = new WeakMap<object, string>()
