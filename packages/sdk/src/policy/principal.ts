/**
 * Who acts: the identity a verified token gives to the rest of the request.
 *
 * `subject` is whom the request is about (a client, or an end user whose identity travels), `actor` is who is acting
 * for that subject right now (RFC 8693 §4.1: the outermost `act`), with its own `actor` for the hop before.
 */
export type Principal = {
  readonly kind: 'client' | 'user'
  /** The `iss` claim. */
  readonly issuer: string
  /** The `sub` claim; undefined when the issuer names nobody (the tutorial's tokens). */
  readonly subject: string | undefined
  /** The `client_id` claim (RFC 9068 §2.2), or `azp`; undefined when the issuer names no client. */
  readonly clientId: string | undefined
  readonly actor: Actor | undefined
  readonly scopes: ReadonlySet<string>
  readonly roles: ReadonlySet<string>
  /** The `jti` claim, which joins the records of issuer, gateway and guard. */
  readonly tokenId: string | undefined
  /** When the token ends, seconds since the epoch. */
  readonly expiresAtSeconds: number
  /** All claims, deeply frozen, as the issuer signed them. */
  readonly claims: Readonly<Record<string, unknown>>
}

export type Actor = {
  readonly subject: string
  readonly issuer: string | undefined
  readonly actor: Actor | undefined
}
