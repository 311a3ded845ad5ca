import { hash } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import type { Clock } from '@countersign/sdk/core'
import { revocationListInput, revocationListType } from '@countersign/sdk/jwt'
import { conditional } from '../http/discovery.ts'
import type { Document } from '../http/discovery.ts'
import { signText } from '../keys/external-keys.ts'
import type { KeyRing } from '../keys/key-ring.ts'
import type { Reply } from '../http/reply.ts'
import { asRevocation } from './revocation-list.ts'
import type { RevocationList } from './revocation-list.ts'

/** Answers with the signed list of what is revoked. @throws Problem `revocations-unavailable`, `ring-stale` by rejecting */
export type RevocationFeed = (request: IncomingMessage) => Promise<Reply>

/**
 * Publishes the list, signed anew when it has changed and once a minute, so that followers can tell an old copy. It is a
 * function of the store's list, the minute and the signing key: every replica serves the same one under the same ETag.
 *
 * @example
 * const feed = createRevocationFeed({ issuer: 'https://issuer.example', list, ring, clock })
 */
export function createRevocationFeed({ issuer, list, ring, clock }: RevocationFeedOptions): RevocationFeed {
  let served: { readonly etag: string; readonly document: Document } | undefined
  // A signature from elsewhere takes its time; all who ask meanwhile get the same one.
  let signing: { readonly etag: string; readonly document: Promise<Document> } | undefined

  return async (request) => {
    const { version, revocations } = await list.current()
    const nowMs = clock()
    const key = ring.signingKeyAt(nowMs)
    const issuedAtSeconds = Math.floor(nowMs / 60_000) * 60
    const etag = `"${hash('sha256', `${version} ${issuedAtSeconds} ${key.keyId}`, 'base64url').slice(0, 22)}"`
    if (served?.etag !== etag) {
      const expiresAtSeconds = issuedAtSeconds + lifeSeconds
      const current = revocations.filter(({ expiresAtMs }) => expiresAtMs >= issuedAtSeconds * 1000)
      const content = {
        issuer,
        issuedAtSeconds,
        expiresAtSeconds,
        sequence: version,
        revocations: current.map((record) => asRevocation(record, issuer)),
      }
      if (signing?.etag !== etag) {
        const input = revocationListInput(content, key)
        const document = (async () => publish(`${input}.${await signText(key, input)}`, etag))()
        const begun = (signing = { etag, document })
        // Whoever asks after a failure asks for another signature.
        document.catch(() => signing === begun && (signing = undefined))
      }
      served = { etag, document: await signing.document }
    }
    return conditional(request, served.document)
  }
}

export type RevocationFeedOptions = {
  /** The `iss` claim. */
  readonly issuer: string
  readonly list: Pick<RevocationList, 'current'>
  readonly ring: Pick<KeyRing, 'signingKeyAt'>
  readonly clock: Clock
}

function publish(list: string, etag: string): Document {
  // Weak: another replica signs the same list with other bytes (RFC 9110 §8.8.1).
  const headers = ['Cache-Control', 'public, max-age=2', 'ETag', `W/${etag}`]
  return {
    etag,
    full: {
      status: 200,
      headers: ['Content-Type', `application/${revocationListType}`, ...headers],
      body: list,
    },
    unchanged: { status: 304, headers, body: '' },
  }
}

/** For how long a follower that knows nothing can be shown an old copy. */
const lifeSeconds = 300
