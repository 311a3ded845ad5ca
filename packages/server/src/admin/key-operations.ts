import { isProblem, Secret } from '@countersign/sdk/core'
import { isAlgorithm, readPrivateJwk, readPrivatePem } from '@countersign/sdk/jwt'
import type { SigningKey } from '@countersign/sdk/jwt'
import { auditEntry } from '../issuer/audit.ts'
import type { KeyDescription } from '../issuer/keys/key-ring.ts'
import { adminScopes } from '../trust/admin-service.ts'
import type { JsonSchema } from '../trust/shape.ts'
import { timeText } from './client-view.ts'
import { problem } from './operation.ts'
import type { AdminOperation, AdminParts, AdminReply } from './operation.ts'

const time: JsonSchema = { type: 'string', format: 'date-time' }
const keysSchema: JsonSchema = {
  type: 'object',
  required: ['keys'],
  properties: {
    keys: {
      type: 'array',
      items: {
        type: 'object',
        required: ['id', 'algorithm', 'state', 'announced', 'activeFrom'],
        properties: {
          id: { description: 'The kid.', type: 'string' },
          algorithm: { type: 'string' },
          state: { enum: ['announced', 'active', 'retiring', 'retired'] },
          announced: time,
          activeFrom: time,
          until: { ...time, description: 'When this state ends.' },
          retired: time,
          retiredBecause: { enum: ['rotated', 'removed'] },
        },
      },
    },
  },
}

const list: AdminOperation = {
  name: 'listKeys',
  method: 'GET',
  path: '/keys',
  scope: 'keys:read',
  about: 'Every key on record, oldest first.',
  answers: { status: 200, schema: keysSchema },
  run: ({ nowMs }, parts) => ({ status: 200, body: keysView(nowMs, parts) }),
}

const rotate: AdminOperation = {
  name: 'rotateKeys',
  method: 'POST',
  path: '/keys/rotate',
  scope: 'keys:write',
  about:
    'Announces a new key now instead of when it is due. It signs once every verifier can know it. While one is announced already, nothing changes.',
  answers: { status: 200, schema: keysSchema },
  async run({ clientId, nowMs }, parts) {
    await parts.issuer.keyRing.rotate(`client ${clientId}`)
    return { status: 200, body: keysView(nowMs, parts) }
  },
}

const importKey: AdminOperation = {
  name: 'importKey',
  method: 'POST',
  path: '/keys',
  scope: 'keys:write',
  about:
    'Announces a private key that was made elsewhere; like every key it signs once every verifier can know it. Whoever knows it can then sign anything, so this needs a token with every scope of this API.',
  body: {
    type: 'object',
    additionalProperties: false,
    properties: {
      pem: { description: 'The private key, unencrypted, as PEM.', type: 'string' },
      jwk: { description: 'Or as a JWK.', type: 'object' },
      algorithm: { description: 'With pem: what it signs with.', type: 'string' },
      id: { description: 'The kid; the key’s thumbprint unless given.', type: 'string', maxLength: 128 },
    },
  },
  answers: { status: 201, schema: keysSchema },
  async run({ body, clientId, scopes, nowMs }, parts) {
    // Else this one scope would be all of them: by a token that the caller signs with the key.
    const missing = adminScopes.filter((scope) => !scopes.has(scope))
    if (missing.length > 0)
      return problem(
        403,
        'above-caller',
        `whoever imports a key can sign anything: this needs ${missing.join(' ')} as well`,
      )
    const key = readKey(body)
    if ('status' in key) return key
    await parts.issuer.keyRing.import(key, `client ${clientId}`)
    return { status: 201, body: keysView(nowMs, parts) }
  },
}

const remove: AdminOperation = {
  name: 'removeKey',
  method: 'DELETE',
  path: '/keys/{id}',
  scope: 'keys:write',
  about:
    'Takes a key out at once, because it may be in wrong hands: its tokens are revoked, it signs no more, and it leaves the key set.',
  answers: { status: 200, schema: keysSchema },
  async run({ params, clientId, nowMs }, parts) {
    const keyId = params['id']!
    const detail = { kind: 'key' }
    const actor = `client ${clientId}` as const
    const audit = [auditEntry({ nowMs, actor, action: 'revocation.added', subject: keyId, detail })]
    // An operator's revocation: however many of their own tokens clients have revoked, there is room for it.
    await parts.issuer.revoke({ keyId }, { nowMs, operator: actor, audit })
    return { status: 200, body: keysView(nowMs, parts) }
  },
}

export const keyOperations: readonly AdminOperation[] = [list, rotate, importKey, remove]

function keysView(nowMs: number, { issuer }: AdminParts): object {
  return { keys: issuer.keyRing.describe(nowMs).map(keyView) }
}

function keyView({
  keyId,
  algorithm,
  state,
  announcedAtMs,
  activeFromMs,
  untilMs,
  retired,
}: KeyDescription): object {
  return {
    id: keyId,
    algorithm,
    state,
    announced: timeText(announcedAtMs),
    activeFrom: timeText(activeFromMs),
    ...(untilMs === undefined ? {} : { until: timeText(untilMs) }),
    ...(retired === undefined ? {} : { retired: timeText(retired.atMs), retiredBecause: retired.because }),
  }
}

/** No message of the readers repeats what they were given. */
function readKey(body: Readonly<Record<string, unknown>>): SigningKey | AdminReply {
  const { pem, jwk, algorithm, id, ...unknown } = body
  const [odd] = Object.keys(unknown)
  if (odd !== undefined) return problem(400, 'body-invalid', 'expected pem or jwk, algorithm and id')
  if ((pem === undefined) === (jwk === undefined))
    return problem(400, 'body-invalid', 'expected exactly one of pem and jwk')
  if (id !== undefined && (typeof id !== 'string' || !/^[A-Za-z0-9._~-]{1,128}$/.test(id)))
    return problem(400, 'body-invalid', 'id must be 1 to 128 letters, digits and . _ ~ -')
  if (algorithm !== undefined && (typeof algorithm !== 'string' || !isAlgorithm(algorithm)))
    return problem(400, 'body-invalid', 'algorithm is none that is known')
  const named = id === undefined ? {} : { keyId: id }
  try {
    if (pem === undefined)
      return readPrivateJwk(jwk, { ...named, ...(algorithm === undefined ? {} : { algorithm }) })
    if (typeof pem !== 'string' || algorithm === undefined)
      return problem(400, 'body-invalid', 'a pem needs its algorithm')
    return readPrivatePem(Secret.fromText(pem), { ...named, algorithm })
  } catch (error) {
    if (isProblem(error)) return problem(400, error.code, error.message)
    throw error
  }
}
