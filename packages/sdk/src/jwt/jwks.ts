import { isAlgorithm, refuseUnknownAlgorithms } from './algorithms.ts'
import type { Algorithm } from './algorithms.ts'
import { checkJwk } from './jwk.ts'
import { VerificationKey } from './key.ts'
import { refuseRepeatedIds } from './key-set.ts'
import { refuseUnknownOptions } from '../core/options.ts'
import { isProblem, Problem } from '../core/problem.ts'

/** What {@link readJwks} does with a document. */
export type ReadJwksOptions = {
  /** The algorithms that may be meant; see `readJwk`. */
  readonly algorithms?: readonly Algorithm[]
  readonly where?: string
}

/**
 * Reads a JWK Set (RFC 7517 §5). Keys for encryption and of unknown kinds are left out, as §5 asks; a symmetric or
 * private key refuses the set, since a published secret is a secret no more.
 *
 * @throws Problem `key-invalid` when the document is no JWK Set, repeats a `kid`, or holds a secret.
 */
export function readJwks(document: unknown, options: ReadJwksOptions = {}): VerificationKey[] {
  refuseUnknownOptions('readJwks', options, ['algorithms', 'where'])
  refuseUnknownAlgorithms('readJwks', options.algorithms)
  const where = options.where ?? 'jwks'
  const listed = (document as { keys?: unknown } | null | undefined)?.keys
  if (!Array.isArray(listed))
    throw new Problem('key-invalid', `${where}: expected an object with an array "keys"`)
  if (listed.length > maxKeys) throw new Problem('key-invalid', `${where}: more than ${maxKeys} keys`)
  const keys: VerificationKey[] = []
  listed.forEach((jwk: unknown, index) => {
    const spot = `${where}: keys[${index}]`
    refuseSecrets(jwk, spot)
    if (!isForSignatures(jwk)) return
    try {
      const checked = checkJwk(jwk, 'verify', options.algorithms, spot)
      keys.push(new VerificationKey(checked.algorithm, checked.keyId, checked.material))
    } catch (problem) {
      // An issuer may publish a weak or foreign key beside good ones; leaving it out refuses its tokens alone.
      if (!isProblem(problem)) throw problem
    }
  })
  refuseRepeatedIds(keys, where)
  return keys
}

/** More keys than this in one set is a mistake or an attack on the reader's time. */
export const maxKeys = 100

function refuseSecrets(jwk: unknown, where: string): void {
  const key = jwk as Record<string, unknown> | null | undefined
  if (key?.['kty'] === 'oct' || key?.['d'] !== undefined || key?.['priv'] !== undefined) {
    throw new Problem('key-invalid', `${where}: a secret or private key in a published set`, {
      next: 'whoever publishes it must replace it: it is known now',
    })
  }
}

/** RFC 7517 §5: leave out what is for something else or of an unknown kind. */
function isForSignatures(jwk: unknown): boolean {
  const key = jwk as Record<string, unknown> | null | undefined
  return (key?.['use'] ?? 'sig') === 'sig' && (key?.['alg'] === undefined || isAlgorithm(key['alg']))
}
