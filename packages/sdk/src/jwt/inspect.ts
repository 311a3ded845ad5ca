import { decodeBase64url } from '../core/base64url.ts'
import { maxTokenLength, readHeader, readJsonSegment } from './compact.ts'
import type { StrictJson } from '../core/json.ts'

/** What is written in a token. Nothing of it is verified. */
export type Inspection = {
  readonly header: StrictJson | undefined
  readonly claims: StrictJson | undefined
  /** The length of the signature; its bytes are of no use to a reader and of much to a thief. */
  readonly signatureBytes: number | undefined
  /** Everything a strict verifier would refuse before it looks at a key. */
  readonly problems: readonly string[]
}

/**
 * Reads a token for a person to look at. For tools only: **nothing is verified**, so nothing may be decided by it.
 *
 * Never throws.
 *
 * @example
 * inspectToken('eyJhbGciOiJub25lIn0.e30.').problems   // ['alg "none" is not a known algorithm', …]
 */
export function inspectToken(token: string): Inspection {
  if (typeof token !== 'string') return unread('not a string')
  if (token.length > maxTokenLength) return unread(`longer than ${maxTokenLength} characters`)
  const problems: string[] = []
  const segments = token.split('.')
  if (segments.length === 5) problems.push('five segments: this is an encrypted token (JWE)')
  else if (segments.length !== 3) problems.push(`${segments.length} segments instead of three`)
  const header = readSegment('header', segments[0], problems)
  const claims = segments.length === 5 ? undefined : readSegment('claims', segments[1], problems)
  if (header !== undefined) {
    const read = readHeader(segments[0]!)
    if ('reason' in read) {
      problems.push(read.reason === 'algorithm-mismatch' ? unknownAlgorithm(header['alg']) : read.detail)
    }
    for (const member of ['jwk', 'jku', 'x5u', 'x5c']) {
      if (Object.hasOwn(header, member))
        problems.push(`header: "${member}" is the sender's own word and is ignored`)
    }
  }
  if (claims !== undefined) {
    for (const name of ['iss', 'aud', 'exp']) {
      if (!Object.hasOwn(claims, name)) problems.push(`claims: no ${name}`)
    }
  }
  const signature = segments.length === 3 ? decodeBase64url(segments[2]!) : undefined
  if (segments.length === 3 && signature === undefined) problems.push('signature: not canonical base64url')
  if (signature?.length === 0) problems.push('signature: empty')
  return { header, claims, signatureBytes: signature?.length, problems }
}

function readSegment(name: string, segment: string | undefined, problems: string[]): StrictJson | undefined {
  const read = readJsonSegment(segment ?? '')
  if (typeof read !== 'string') return read
  problems.push(`${name}: ${read}`)
  return undefined
}

function unknownAlgorithm(alg: unknown): string {
  return `alg ${JSON.stringify(String(alg).slice(0, 40))} is not a known algorithm`
}

function unread(problem: string): Inspection {
  return { header: undefined, claims: undefined, signatureBytes: undefined, problems: [problem] }
}
