import { randomFillSync } from 'node:crypto'
import { createExternalSigner, createSigner } from '@countersign/sdk/jwt'
import type { ExternalSigner, Signer, SigningKey } from '@countersign/sdk/jwt'
import type { ConfirmationClaim } from './binding.ts'
import type { Granted } from '../grants/rights.ts'
import { isExternal } from '../keys/external-keys.ts'
import type { ExternalKey } from '../keys/external-keys.ts'

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
export function mint(request: MintRequest & { readonly signer: Signer }): Minted
export function mint(request: MintRequest): Minted | Promise<Minted>
export function mint({
  signer,
  issuer,
  clientId,
  granted,
  nowMs,
  lifetimeSeconds,
  confirmation,
}: MintRequest): Minted | Promise<Minted> {
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
  return minted(token, jti, exp - iat)
}

/**
 * Mints a transaction token (draft-ietf-oauth-transaction-tokens): it says what is being done and for whom, and is no
 * credential, so it has neither roles nor a client, nor is it bound to anybody.
 *
 * @example
 * mintTransaction({ key: ring.signingKeyAt(nowMs), issuer: 'https://issuer.example', granted, nowMs, lifetimeSeconds: 60 })
 */
export function mintTransaction(request: TransactionRequest & { readonly key: SigningKey }): Minted
export function mintTransaction(request: TransactionRequest): Minted | Promise<Minted>
export function mintTransaction(request: TransactionRequest): Minted | Promise<Minted> {
  const { key, issuer, granted, nowMs, lifetimeSeconds } = request
  const iat = Math.floor(nowMs / 1000)
  const jti = randomTokenId()
  const { delegation, transaction, audience, scopes } = granted
  const exp = Math.min(iat + lifetimeSeconds, delegation?.expiresAtSeconds ?? Infinity)
  const { lineage, sub_id } = delegation?.claims ?? {}
  const token = transactionSigner(key).sign({
    iss: issuer,
    aud: audience,
    sub: delegation?.subject,
    iat,
    exp,
    jti,
    scope: scopes.join(' '),
    ...transaction,
    ...(sub_id === undefined ? undefined : { sub_id }),
    ...(lineage === undefined ? undefined : { lineage }),
  })
  return minted(token, jti, exp - iat)
}

/** At once, unless the key is elsewhere: whoever signs here waits for nothing, not even for a microtask. */
function minted(
  token: string | Promise<string>,
  tokenId: string,
  lifetimeSeconds: number,
): Minted | Promise<Minted> {
  return typeof token === 'string'
    ? { token, tokenId, lifetimeSeconds }
    : token.then((signed) => ({ token: signed, tokenId, lifetimeSeconds }))
}

function transactionSigner(key: SigningKey | ExternalKey): Signer | ExternalSigner {
  const type = 'txntoken+jwt'
  if (!isExternal(key)) return createSigner({ key, type })
  const { algorithm, keyId } = key
  return createExternalSigner({ algorithm, keyId, sign: (input) => key.sign(input), type })
}

export type TransactionRequest = {
  readonly key: SigningKey | ExternalKey
  /** The `iss` claim. */
  readonly issuer: string
  readonly granted: Granted
  readonly nowMs: number
  readonly lifetimeSeconds: number
}

export type MintRequest = {
  readonly signer: Signer | ExternalSigner
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
