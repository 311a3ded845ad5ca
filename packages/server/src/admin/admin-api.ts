import type { IncomingMessage, ServerResponse } from 'node:http'
import { deny, isProblem } from '@countersign/sdk/core'
import type { Clock, Denial } from '@countersign/sdk/core'
import { createGuard, readRoutes } from '@countersign/sdk/guard'
import type { Decision, Principal, Requirement } from '@countersign/sdk/guard'
import type { Issuer } from '../issuer/issuer.ts'
import { asciiJson, send } from '../issuer/http/reply.ts'
import type { Reply } from '../issuer/http/reply.ts'
import type { Log } from '../log.ts'
import type { Store } from '../store/store.ts'
import { adminService } from '../trust/admin-service.ts'
import type { Trust } from '../trust/trust.ts'
import { createAdminAudit } from './admin-audit.ts'
import type { Visit } from './admin-audit.ts'
import { openBootstrapCode } from './bootstrap-code.ts'
import { openApi } from './openapi.ts'
import { adminOperations } from './operations.ts'
import { problem } from './operation.ts'
import type { AdminOperation, AdminParts, AdminReply } from './operation.ts'
import { readAdminBody, readAdminRequest } from './read-request.ts'

/** The admin API, ready to answer. */
export type AdminApi = {
  /** Answers requests of a `node:http` server; make that one with `issuerServerOptions`. Never throws. */
  readonly listener: (request: IncomingMessage, response: ServerResponse) => void
  /** Goes by another trust file's services and clients from now on. */
  replace(trust: Trust): void
  close(): void
}

export type AdminApiOptions = {
  /** The `iss` claim. */
  readonly issuerUrl: string
  readonly issuer: AdminParts['issuer'] & Pick<Issuer, 'keySet' | 'addressOf'>
  readonly store: Store
  readonly trust: Trust
  /** Where the one-time code is put. */
  readonly codeFile: string
  readonly clock: Clock
  readonly log: Log
}

/**
 * Makes the admin API: our own tokens, checked by our own guard, one scope an operation. Every change is in the audit log
 * when it is acknowledged, and not made when it cannot be written there.
 *
 * @throws Problem `store-unavailable`
 * @example
 * const admin = await createAdminApi({ issuerUrl, issuer, store, trust, codeFile, clock, log })
 * createServer(issuerServerOptions, admin.listener).listen(8090, '127.0.0.1')
 */
export async function createAdminApi(options: AdminApiOptions): Promise<AdminApi> {
  const { issuerUrl, issuer, store, codeFile, clock, log } = options
  let { trust } = options
  const guard = createGuard({
    issuer: issuerUrl,
    audience: adminService(issuerUrl).audience,
    keySet: issuer.keySet,
    revocations: issuer.revocations.revocations,
    realm: 'countersign admin',
    clock,
  })
  const code = await openBootstrapCode({ file: codeFile, trust, store, log })
  const audit = createAdminAudit({ store, log })
  const parts: AdminParts = { issuer, store, trust: () => trust, code }

  const answer = async (request: IncomingMessage): Promise<Reply> => {
    const { method = '', url = '', rawHeaders, socket } = request
    const nowMs = clock()
    const decision = await guard.check({ method, target: url, rawHeaders, peer: socket }, routes)
    const visit: Visit = {
      nowMs,
      clientId: undefined,
      tokenId: undefined,
      // Where a route takes GET, the guard lets HEAD through too.
      operation: `${method === 'HEAD' ? 'GET' : method} ${decision.route ?? ''}`,
      address: issuer.addressOf(request),
    }
    if (decision.kind === 'deny') return refuse(request, decision, visit)
    const operation = operations.get(visit.operation)!
    if (operation === document) return jsonReply({ status: 200, body: openApi(issuerUrl) })

    const { principal } = decision
    const { clientId = '', tokenId } = principal ?? {}
    if (principal !== undefined) {
      const known = { ...visit, clientId, tokenId }
      const denial = check(principal, operation, nowMs)
      if (denial !== undefined)
        return refuse(
          request,
          { ...decision, kind: 'deny', denial, scopes: scopesOf(operation), allow: [] },
          known,
        )
      await audit.entered(known)
    }
    const asked = readAdminRequest(request, operation)
    if ('status' in asked) return jsonReply(asked)
    const read = await readAdminBody(request, operation)
    if ('refusal' in read) return jsonReply(read.refusal)
    const { body } = read
    const scopes = principal?.scopes ?? noScopes
    const reply = await operation.run(
      { ...asked, params: decision.params, body, clientId, scopes, nowMs },
      parts,
    )
    if (operation.scope === 'code' && reply.status === 403)
      audit.refused(visit, deny('credentials-malformed', 'a wrong or used one-time code'))
    return jsonReply(reply)
  }

  /** What is asked beyond a good token: the scope, and that it is the client itself, which is still one. */
  const check = (principal: Principal, operation: AdminOperation, nowMs: number): Denial | undefined => {
    const { clientId, subject, actor, scopes } = principal
    if (clientId === undefined || subject !== clientId || actor !== undefined)
      return deny('claim-refused', 'clients come here for themselves only')
    if (!trust.clients.has(clientId) && issuer.managed.find(clientId, nowMs) === undefined)
      return deny('token-revoked', 'the client is removed or disabled')
    const [missing] = scopesOf(operation).filter((scope) => !scopes.has(scope))
    return missing === undefined ? undefined : deny('scope-missing', `the scope ${missing} is missing`)
  }

  const refuse = (
    { rawHeaders }: IncomingMessage,
    decision: Decision & { readonly kind: 'deny' },
    visit: Visit,
  ): Reply => {
    const { status, headers, body } = guard.answer(decision, rawHeaders)
    if (status === 401 || status === 403) audit.refused(visit, decision.denial)
    return { status, headers: Object.entries(headers).flat(), body }
  }

  return {
    listener(request, response) {
      answer(request)
        .catch((error: unknown) => failed(error, log))
        .then((reply) => send(request, response, reply))
    },
    replace(next) {
      trust = next
    },
    close: () => code.close(),
  }
}

function scopesOf({ scope }: AdminOperation): readonly string[] {
  return scope === 'open' || scope === 'code' ? [] : [scope]
}

function jsonReply({ status, body, headers = [] }: AdminReply): Reply {
  const type = headers.includes('Content-Type') ? [] : ['Content-Type', 'application/json']
  const common = ['Cache-Control', 'no-store', 'X-Content-Type-Options', 'nosniff']
  if (body === undefined) return { status, headers: [...common, ...headers], body: '' }
  return { status, headers: [...common, ...type, ...headers], body: asciiJson(body) }
}

function failed(error: unknown, log: Log): Reply {
  const known = isProblem(error) ? statusOfProblem[error.code] : undefined
  if (isProblem(error) && known !== undefined) return jsonReply(problem(known, error.code, error.message))
  if (isProblem(error)) {
    log.error('admin.unavailable', { code: error.code, message: error.message })
    const reply = problem(503, error.code, 'nothing was decided: try again')
    const retry = ['Retry-After', String(error.retryAfterSeconds ?? 5)]
    return jsonReply({ ...reply, headers: [...(reply.headers ?? []), ...retry] })
  }
  log.error('admin.failed', { message: error instanceof Error ? error.message : 'unknown' })
  return jsonReply(problem(500, 'internal', 'the request could not be handled'))
}

/** The document, which anybody who gets here may read: it says nothing that the source does not. */
const document: AdminOperation = {
  name: 'document',
  method: 'GET',
  path: '/openapi.json',
  scope: 'open',
  about: 'This document.',
  answers: { status: 200, schema: { type: 'object' } },
  run: () => ({ status: 200 }),
}

const operations = new Map(
  [...adminOperations, document].map((operation) => [
    `${operation.method} /admin${operation.path}`,
    operation,
  ]),
)
// Which scope is asked is looked at after the token: then the audit log can say whose it was.
const routes = readRoutes(
  Object.fromEntries(
    [...operations].map(([route, { scope }]): [string, Requirement] => [
      route,
      scope === 'open' || scope === 'code' ? 'open' : 'authenticated',
    ]),
  ),
)
const noScopes: ReadonlySet<string> = new Set()

/** Problems that are the caller's to mend; every other one means that nothing could be decided. */
const statusOfProblem: Readonly<Record<string, number>> = {
  'option-invalid': 400,
  'ring-key-unknown': 404,
  'ring-key-refused': 409,
}
