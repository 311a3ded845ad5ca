import { randomBytes } from 'node:crypto'
import { isProblem, Problem } from '@countersign/sdk/core'
import { readJwk } from '@countersign/sdk/jwt'
import type { Algorithm, Jwk, SigningKey, VerificationKey } from '@countersign/sdk/jwt'
import type { SignerProcess } from './signer-process.ts'

/** The public half of a key that lives elsewhere, and the way to its private half. */
export type ExternalKey = {
  readonly keyId: string
  readonly algorithm: Algorithm
  /** What is published. */
  readonly jwk: Jwk
  readonly verification: VerificationKey
  /**
   * A signature that the published key has verified; nothing else ever leaves here.
   *
   * @throws Problem `signer-wrong` for any other, `signer-unavailable`
   */
  sign(input: Uint8Array): Promise<Uint8Array>
}

/** Keys that others hold: a cloud's key service, an HSM. */
export type ExternalKeys = {
  /** A key by its published half, as it is kept in the ring. @throws Problem `key-invalid` */
  read(jwk: unknown, where: string): ExternalKey
  /**
   * The first key on offer for `algorithm` that is not `taken`, once it has proven itself.
   *
   * @throws Problem `signer-wrong`, `signer-unavailable`
   */
  offer(algorithm: Algorithm, taken: ReadonlySet<string>): Promise<ExternalKey | undefined>
  /** Whether there is anybody to ask. */
  isUp(): boolean
  /** @throws Problem `signer-unavailable` while there is nobody to ask. */
  refuseDown(): void
  /** Calls `listener` for each signature that was asked for. */
  observe(listener: SignatureListener): void
  close(): Promise<void>
}

export const signatureOutcomes = ['signed', 'unavailable', 'wrong'] as const
export type SignatureListener = (outcome: (typeof signatureOutcomes)[number], seconds: number) => void

/**
 * Signs with keys that a program holds.
 *
 * @example
 * const external = createExternalKeys(startSignerProcess({ command, timeoutMs: 2000, log }))
 * const key = await external.offer('ES256', new Set())
 */
export function createExternalKeys(signer: SignerProcess): ExternalKeys {
  const listeners: SignatureListener[] = []

  const sign = async (input: Uint8Array, key: Pick<ExternalKey, 'keyId' | 'algorithm' | 'verification'>) => {
    const { keyId, algorithm, verification } = key
    const bytes = Buffer.from(input.buffer, input.byteOffset, input.byteLength)
    const startedMs = performance.now()
    let outcome: Parameters<SignatureListener>[0] = 'unavailable'
    try {
      const { signature } = await signer.ask({
        method: 'sign',
        keyId,
        algorithm,
        input: bytes.toString('base64url'),
      })
      outcome = 'wrong'
      // The very bytes that are published must verify it: another key's, an older one's or half a signature does not.
      if (typeof signature !== 'string' || !verification.verifies(input, signature)) {
        throw new Problem('signer-wrong', `the external signer: its signature is not one of key ${keyId}`, {
          next: 'check that the program signs the bytes it was given with this key; ECDSA as r and s, not as DER',
          retryAfterSeconds: 5,
        })
      }
      outcome = 'signed'
      return Buffer.from(signature, 'base64url')
    } finally {
      const seconds = (performance.now() - startedMs) / 1000
      for (const listener of listeners) listener(outcome, seconds)
    }
  }

  const read = (jwk: unknown, where: string): ExternalKey => {
    const verification = readJwk(jwk, { where })
    const { keyId, algorithm } = verification
    if (keyId === undefined) throw new Problem('key-invalid', `${where}: it has no "kid"`)
    if (verification.isSymmetric) throw new Problem('key-invalid', `${where}: a secret has no public half`)
    const known = { keyId, algorithm, verification }
    return Object.freeze({
      ...known,
      jwk: publicMembers(jwk as Jwk, known),
      sign: (input: Uint8Array) => sign(input, known),
    })
  }

  return {
    read,
    async offer(algorithm, taken) {
      const { keys } = await signer.ask({ method: 'keys' })
      if (!Array.isArray(keys)) throw wrongKeys('it answered no list of keys')
      const offered = (keys as readonly unknown[]).map((jwk, index) => {
        try {
          return read(jwk, `key ${index + 1}`)
        } catch (error) {
          throw isProblem(error) ? wrongKeys(error.message) : error
        }
      })
      const key = offered.find(
        (candidate) => candidate.algorithm === algorithm && !taken.has(candidate.keyId),
      )
      if (key !== undefined) await prove(key)
      return key
    },
    isUp: () => signer.isRunning(),
    refuseDown() {
      if (signer.isRunning()) return
      throw new Problem('signer-unavailable', 'the external signer: it is not running', {
        next: 'look at the program in issuer.keys.external; it is started again by itself',
        retryAfterSeconds: 2,
      })
    },
    observe: (listener) => void listeners.push(listener),
    close: () => signer.close(),
  }
}

/** Has a key sign something that is no token and could be none: it has no dot. */
export async function prove(key: Pick<ExternalKey, 'sign'>): Promise<void> {
  await key.sign(Buffer.from(`countersign asks for a proof ${randomBytes(16).toString('hex')}`, 'latin1'))
}

/** A signature as base64url: at once where the key is here, later where it is elsewhere. */
export function signText(key: SigningKey | ExternalKey, input: string): string | Promise<string> {
  if (!isExternal(key)) return key.signs(input)
  return key.sign(Buffer.from(input, 'latin1')).then((bytes) => Buffer.from(bytes).toString('base64url'))
}

export function isExternal(key: SigningKey | ExternalKey): key is ExternalKey {
  return 'sign' in key
}

/** Only what verifiers need is published, whatever else the program said of its key. */
function publicMembers(jwk: Jwk, { keyId, algorithm }: Pick<ExternalKey, 'keyId' | 'algorithm'>): Jwk {
  const members = ['kty', 'crv', 'x', 'y', 'n', 'e', 'pub'].filter((name) => jwk[name] !== undefined)
  const numbers = Object.fromEntries(members.map((name) => [name, jwk[name]]))
  return Object.freeze({ ...numbers, kid: keyId, alg: algorithm, use: 'sig' })
}

function wrongKeys(why: string): Problem {
  return new Problem('signer-wrong', `the external signer: ${why}`, {
    next: 'its keys are public JWKs with kid and alg',
    retryAfterSeconds: 5,
  })
}
