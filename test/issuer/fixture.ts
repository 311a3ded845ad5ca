/** Test support: a small trust file and an issuer on a port of its own. */
import { createServer, request as httpRequest } from 'node:http'
import type { IncomingHttpHeaders } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Secret } from '@countersign/sdk/core'
import { createMemoryStore } from '../../packages/server/src/store/memory.ts'
import type { Client, IssuerSettings, Service, Trust } from '../../packages/server/src/trust/trust.ts'
import { createIssuer } from '../../packages/server/src/issuer/issuer.ts'
import type { Issuer, IssuerOptions } from '../../packages/server/src/issuer/issuer.ts'
import { issuerServerOptions, protectServer } from '../../packages/server/src/issuer/http/server-options.ts'

export type Fixture = {
  readonly issuer: Issuer
  readonly url: string
  readonly clock: { nowMs: number }
  /** Everything that was logged, one text a line. */
  readonly logged: string[]
  send(method: string, path: string, options?: SendOptions): Promise<Answer>
  /** A token request with the form's type. */
  ask(body: string, headers?: Record<string, string>): Promise<Answer>
  close(): Promise<void>
}

export type SendOptions = {
  readonly headers?: Record<string, string | string[]>
  readonly body?: string | Buffer
}

export type Answer = {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly body: string
  readonly json: Record<string, unknown>
}

/** @param at the path of the issuer's URL, such as `/tenant`. */
export async function startIssuer(
  options: Partial<IssuerOptions> & { at?: string; keys?: Partial<IssuerSettings['keys']> } = {},
): Promise<Fixture> {
  const { at = '', keys, ...rest } = options
  const clock = { nowMs: Date.now() }
  const logged: string[] = []
  const line = (event: string, fields?: object): void =>
    void logged.push(`${event} ${JSON.stringify(fields)}`)
  let answer: Issuer['listener'] = () => {}
  const server = createServer(issuerServerOptions, (request, response) => answer(request, response))
  protectServer(server)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const issuer = await createIssuer({
    settings: withKeys(settings(origin + at), keys),
    trust: trust(),
    store: createMemoryStore(),
    clock: () => clock.nowMs,
    log: { debug: line, info: line, warn: line, error: line },
    ...rest,
  }).catch((error: unknown) => {
    server.close()
    throw error
  })
  answer = issuer.listener

  const send = (method: string, path: string, { headers = {}, body }: SendOptions = {}): Promise<Answer> =>
    new Promise((resolve, reject) => {
      const request = httpRequest(origin + path, { method, headers, agent: false }, (response) => {
        const chunks: Buffer[] = []
        response.on('data', (chunk: Buffer) => chunks.push(chunk))
        response.on('end', () => {
          const text = Buffer.concat(chunks).toString('utf8')
          const json = text.startsWith('{') ? (JSON.parse(text) as Record<string, unknown>) : {}
          resolve({ status: response.statusCode ?? 0, headers: response.headers, body: text, json })
        })
      })
      request.on('error', reject)
      request.end(body)
    })

  return {
    issuer,
    url: origin + at,
    clock,
    logged,
    send,
    ask: (body, headers = {}) =>
      send('POST', `${at}/token`, {
        body,
        headers: { 'Content-Type': 'application/x-www-form-urlencoded', ...headers },
      }),
    async close() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
      await issuer.close()
    },
  }
}

function withKeys(base: IssuerSettings, keys: Partial<IssuerSettings['keys']> | undefined): IssuerSettings {
  return { ...base, keys: { ...base.keys, ...keys } }
}

export function settings(url: string, fields: Partial<IssuerSettings> = {}): IssuerSettings {
  return {
    url,
    listen: { host: '127.0.0.1', port: 0 },
    store: { kind: 'memory' },
    keys: { algorithm: 'ES256', rotateEverySeconds: 36_000, seal: undefined, dangerouslyUnsealed: false },
    tokens: { lifetimeSeconds: 300 },
    ...fields,
  }
}

/** `orders` may call billing, `shop` billing and stock. */
export function trust(clients: readonly Client[] = [orders, shop]): Trust {
  return {
    file: 'countersign.yaml',
    issuer: undefined,
    gateway: undefined,
    trusted: new Map(),
    services: new Map(
      [service('billing', ['reader', 'admin'], ['invoices:write']), service('stock', [], [])].map((entry) => [
        entry.name,
        entry,
      ]),
    ),
    clients: new Map(clients.map((entry) => [entry.id, entry])),
  }
}

export const ordersSecret = 'orders-secret-of-some-length-0001'
export const shopSecret = 'shop-secret-of-some-length-000001'

export const orders: Client = {
  id: 'orders',
  secrets: [Secret.fromText(ordersSecret)],
  may: [{ service: 'billing', roles: ['reader'], scopes: ['invoices:write'] }],
}

export const shop: Client = {
  id: 'shop',
  secrets: [Secret.fromText(shopSecret)],
  may: [
    { service: 'billing', roles: [], scopes: [] },
    { service: 'stock', roles: [], scopes: [] },
  ],
}

export function service(name: string, roles: readonly string[], scopes: readonly string[]): Service {
  return {
    name,
    audience: `https://${name}.acme.example`,
    roles,
    scopes,
    upstream: undefined,
    at: undefined,
    host: undefined,
    accepts: [],
    acceptsOwn: true,
    tokenFrom: [{ kind: 'bearer' }],
    routes: [],
  }
}

export function basic(id: string, secret: string): { Authorization: string } {
  return { Authorization: `Basic ${Buffer.from(`${id}:${secret}`).toString('base64')}` }
}
