import { randomFillSync } from 'node:crypto'
import type { Signer } from '@countersign/sdk/jwt'
import type { ConfirmationClaim } from './binding.ts'
import type { Granted } from './grants/rights.ts'

/** What is minted: the token and what the records of issuer, gateway and guard are joined by. */
export type Minted = {
  readonly token: string
  /** The `jti` claim. */
  readonly tokenId: string
  /** How long it lives from now on. */
  readonly lifetimeSeconds: number
}

/**
 * Mints an access token of RFC 9068 §2.2. For a client that acts for itself `sub` is the client (§2.2, for grants
 * without a resource owner); for one that acts for somebody, `act` is (RFC 8693 §4.1).
 *
 * @example
 * mint({ signer, issuer: 'https://issuer.example', clientId: 'orders', granted, nowMs, lifetimeSeconds: 300 })
 */
export function mint({
  signer,
  issuer,
  clientId,
  granted,
  nowMs,
  lifetimeSeconds,
  confirmation,
}: MintRequest): Minted {
  const iat = Math.floor(nowMs / 1000)
  const jti = randomTokenId()
  const { delegation } = granted
  const exp = Math.min(iat + lifetimeSeconds, delegation?.expiresAtSeconds ?? Infinity)
  const token = signer.sign({
    iss: issuer,
    aud: granted.audience,
    sub: delegation?.subject ?? clientId,
    client_id: clientId,
    iat,
    exp,
    jti,
    // Left out when empty; an empty `scope` is not even well-formed (RFC 6749 §3.3).
    ...(granted.scopes.length === 0 ? undefined : { scope: granted.scopes.join(' ') }),
    ...(granted.roles.length === 0 ? undefined : { roles: granted.roles }),
    ...delegation?.claims,
    ...(confirmation === undefined ? undefined : { cnf: confirmation }),
  })
  return { token, tokenId: jti, lifetimeSeconds: exp - iat }
}

export type MintRequest = {
  readonly signer: Signer
  /** The `iss` claim. */
  readonly issuer: string
  readonly clientId: string
  readonly granted: Granted
  readonly nowMs: number
  readonly lifetimeSeconds: number
  /** The `cnf` claim (RFC 7800 §3); undefined: whoever holds the token may use it. */
  readonly confirmation?: ConfirmationClaim | undefined
}

/** 128 random bits. They are drawn for many tokens at once: one call to the generator costs as much as 256. */
function randomTokenId(): string {
  if (poolOffset === pool.length) {
    randomFillSync(pool)
    poolOffset = 0
  }
  const id = pool.toString('base64url', poolOffset, poolOffset + tokenIdBytes)
  pool.fill(0, poolOffset, poolOffset + tokenIdBytes)
  poolOffset += tokenIdBytes
  return id
}

const tokenIdBytes = 16
const pool = Buffer.alloc(256 * tokenIdBytes)
let poolOffset = pool.length
