import type { ManagedClient } from '../issuer/clients/managed-client.ts'
import { clientsSection } from '../trust/client-section.ts'
import type { JsonSchema } from '../trust/shape.ts'
import type { ClientSettings } from '../trust/managed-client.ts'

/** A managed client as the admin API shows it: never a secret, never a digest of one. */
export type ClientView = {
  readonly id: string
  readonly name: string
  readonly disabled: boolean
  readonly secrets: readonly { readonly id: string; readonly created: string }[]
  readonly created: string
  readonly changed: string
} & ClientSettings

export function clientView(client: ManagedClient): ClientView {
  const { id, name, disabled, settings, secrets, createdAtMs, changedAtMs } = client
  return {
    id,
    name,
    disabled,
    ...settings,
    secrets: secrets.map((secret) => ({ id: secret.id, created: timeText(secret.createdAtMs) })),
    created: timeText(createdAtMs),
    changed: timeText(changedAtMs),
  }
}

export function timeText(ms: number): string {
  return new Date(ms).toISOString()
}

/** Settings by the trust file's own schema; without `secret`, since secrets are minted here. */
const { authenticate, ...rights } = (
  clientsSection.item?.schema as { properties: Readonly<Record<string, JsonSchema>> }
).properties
const { secret: _secret, ...ways } = (authenticate as { properties: Readonly<Record<string, JsonSchema>> })
  .properties

export const clientBodySchema: JsonSchema = {
  type: 'object',
  additionalProperties: false,
  properties: {
    name: { description: 'What people call it; of no meaning to us.', type: 'string', maxLength: 128 },
    disabled: { description: 'Gets no tokens for as long as this is true.', type: 'boolean' },
    authenticate: {
      ...authenticate,
      description: 'How it proves who it is; left out: by a secret, which is minted.',
      properties: ways,
    },
    ...rights,
  },
}

const time: JsonSchema = { type: 'string', format: 'date-time' }

export const secretSchema: JsonSchema = {
  type: 'object',
  required: ['id', 'secret'],
  properties: {
    id: { description: 'Names the secret, and tells nothing about it.', type: 'string' },
    secret: { description: 'The secret. It is shown this once.', type: 'string' },
  },
}

export const clientSchema: JsonSchema = {
  type: 'object',
  required: ['id', 'name', 'disabled', 'secrets', 'created', 'changed'],
  properties: {
    id: { description: 'The client id.', type: 'string' },
    ...(clientBodySchema['properties'] as object),
    secrets: {
      type: 'array',
      items: {
        type: 'object',
        required: ['id', 'created'],
        properties: { id: { type: 'string' }, created: time },
      },
    },
    created: time,
    changed: time,
  },
}
