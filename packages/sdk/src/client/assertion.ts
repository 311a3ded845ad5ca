import { randomUUID } from 'node:crypto'
import type { Clock } from '../core/clock.ts'
import { Problem } from '../core/problem.ts'
import type { SigningKey } from '../jwt/key.ts'
import { createSigner } from '../jwt/signer.ts'

/** Gives an assertion for one request; each call another one, or the file's content as it is now. */
export type AssertionSource = () => string | Promise<string>

/**
 * Assertions a client signs itself, `private_key_jwt` (RFC 7523 §2.2 with the corrections of its successor): for the
 * issuer alone, good for a minute, each with an id of its own because it is taken once.
 *
 * @param options.issuer the issuer identifier, which is the audience; never the token endpoint's URL.
 * @example
 * const assertion = signedAssertions({ key, clientId: 'orders', issuer: 'https://issuer.example', clock })
 */
export function signedAssertions(options: {
  readonly key: SigningKey
  readonly clientId: string
  readonly issuer: string
  readonly clock: Clock
}): AssertionSource {
  const { key, clientId, issuer, clock } = options
  const signer = createSigner({ key, type: 'client-authentication+jwt' })
  return () => {
    const iat = Math.floor(clock() / 1000)
    return signer.sign({
      iss: clientId,
      sub: clientId,
      aud: issuer,
      jti: randomUUID(),
      iat,
      exp: iat + lifeSeconds,
    })
  }
}

/**
 * The assertion that the platform keeps in a file, such as a Kubernetes service account's projected token. Read anew each
 * time: the platform replaces it long before it expires.
 *
 * @throws Problem `token-unavailable` when it cannot be read, is empty or far too long; the content is not repeated.
 */
export function assertionFile(path: string): AssertionSource {
  return async () => {
    let text: string
    try {
      const { readFile } = await import('node:fs/promises')
      text = (await readFile(path, 'utf8')).trim()
    } catch (error) {
      const code = (error as { code?: unknown } | null)?.code
      throw unusable(path, `cannot be read${typeof code === 'string' ? ` (${code})` : ''}`)
    }
    if (text === '') throw unusable(path, 'is empty')
    if (text.length > maxLength) throw unusable(path, `is longer than ${maxLength} characters`)
    return text
  }
}

function unusable(path: string, what: string): Problem {
  return new Problem('token-unavailable', `the client's assertion in ${path} ${what}`, {
    next: 'check that the platform mounts it, with the issuer’s URL as its audience',
  })
}

const lifeSeconds = 60

/** The longest token that any verifier of ours looks at. */
const maxLength = 16_384
