import { hash } from 'node:crypto'
import { deny } from '@countersign/sdk/core'
import type { Clock, Denial, DenialReason } from '@countersign/sdk/core'
import { createKeySet, createVerifier, dangerouslyAnyType, supportedAlgorithms } from '@countersign/sdk/jwt'
import type { KeySet, TrustedIssuerOptions, VerifiedToken } from '@countersign/sdk/jwt'
import type { Store } from '../../store/store.ts'
import type { Client, ClientKeys } from '../../trust/trust.ts'
import type { AuthRefusal } from './client-auth.ts'
import { findFederatedClient } from './federated-client.ts'
import type { FederatedClient } from './federated-client.ts'
import { refuse } from '../http/refusal.ts'
import type { RemoteKeys } from './remote-keys.ts'

/** Says which client an assertion speaks for. */
export type AssertionAuth = {
  /** @throws Problem `store-unavailable` or `keys-unavailable` when it cannot be told. */
  authenticate(presented: PresentedAssertion, nowMs: number): Promise<Client | AuthRefusal>
}

/** RFC 7521 §4.2 */
export type PresentedAssertion = {
  readonly assertion: string
  readonly assertionType: string
  /** The `client_id` beside it, which may be left out. */
  readonly clientId: string | undefined
}

export type AssertionAuthOptions = {
  readonly clients: Iterable<Client>
  /** The issuer identifier: the one audience an assertion may have. */
  readonly issuer: string
  /** The token endpoint's URL, for clients with `legacyAudience`. */
  readonly tokenEndpoint: string
  readonly store: Pick<Store, 'putOnce'>
  readonly remoteKeys: RemoteKeys
  readonly clock: Clock
}

/**
 * Authenticates clients by JWTs they sign themselves, `private_key_jwt` (RFC 7523 §2.2 and §3 with the corrections of
 * its successor): `iss` and `sub` are the client, `aud` is our issuer identifier and nothing else, `exp` at most an
 * hour ahead, and each `jti` is taken once. Or by JWTs that their platform signs for them: then `iss` is the platform.
 *
 * The `jti` is used up last, after signature and every claim: whoever sends a client's assertion to the wrong place, or
 * makes one up, must not be able to spoil a good one.
 *
 * @example
 * const assertions = createAssertionAuth({ clients, issuer, tokenEndpoint, store, remoteKeys, clock })
 * await assertions.authenticate({ assertion, assertionType, clientId: undefined }, nowMs)
 */
export function createAssertionAuth(options: AssertionAuthOptions): AssertionAuth {
  const { issuer, tokenEndpoint, store, remoteKeys, clock } = options
  const known = new Map<string, Client>()
  const issuers: TrustedIssuerOptions[] = []
  const byPlatform = new Map<string, FederatedClient[]>()
  for (const client of options.clients) {
    const { assertion } = client
    if (assertion === undefined) continue
    if (assertion.kind === 'federated') {
      const others = byPlatform.get(assertion.issuer)
      if (others === undefined) byPlatform.set(assertion.issuer, [{ client, assertion }])
      else others.push({ client, assertion })
      continue
    }
    const { keys, legacyAudience } = assertion
    known.set(client.id, client)
    issuers.push({
      issuer: client.id,
      audience: legacyAudience ? [issuer, tokenEndpoint] : issuer,
      keySet: keySetOf(client.id, keys, remoteKeys),
      // Looked at below: it may be absent, which the verifier has no word for.
      types: dangerouslyAnyType,
      requiredClaims: ['sub', 'jti'],
    })
  }
  for (const [platform, [first]] of byPlatform) {
    issuers.push({
      issuer: platform,
      audience: issuer,
      // The trust file has the same keys for all clients of one platform.
      keySet: remoteKeys.at(platform, first!.assertion.keys),
      types: dangerouslyAnyType,
      requiredClaims: ['sub'],
    })
  }
  if (issuers.length === 0) return { authenticate: async () => unknown(deny('issuer-mismatch', 'nobody')) }
  // Each is good once, so there is nothing to remember.
  const verifier = createVerifier({ issuers, clockToleranceSeconds: toleranceSeconds, cache: false, clock })

  return {
    async authenticate({ assertion, assertionType, clientId }, nowMs) {
      if (assertionType !== jwtBearer && assertionType !== jwtSpiffe) {
        return refuse('invalid_client', `this client_assertion_type is not known; send ${jwtBearer}`)
      }
      const outcome = verifier.verifyNow(assertion, nowMs) ?? (await verifier.verify(assertion))
      if (outcome.kind === 'denied') {
        const { denial } = outcome
        return signatureIsGood.has(denial.reason)
          ? refused(explained(denial, issuer), denial)
          : unknown(denial)
      }
      const { token } = outcome
      const bySpiffe = assertionType === jwtSpiffe
      const platform = byPlatform.get(token.issuer)
      if (platform !== undefined) {
        const found = findFederatedClient(platform, token, { clientId, bySpiffe, nowMs })
        if (found === 'several')
          return refused('several clients fit this assertion: send client_id', undefined)
        return 'reason' in found ? unknown(found) : found.client
      }
      const client = known.get(token.issuer)!
      if (bySpiffe) return unknown(deny('claim-refused', 'a client’s own assertion, sent as one of SPIFFE'))
      const denial = check(token, nowMs)
      if (denial !== undefined) return refused(explained(denial, issuer), denial, client)
      if (clientId !== undefined && clientId !== client.id) {
        return refuse('invalid_request', 'client_id is another client than the assertion names')
      }
      // Hashed, so that a store need not take whatever text a client thinks up.
      const id = hash('sha256', token.tokenId!, 'base64url')
      const untilMs = (token.expiresAtSeconds + toleranceSeconds) * 1000
      if (await store.putOnce(`assertion ${client.id}`, id, untilMs, nowMs)) return client
      return refused('the assertion has been used before: sign a new one for each request', undefined, client)
    },
  }
}

/** What `token_endpoint_auth_signing_alg_values_supported` lists: never a secret's algorithm (RFC 8725 §3.2). */
export function assertionAlgorithms(): readonly string[] {
  return supportedAlgorithms().filter((algorithm) => !algorithm.startsWith('HS'))
}

function keySetOf(owner: string, keys: ClientKeys, remoteKeys: RemoteKeys): KeySet {
  return keys.kind === 'keys' ? createKeySet(keys.keys) : remoteKeys.at(owner, keys)
}

/** What the verifier has no rule for. */
function check(token: VerifiedToken, nowMs: number): Denial | undefined {
  const type = token.header['typ']
  if (type !== undefined && !types.has((type as string).toLowerCase())) {
    return deny('type-mismatch', 'typ is that of another kind of JWT')
  }
  // A string, and not a list that holds it: a list could name others who then may pass the assertion on to us.
  if (typeof token.claims['aud'] !== 'string') return deny('audience-mismatch', 'aud is a list')
  if (token.subject !== token.issuer) return deny('claim-malformed', 'sub is not the client that iss names')
  if (token.tokenId === '') return deny('claim-malformed', 'jti is empty')
  if (token.expiresAtSeconds > nowMs / 1000 + maxLifeSeconds + toleranceSeconds) {
    return deny('token-lifetime', `exp lies more than ${maxLifeSeconds} s ahead`)
  }
  return undefined
}

/** Whoever has signed it may know what else is wrong; for everybody else all refusals are the same. */
function explained({ reason, detail }: Denial, issuer: string): string {
  return reason === 'audience-mismatch'
    ? `the assertion is for somebody else: aud must be the text ${issuer}`
    : `the assertion is refused: ${detail}`
}

function unknown(denial: Denial): AuthRefusal {
  return refused('unknown client, or an assertion that it has not signed', denial)
}

function refused(description: string, denial: Denial | undefined, client?: Client): AuthRefusal {
  return {
    ...refuse('invalid_client', description),
    ...(denial === undefined ? {} : { denial }),
    ...(client === undefined ? {} : { clientId: client.id }),
  }
}

/** The SPIFFE profile of OAuth client authentication: a JWT-SVID, which is used again until it expires. */
const jwtSpiffe = 'urn:ietf:params:oauth:client-assertion-type:jwt-spiffe'

const jwtBearer = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer'

/** `JWT` says no more than no type at all; every other one was made for something else (RFC 8725 §3.11). */
const types = new Set([
  'jwt',
  'application/jwt',
  'client-authentication+jwt',
  'application/client-authentication+jwt',
])

/** Clocks of clients differ more than those of issuers: ten seconds ahead are common, a minute is a mistake. */
const toleranceSeconds = 15

/** Long enough for every library's habit; how long a used `jti` has to be remembered. */
const maxLifeSeconds = 3600

/** Reasons that the verifier gives only after the signature. */
const signatureIsGood: ReadonlySet<DenialReason> = new Set<DenialReason>([
  'claim-missing',
  'claim-malformed',
  'audience-mismatch',
  'token-expired',
  'token-premature',
  'proof-required',
])
