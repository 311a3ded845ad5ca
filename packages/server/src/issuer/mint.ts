import { randomFillSync } from 'node:crypto'
import type { Signer } from '@countersign/sdk/jwt'
import type { Granted } from './grants/client-credentials.ts'

/** What is minted: the token and what the records of issuer, gateway and guard are joined by. */
export type Minted = {
  readonly token: string
  /** The `jti` claim. */
  readonly tokenId: string
}

/**
 * Mints an access token of RFC 9068 §2.2 for a client that acts for itself: `sub` is the client (§2.2, for grants
 * without a resource owner).
 *
 * @example
 * mint({ signer, issuer: 'https://issuer.example', clientId: 'orders', granted, nowMs, lifetimeSeconds: 300 })
 */
export function mint({ signer, issuer, clientId, granted, nowMs, lifetimeSeconds }: MintRequest): Minted {
  const iat = Math.floor(nowMs / 1000)
  const jti = randomTokenId()
  const token = signer.sign({
    iss: issuer,
    aud: granted.audience,
    sub: clientId,
    client_id: clientId,
    iat,
    exp: iat + lifetimeSeconds,
    jti,
    // Left out when empty; an empty `scope` is not even well-formed (RFC 6749 §3.3).
    ...(granted.scopes.length === 0 ? undefined : { scope: granted.scopes.join(' ') }),
    ...(granted.roles.length === 0 ? undefined : { roles: granted.roles }),
  })
  return { token, tokenId: jti }
}

export type MintRequest = {
  readonly signer: Signer
  /** The `iss` claim. */
  readonly issuer: string
  readonly clientId: string
  readonly granted: Granted
  readonly nowMs: number
  readonly lifetimeSeconds: number
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
