import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from 'node:crypto'
import { Problem, Secret } from '@countersign/sdk/core'

/** Puts private keys under seal for the store, and opens them again. */
export type KeySeal = {
  /** @param label what the sealed text belongs to; it opens under the same label only. */
  seal(privateKey: Secret, label: KeyLabel): string
  /** @throws Problem `seal-broken` when secret, label or text is not the one it was sealed with. */
  open(sealed: string, label: KeyLabel): Secret
}

export type KeyLabel = { readonly keyId: string; readonly algorithm: string }

/**
 * Seals with AES-256-GCM under a key derived from `secret` (HKDF-SHA256, RFC 5869) with a salt of its own for every
 * sealing, so that no nonce can ever meet the same key twice. The label is authenticated with it: a sealed key moved
 * to another record, or given another algorithm, does not open.
 *
 * @param secret at least 32 bytes, from a random generator: it is stretched by nothing.
 * @throws Problem `seal-weak`
 *
 * @example
 * const seal = createKeySeal(Secret.fromText(process.env.COUNTERSIGN_SEAL))
 * const sealed = seal.seal(privateJwk(key), { keyId: key.keyId, algorithm: key.algorithm })
 */
export function createKeySeal(secret: Secret): KeySeal {
  if (secret.byteLength < minimumSealBytes) {
    throw new Problem(
      'seal-weak',
      `issuer.keys.seal: ${secret.byteLength} bytes, at least ${minimumSealBytes} are needed`,
      { next: 'make one with: openssl rand -base64 48' },
    )
  }
  return {
    seal(privateKey, label) {
      const salt = randomBytes(saltBytes)
      const nonce = randomBytes(nonceBytes)
      const cipher = createCipheriv('aes-256-gcm', derive(secret, salt), nonce, { authTagLength: tagBytes })
      cipher.setAAD(associated(label))
      const sealed = Buffer.concat([cipher.update(privateKey.reveal()), cipher.final()])
      return sealedMark + Buffer.concat([salt, nonce, cipher.getAuthTag(), sealed]).toString('base64url')
    },
    open(sealed, label) {
      if (sealed.startsWith(plainMark)) throw unsealedUnderSeal(label)
      if (!sealed.startsWith(sealedMark)) throw broken(label, 'it has a form this version does not know')
      const bytes = Buffer.from(sealed.slice(sealedMark.length), 'base64url')
      if (bytes.length <= saltBytes + nonceBytes + tagBytes) throw broken(label, 'it is cut short')
      const salt = bytes.subarray(0, saltBytes)
      const nonce = bytes.subarray(saltBytes, saltBytes + nonceBytes)
      const tag = bytes.subarray(saltBytes + nonceBytes, saltBytes + nonceBytes + tagBytes)
      const decipher = createDecipheriv('aes-256-gcm', derive(secret, salt), nonce, {
        authTagLength: tagBytes,
      })
      decipher.setAAD(associated(label))
      decipher.setAuthTag(tag)
      try {
        const body = bytes.subarray(saltBytes + nonceBytes + tagBytes)
        return new Secret(Buffer.concat([decipher.update(body), decipher.final()]))
      } catch {
        // The cause is left out: all it could tell is that the tag did not match.
        throw broken(label, 'the seal secret is not the one it was sealed with, or the record was changed')
      }
    },
  }
}

/**
 * No seal at all: private keys lie readable in the store. For a memory store, which nobody can read, and for people
 * who wrote the danger into the trust file.
 *
 * It opens what it wrote itself only: a store that was sealed once is never read without its secret.
 */
export const dangerouslyUnsealed: KeySeal = {
  seal: (privateKey) => plainMark + Buffer.from(privateKey.reveal()).toString('base64url'),
  open(sealed, label) {
    if (sealed.startsWith(plainMark)) {
      return new Secret(Buffer.from(sealed.slice(plainMark.length), 'base64url'))
    }
    throw new Problem(
      'seal-missing',
      `signing key ${label.keyId} in the store is sealed, and no seal secret is set`,
      {
        next: 'set issuer.keys.seal to the secret this store was first used with',
      },
    )
  },
}

function derive(secret: Secret, salt: Uint8Array): Buffer {
  return Buffer.from(hkdfSync('sha256', secret.reveal(), salt, 'countersign key seal 1', 32))
}

/** JSON keeps the two apart, whatever characters they hold. */
function associated({ keyId, algorithm }: KeyLabel): Buffer {
  return Buffer.from(JSON.stringify([sealedMark, keyId, algorithm]), 'utf8')
}

function broken(label: KeyLabel, why: string): Problem {
  return new Problem('seal-broken', `signing key ${label.keyId} in the store cannot be opened: ${why}`, {
    next: 'set issuer.keys.seal to the secret this store was first used with; nothing has been changed',
  })
}

/** Taking it would let whoever can write to the store, but has no seal secret, plant a signing key of their own. */
function unsealedUnderSeal(label: KeyLabel): Problem {
  return new Problem(
    'seal-broken',
    `signing key ${label.keyId} in the store is not sealed, but a seal secret is set`,
    {
      next: 'start with an empty store, or go on without issuer.keys.seal; nothing has been changed',
    },
  )
}

/** As long as the AES-256 key that is made from it. */
export const minimumSealBytes = 32
const saltBytes = 16
const nonceBytes = 12
const tagBytes = 16
/** In front of every sealed text: how to read what follows. */
const sealedMark = 'sealed-1.'
const plainMark = 'plain-1.'
