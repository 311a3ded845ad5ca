import type { Secret } from '@countersign/sdk/core'
import { kindText, mistake, unknownName } from './reading.ts'
import type { Located, Reading } from './reading.ts'
import { loadSecret, secretReference } from './secret-reference.ts'
import type { SecretReference } from './secret-reference.ts'
import { fields, located, required, text } from './shape.ts'
import type { Shape } from './shape.ts'
import type { Client, TokenUse } from './trust.ts'

export type TokenDraft =
  | 'forward'
  | 'remove'
  | { readonly client: Located<string> | undefined; readonly secret: SecretReference | undefined }

/** The `token` of a service: `forward`, `remove`, or `{ exchange: { client, secret } }`. */
export function tokenSection(): Shape<Located<TokenDraft>> {
  const words = ['forward', 'remove'] as const
  return {
    schema: { anyOf: [{ enum: words }, exchange.schema] },
    read(spot, reading) {
      const { tree } = spot
      if (tree.kind === 'map') {
        const draft = exchange.read(spot, reading)?.exchange
        return draft === undefined ? undefined : { ...spot, value: draft }
      }
      const value = tree.kind === 'scalar' ? words.find((word) => word === tree.value) : undefined
      if (value !== undefined) return { ...spot, value }
      return mistake(reading, spot, `expected forward, remove or { exchange: … }, got ${kindText(tree)}`)
    },
  }
}

/** What becomes of tokens for a service; undefined when something in it was mistaken. */
export function resolveToken(
  { value }: Located<TokenDraft>,
  service: string,
  clients: ReadonlyMap<string, Client>,
  reading: Reading,
): TokenUse | undefined {
  if (typeof value === 'string') return value
  const { client: id, secret: reference } = value
  if (id === undefined || reference === undefined) return undefined
  const client = clients.get(id.value)
  if (client === undefined) return unknownName(reading, id, 'client', id.value, [...clients.keys()])
  if (client.mayExchange?.includes(service) !== true) {
    mistake(
      reading,
      id,
      `${id.value} may not exchange tokens of ${service}`,
      `write mayExchange: ${service} there`,
    )
  }
  if (!client.may.some((grant) => grant.service === service)) {
    mistake(reading, id, `${id.value} may get no token for ${service}`, `add ${service} to its may`)
  }
  const loads = reading.secretsFor === 'all' || reading.secretsFor === 'gateway'
  const secret: Secret | undefined = loads ? loadSecret(reference, reading) : undefined
  return { client: id.value, secret }
}

const exchange = fields({
  exchange: required(
    fields({
      client: required(
        located(text((value) => ({ value }), {}, { overridable: false, expected: 'a client id' })),
        'The client the gateway exchanges tokens as.',
      ),
      secret: required(secretReference(), 'Where the secret of that client is.'),
    }),
    'The caller’s token is exchanged for one of our own issuer’s, which names the client as its actor.',
  ),
})
