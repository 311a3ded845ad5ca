import { refuseUnknownOptions } from '../core/options.ts'
import { Problem } from '../core/problem.ts'
import { VerificationKey } from '../jwt/key.ts'
import { dangerouslyAnyAudience } from '../jwt/verifier-options.ts'
import type { TestIssuer } from './memory-issuer.ts'

/** A client of the test issuer: its secret alone, or what it shows and what it may ask for. */
export type TestClient =
  | string
  | {
      /** What it shows: this, `publicKey` or `federated`. */
      readonly secret?: string
      /** Verifies the assertions that it signs itself (`private_key_jwt`, RFC 7523); made by `verificationKey` and its like. */
      readonly publicKey?: VerificationKey
      /** Its platform, which is another test issuer, and what the platform's tokens for it have in `sub`. */
      readonly federated?: { readonly issuer: TestIssuer; readonly subject: string }
      /** What it may ask for; none unless given. */
      readonly roles?: readonly string[]
      readonly scopes?: readonly string[]
      /** Whom its tokens may be for; anybody unless given. */
      readonly mayCall?: readonly string[]
      /**
       * For which services it stands, by their audiences: it may exchange the tokens that were sent to those, and no others.
       * The issuer's own `audience` unless given; nothing for `[]`.
       */
      readonly mayExchange?: readonly string[] | typeof dangerouslyAnyAudience
      /** Also exchanges tokens that are bound to somebody else's key: its guard has seen the proof. */
      readonly mayExchangeBound?: boolean
      /** For what it may begin transactions; needs the issuer's `trustDomain`. */
      readonly mayTransact?: readonly string[]
    }

/** The same with everything said. */
export type ReadClient = {
  readonly secret?: string
  readonly publicKey?: VerificationKey
  readonly federated?: { readonly issuer: TestIssuer; readonly subject: string }
  readonly roles: readonly string[]
  readonly scopes: readonly string[]
  readonly mayCall: readonly string[] | undefined
  readonly mayExchange: readonly string[] | typeof dangerouslyAnyAudience
  readonly mayExchangeBound: boolean
  readonly mayTransact: readonly string[]
}

/**
 * Reads the clients of a test issuer.
 *
 * @throws Problem `option-invalid` for one that shows nothing, or several things; `option-unknown`.
 */
export function readClients(
  clients: Readonly<Record<string, TestClient>>,
  audience: string,
): ReadonlyMap<string, ReadClient> {
  return new Map(Object.entries(clients).map(([id, client]) => [id, readClient(id, client, audience)]))
}

function readClient(id: string, given: TestClient, audience: string): ReadClient {
  const client = typeof given === 'string' ? { secret: given } : given
  const where = `startTestIssuer: clients.${id}`
  refuseUnknownOptions(where, client, clientNames)
  const { secret, publicKey, federated } = client
  if ([secret, publicKey, federated].filter((shown) => shown !== undefined).length !== 1) {
    throw new Problem('option-invalid', `${where}: expected one of secret, publicKey and federated`)
  }
  if (secret !== undefined && (typeof secret !== 'string' || secret === '')) {
    throw new Problem('option-invalid', `${where}: secret must be a text`)
  }
  if (publicKey !== undefined && (!VerificationKey.is(publicKey) || publicKey.isSymmetric)) {
    throw new Problem('option-invalid', `${where}: publicKey must be a public key`, {
      next: 'verificationKey(privateKey) makes it of the key that the token source signs with',
    })
  }
  if (federated !== undefined && !isPublished(federated.issuer)) {
    throw new Problem('option-invalid', `${where}: a platform with a shared secret speaks for nobody`, {
      next: 'make its test issuer with an algorithm that has a public key',
    })
  }
  const { roles = [], scopes = [], mayCall, mayTransact = [] } = client
  const may: Omit<ReadClient, 'secret' | 'publicKey' | 'federated'> = {
    roles,
    scopes,
    mayCall,
    mayExchange: client.mayExchange ?? [audience],
    mayExchangeBound: client.mayExchangeBound === true,
    mayTransact,
  }
  if (secret !== undefined) return { secret, ...may }
  return publicKey === undefined ? { federated: federated!, ...may } : { publicKey, ...may }
}

/** Whoever checks the assertions with a shared secret could sign them as well (RFC 8725 §3.2). */
function isPublished(issuer: TestIssuer): boolean {
  try {
    return issuer.jwks().keys.length > 0
  } catch {
    return false
  }
}

const clientNames: readonly string[] = [
  'secret',
  'publicKey',
  'federated',
  'roles',
  'scopes',
  'mayCall',
  'mayExchange',
  'mayExchangeBound',
  'mayTransact',
]
