import { auditEntry } from '../issuer/audit.ts'
import { managedText, mintClientId, mintSecret } from '../issuer/clients/managed-client.ts'
import { adminScopes, adminServiceName } from '../trust/admin-service.ts'
import { problem } from './operation.ts'
import type { AdminOperation } from './operation.ts'

/**
 * Makes the first client of the admin API for whoever shows the one-time code. There is one such client in the life of a
 * store, whichever replica is asked: the store takes its `request` once, and keeps it when the client is removed.
 */
export const bootstrapOperation: AdminOperation = {
  name: 'bootstrap',
  method: 'POST',
  path: '/bootstrap',
  scope: 'code',
  about:
    'Makes the first client of this API, with every scope of it, for whoever shows the one-time code that the issuer has put into issuer.admin.codeFile. Works once in the life of a store.',
  body: {
    type: 'object',
    additionalProperties: false,
    required: ['code'],
    properties: { code: { type: 'string', maxLength: 128 } },
  },
  answers: {
    status: 201,
    schema: {
      type: 'object',
      required: ['id', 'secret'],
      properties: { id: { type: 'string' }, secret: { description: 'Shown this once.', type: 'string' } },
    },
  },
  async run({ body, nowMs }, { issuer, store, code }) {
    const { code: shown } = body
    if (typeof shown !== 'string' || shown.length > 128 || Object.keys(body).length !== 1)
      return problem(400, 'body-invalid', 'expected code')
    if (!code.fits(shown)) return problem(403, 'code-refused', 'this code is not, or no longer, good')
    const { secret, kept } = mintSecret(nowMs)
    const settings = managedText({
      name: 'first administrator',
      disabled: false,
      settings: { may: { [adminServiceName]: { scopes: [...adminScopes] } } },
      secrets: [kept],
      createdAtMs: nowMs,
      changedAtMs: nowMs,
    })
    const id = mintClientId()
    const draft = { id, request: bootstrapRequest, removed: false, settings }
    const audit = [auditEntry({ nowMs, actor: 'bootstrap', action: 'admin.bootstrapped', subject: id })]
    const made = await store.writeClient(draft, 0, audit)
    // Not before: when it could not be written, the code is to be had once more. Of two at once the store takes one.
    code.useUp()
    if (made === undefined) return problem(403, 'code-refused', 'the first client has been made already')
    await issuer.managed.refresh().catch(() => undefined)
    return { status: 201, body: { id, secret: secret.revealText() } }
  },
}

/** What made the first client; no other request is called this, since those are hashes. */
export const bootstrapRequest = 'bootstrap'
