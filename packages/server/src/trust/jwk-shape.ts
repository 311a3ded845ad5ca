import { isProblem } from '@countersign/sdk/core'
import { readJwk } from '@countersign/sdk/jwt'
import type { VerificationKey } from '@countersign/sdk/jwt'
import { isSecretAlgorithm } from './algorithm-names.ts'
import { kindText, mistake } from './reading.ts'
import type { Shape } from './shape.ts'
import type { Tree } from './tree.ts'

/** A public JSON Web Key (RFC 7517 §4), as JSON or as YAML. Never a private or shared one: those are no business of ours. */
export function publicKey(): Shape<VerificationKey> {
  return {
    schema: { type: 'object', required: ['kty'], properties: { kty: { enum: ['EC', 'OKP', 'RSA', 'AKP'] } } },
    read(spot, reading) {
      const { tree } = spot
      if (tree.kind !== 'map') {
        return mistake(reading, spot, `expected a public key as a JWK, got ${kindText(tree)}`)
      }
      try {
        const key = readJwk(plain(tree), { where: 'the key' })
        if (!isSecretAlgorithm(key.algorithm)) return key
        return mistake(
          reading,
          spot,
          'a shared secret is no public key',
          'replace it: it has been written down',
        )
      } catch (error) {
        if (!isProblem(error)) throw error
        const isPrivate = privateMembers.some((name) => tree.entries.has(name))
        const next = isPrivate
          ? 'leave its public members only, and make another key: this one has been written down'
          : error.next
        return mistake(reading, spot, error.message, next)
      }
    },
  }
}

function plain(tree: Tree): unknown {
  if (tree.kind === 'scalar') return tree.value
  if (tree.kind === 'list') return tree.items.map(plain)
  return Object.fromEntries([...tree.entries].map(([name, value]) => [name, plain(value)]))
}

/** Of EC, OKP and RSA keys (RFC 7518 §6), and of AKP keys. */
const privateMembers = ['d', 'p', 'q', 'dp', 'dq', 'qi', 'priv']
