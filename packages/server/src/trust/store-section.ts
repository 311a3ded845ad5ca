import { Secret } from '@countersign/sdk/core'
import { kindText, mistake, shown } from './reading.ts'
import type { Located, Reading } from './reading.ts'
import { loadSecret, secretReference } from './secret-reference.ts'
import type { SecretReference } from './secret-reference.ts'
import { text } from './shape.ts'
import type { Shape } from './shape.ts'
import type { StoreSettings } from './trust.ts'

export const expectedStore = 'memory:, sqlite:path or postgres://user@host/database'

export type StoreDraft =
  | { readonly kind: 'settings'; readonly settings: StoreSettings }
  | { readonly kind: 'reference'; readonly reference: SecretReference }

/** A store's URL, or where that URL is when it holds a password. */
export function storeShape(): Shape<StoreDraft> {
  const reference = secretReference()
  const plain = text(
    (value) => {
      const settings = readStore(value)
      if ('message' in settings) return settings
      return { value: { kind: 'settings', settings } as StoreDraft }
    },
    {},
    { expected: expectedStore },
  )
  return {
    overridable: true,
    schema: { anyOf: [plain.schema, reference.schema] },
    read(spot, reading) {
      if (spot.tree.kind === 'map') {
        const read = reference.read(spot, reading)
        return read === undefined ? undefined : { kind: 'reference', reference: read }
      }
      if (spot.tree.kind !== 'scalar' || typeof spot.tree.value !== 'string') {
        return mistake(reading, spot, `expected ${expectedStore}, got ${kindText(spot.tree)}`)
      }
      // A variable is where a password belongs; the file is not.
      if (spot.tree.place.variable === undefined && hasPassword(spot.tree.value)) {
        return mistake(
          reading,
          spot,
          'a password never stands in the trust file',
          'write store: { env: DATABASE_URL }',
        )
      }
      return plain.read(spot, reading)
    },
  }
}

/** What a store's URL says. The message may repeat the URL: not for one that may be secret. */
export function readStore(value: string): StoreSettings | { message: string; next?: string } {
  if (value === 'memory:') return { kind: 'memory' }
  if (value.startsWith('sqlite:')) {
    const path = value.slice('sqlite:'.length)
    if (path !== '' && !path.startsWith('//') && !path.includes('\0') && !path.startsWith(':')) {
      return { kind: 'sqlite', path }
    }
    return {
      message: 'expected sqlite: and the path of a file',
      next: 'write sqlite:countersign.db, or memory:',
    }
  }
  if (value.startsWith('postgres://') || value.startsWith('postgresql://')) {
    if (URL.canParse(value) && new URL(value).hostname !== '')
      return { kind: 'postgres', url: Secret.fromText(value) }
    return { message: 'expected postgres://user@host/database' }
  }
  const next =
    value === 'memory'
      ? 'write memory: with the colon'
      : value.endsWith('.db')
        ? `write sqlite:${value}`
        : undefined
  const message = `expected ${expectedStore}, got ${shown(value)}`
  return next === undefined ? { message } : { message, next }
}

/** @param loads whether the URL is read from where it is, when it holds a password */
export function resolveStore(
  store: Located<StoreDraft>,
  loads: boolean,
  reading: Reading,
): StoreSettings | undefined {
  if (store.value.kind === 'settings') {
    const { settings } = store.value
    return settings.kind === 'sqlite'
      ? { kind: 'sqlite', path: reading.resolvePath(settings.path) }
      : settings
  }
  // The kind of a store that is not opened here does not matter; nothing can connect with an empty URL.
  if (!loads) return { kind: 'postgres', url: Secret.fromText('') }
  const secret = loadSecret(store.value.reference, reading)
  if (secret === undefined) return undefined
  const settings = readStore(secret.revealText())
  // The message of readStore may show the value, and this value is a secret.
  if ('message' in settings) return mistake(reading, store, `expected ${expectedStore} there`)
  return settings.kind === 'sqlite' ? { kind: 'sqlite', path: reading.resolvePath(settings.path) } : settings
}

/** Whether a URL holds one, as a part of it or as a parameter. */
export function hasPassword(value: string): boolean {
  if (!URL.canParse(value)) return value.includes('@')
  const url = new URL(value)
  return url.password !== '' || url.searchParams.has('password')
}
