/** Test support: an issuer with its admin API, and a client that may do everything there. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Secret } from '@countersign/sdk/core'
import { createAdminApi } from '../../packages/server/src/admin/admin-api.ts'
import { issuerServerOptions } from '../../packages/server/src/issuer/http/server-options.ts'
import { createMemoryStore } from '../../packages/server/src/store/memory.ts'
import type { AuditRecord, Store } from '../../packages/server/src/store/store.ts'
import { adminScopes, adminServiceName } from '../../packages/server/src/trust/admin-service.ts'
import type { Client, Trust } from '../../packages/server/src/trust/trust.ts'
import { basic, orders, settings, startIssuer, trust as trustOf } from './fixture.ts'
import type { Fixture } from './fixture.ts'

export type AdminStand = {
  readonly fixture: Fixture
  readonly store: Store
  readonly url: string
  readonly codeFile: string
  readonly trust: Trust
  /** A token for the admin API, as the admin client or another one. */
  token(options?: { scope?: string; client?: string; secret?: string }): Promise<string>
  /** Asks the admin API with a token of the admin client's. */
  ask(method: string, path: string, options?: AskOptions): Promise<AdminAnswer>
  audit(): Promise<readonly AuditRecord[]>
  replace(trust: Trust): void
  close(): Promise<void>
}

export type AskOptions = {
  readonly body?: unknown
  readonly headers?: Readonly<Record<string, string>>
  /** null: none. */
  readonly token?: string | null
}

export type AdminAnswer = {
  readonly status: number
  readonly headers: Headers
  readonly text: string
  readonly json: Record<string, unknown>
}

export const opsSecret = 'ops-secret-of-some-length-000000001'
export const ops: Client = {
  id: 'ops',
  secrets: [Secret.fromText(opsSecret)],
  may: [{ service: adminServiceName, roles: [], scopes: [...adminScopes] }],
}

/** @param options.clients of the trust file; without `ops` there is a one-time code. */
export async function startAdmin(
  options: { clients?: readonly Client[]; store?: Store } = {},
): Promise<AdminStand> {
  const folder = mkdtempSync(join(tmpdir(), 'countersign-admin-'))
  const codeFile = join(folder, 'code')
  const store = options.store ?? createMemoryStore()
  const declared = trustOf(options.clients ?? [orders, ops])
  const fixture = await startIssuer({ store, trust: declared })
  // Where it listens is known only now.
  const trust = withAdmin(declared, fixture.url, codeFile)
  fixture.issuer.replace(trust)
  const line = (event: string, fields?: object): void =>
    void fixture.logged.push(`${event} ${JSON.stringify(fields)}`)
  const api = await createAdminApi({
    issuerUrl: fixture.url,
    issuer: fixture.issuer,
    store,
    trust,
    codeFile,
    clock: () => fixture.clock.nowMs,
    log: { debug: line, info: line, warn: line, error: line },
  })
  const server = createServer(issuerServerOptions, api.listener)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`

  const token: AdminStand['token'] = async ({ scope, client = 'ops', secret = opsSecret } = {}) => {
    const form = new URLSearchParams({ grant_type: 'client_credentials', audience: adminServiceName })
    if (scope !== undefined) form.set('scope', scope)
    const answer = await fixture.ask(form.toString(), basic(client, secret))
    assert.equal(answer.status, 200, answer.body)
    return answer.json['access_token'] as string
  }
  let own: string | undefined
  return {
    fixture,
    store,
    url,
    codeFile,
    trust,
    token,
    async ask(method, path, { body, headers = {}, token: given } = {}) {
      const shown = given === undefined ? (own ??= await token()) : given
      const response = await fetch(`${url}/admin${path}`, {
        method,
        headers: {
          ...(shown === null ? {} : { Authorization: `Bearer ${shown}` }),
          ...(body === undefined ? {} : { 'Content-Type': 'application/json' }),
          ...headers,
        },
        ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
      })
      const text = await response.text()
      const json = text.startsWith('{') ? (JSON.parse(text) as Record<string, unknown>) : {}
      return { status: response.status, headers: response.headers, text, json }
    },
    audit: () => store.readAudit(0, 1000),
    replace(next) {
      fixture.issuer.replace(next)
      api.replace(next)
    },
    async close() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
      api.close()
      await fixture.close()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

/** The same trust file with an admin API. */
export function withAdmin(trust: Trust, url: string, codeFile: string): Trust {
  const admin = { listen: { host: '127.0.0.1', port: 0 }, codeFile }
  return { ...trust, issuer: { ...settings(url), admin } }
}
