import { clientSchema } from './client-view.ts'
import { editClient } from './edit-client.ts'
import type { AdminOperation } from './operation.ts'

const disable: AdminOperation = {
  name: 'disableClient',
  method: 'POST',
  path: '/clients/{id}/disable',
  scope: 'clients:write',
  about:
    'Ends what a client can do, for now: it gets no tokens, and those it has are revoked in the same step. Its settings are not looked at, so it works in an emergency whatever the trust file says by now.',
  edits: true,
  answers: { status: 200, schema: clientSchema },
  run: (request, parts) =>
    editClient(request, parts, 'client.disabled', (client) => ({ ...client, disabled: true })),
}

const enable: AdminOperation = {
  name: 'enableClient',
  method: 'POST',
  path: '/clients/{id}/enable',
  scope: 'clients:write',
  about:
    'Lets a disabled client get tokens again; those of before stay revoked. Just after it was disabled the answer takes some seconds, until new tokens are told from old ones.',
  edits: true,
  answers: { status: 200, schema: clientSchema },
  run: (request, parts) =>
    editClient(request, parts, 'client.enabled', (client) => ({ ...client, disabled: false })),
}

const remove: AdminOperation = {
  name: 'removeClient',
  method: 'DELETE',
  path: '/clients/{id}',
  scope: 'clients:write',
  about: 'Removes a client for good: it gets no more tokens, and those it has are revoked in the same step.',
  edits: true,
  answers: { status: 204 },
  async run(request, parts) {
    const reply = await editClient(request, parts, 'client.removed', (client) => client)
    return reply.status === 200 ? { status: 204 } : reply
  },
}

/** What ends a client, for now or for good, and its tokens with it. */
export const clientEndings: readonly AdminOperation[] = [disable, enable, remove]
