import { hash, randomBytes } from 'node:crypto'
import { Problem, Secret } from '@countersign/sdk/core'
import type { ClientRecord } from '../../store/store.ts'
import type { ClientSettings } from '../../trust/managed-client.ts'

/** A client that is kept in the store instead of the trust file. */
export type ManagedClient = {
  readonly id: string
  /** How often it was written; what an edit must name. */
  readonly revision: number
  /** What people call it; of no meaning to us. */
  readonly name: string
  /** Gets no tokens for as long as this is so. */
  readonly disabled: boolean
  /** As the trust file would have it. */
  readonly settings: ClientSettings
  /** One or two (while one replaces the other), oldest first; none for a client that shows assertions. */
  readonly secrets: readonly KeptSecret[]
  readonly createdAtMs: number
  readonly changedAtMs: number
  /** A digest of the request that made it, when that may be sent again. */
  readonly madeFrom?: string
}

/** What is kept of a secret. */
export type KeptSecret = {
  /** Names it, and tells nothing about it. */
  readonly id: string
  /** SHA-256 of the secret, base64url. */
  readonly digest: string
  readonly createdAtMs: number
}

/** What is kept of a client in the store's `settings`. */
export function managedText(client: Omit<ManagedClient, 'id' | 'revision'>): string {
  const { name, disabled, settings, secrets, createdAtMs, changedAtMs, madeFrom } = client
  return JSON.stringify({ name, disabled, settings, secrets, createdAtMs, changedAtMs, madeFrom })
}

/** @throws Problem `store-unavailable` for a text that is none of ours. */
export function readManaged({
  id,
  revision,
  settings: text,
}: Pick<ClientRecord, 'id' | 'revision' | 'settings'>): ManagedClient {
  try {
    return { id, revision, ...(JSON.parse(text) as Omit<ManagedClient, 'id' | 'revision'>) }
  } catch {
    throw new Problem('store-unavailable', `client ${id} in the store is not readable`)
  }
}

/** A new `client_id`. Nobody chooses one, so none can be taken for somebody else's (RFC 9700 §4.15). */
export function mintClientId(): string {
  // Begins with a letter, so that no shell, YAML or spreadsheet takes it for a number.
  return `c${letters(21)}`
}

/**
 * A new secret of 256 random bits and more, in characters that no encoding changes: libraries differ in how they encode
 * credentials for HTTP Basic.
 */
export function mintSecret(nowMs: number): { readonly secret: Secret; readonly kept: KeptSecret } {
  const text = letters(44)
  return {
    secret: Secret.fromText(text),
    kept: { id: letters(8), digest: hash('sha256', text, 'base64url'), createdAtMs: nowMs },
  }
}

/** Evenly drawn from letters and digits: 5.95 bits each. */
export function letters(length: number): string {
  let text = ''
  while (text.length < length) {
    for (const byte of randomBytes(length)) {
      // 248 is the last multiple of 62: beyond it some letters would come more often.
      if (byte < 248 && text.length < length) text += alphabet[byte % 62]
    }
  }
  return text
}

const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789'
