/**
 * Remembers which token showed who acts, for clients that act on their behalf. Nothing which prints, copies or sends the
 * object has the token, and a copy of it has none.
 */
export function rememberShownToken(auth: object, text: string): void {
  try {
    Shown.remember(auth, text)
  } catch {
    // Where a private field cannot be added to what is frozen, as a coming version of the language has it.
    beside.set(auth, text)
  }
}

/** The text of the token, or undefined for anything that no guard has made. */
export function shownToken(auth: object): string | undefined {
  return Shown.textOf(auth) ?? beside.get(auth)
}

class Itself {
  constructor(object: object) {
    return object
  }
}

/**
 * A private field on somebody else's object. A weak map would do, and costs the garbage collector as much for each new
 * token as making its principal does.
 */
class Shown extends Itself {
  #text: string

  private constructor(object: object, text: string) {
    super(object)
    this.#text = text
  }

  static remember(object: object, text: string): void {
    if (#text in object) object.#text = text
    else new Shown(object, text)
  }

  static textOf(object: object): string | undefined {
    return #text in object ? object.#text : undefined
  }
}

const beside = new WeakMap<object, string>()
