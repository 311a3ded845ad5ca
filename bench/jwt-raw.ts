import { constants, createHmac, sign, timingSafeEqual, verify } from 'node:crypto'
import type { Material } from './jwt-material.ts'
import type { Contestant } from './measure.ts'

/**
 * The floor: nothing but the signature, by node:crypto with a cached key in its fastest form, on bytes that are ready
 * (for ECDSA in DER, the form OpenSSL computes). No splitting, no decoding, no JSON.
 */
export function rawVerifier(material: Material, tokens: readonly string[]): Contestant {
  const { algorithm, publicKey } = material
  const ready = tokens.map((token) => {
    const lastDot = token.lastIndexOf('.')
    const signature = Buffer.from(token.slice(lastDot + 1), 'base64url')
    return {
      input: Buffer.from(token.slice(0, lastDot), 'latin1'),
      signature: algorithm.startsWith('ES') ? der(signature) : signature,
    }
  })
  const argument = cryptoArgument(algorithm, publicKey)
  const hash = hashOf(algorithm)
  return {
    name: 'node:crypto',
    run: (times) => {
      for (let index = 0; index < times; index++) {
        const { input, signature } = ready[index % ready.length]!
        const good = algorithm.startsWith('HS')
          ? timingSafeEqual(createHmac(hash!, publicKey).update(input).digest(), signature)
          : verify(hash, input, argument, signature)
        if (!good) throw new Error('refused')
      }
    },
  }
}

/** The floor of signing: the signature alone, on bytes that are ready. */
export function rawSigner(material: Material, claims: Record<string, unknown>): Contestant {
  const { algorithm, privateKey } = material
  const input = Buffer.from(`${'h'.repeat(64)}.${Buffer.from(JSON.stringify(claims)).toString('base64url')}`)
  const argument = cryptoArgument(algorithm, privateKey)
  const hash = hashOf(algorithm)
  return {
    name: 'node:crypto',
    run: (times) => {
      for (let index = 0; index < times; index++) {
        if (algorithm.startsWith('HS')) createHmac(hash!, privateKey).update(input).digest()
        else sign(hash, input, argument)
      }
    },
  }
}

function cryptoArgument(algorithm: string, key: Material['publicKey']) {
  return algorithm.startsWith('PS') ? { key, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: 32 } : key
}

function hashOf(algorithm: string): string | null {
  return algorithm.startsWith('Ed') || algorithm.startsWith('ML') ? null : `sha${algorithm.slice(2)}`
}

function der(raw: Buffer): Buffer {
  const integer = (bytes: Buffer): Buffer => {
    let start = 0
    while (start < bytes.length - 1 && bytes[start] === 0) start++
    const body =
      bytes[start]! & 0x80 ? Buffer.concat([Buffer.from([0]), bytes.subarray(start)]) : bytes.subarray(start)
    return Buffer.concat([Buffer.from([2, body.length]), body])
  }
  const half = raw.length >> 1
  const body = Buffer.concat([integer(raw.subarray(0, half)), integer(raw.subarray(half))])
  return Buffer.concat([Buffer.from([0x30, body.length]), body])
}
