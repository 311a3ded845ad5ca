/** Test support: an issuer that only publishes keys, on a port of its own, and fails as it is told. */
import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import type { IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { TestContext } from 'node:test'
import { createSigner, publicJwk } from '@countersign/sdk/jwt'
import type { SigningKey } from '@countersign/sdk/jwt'

export type TestIssuer = {
  readonly url: string
  /** What it publishes now. */
  keys: readonly SigningKey[]
  jwksPath: string
  /** Members of its metadata that are other than they should be; undefined: not there. */
  metadata: Record<string, unknown>
  /** How it answers when asked for keys. */
  status: number
  headers: Record<string, string>
  etag: string | undefined
  /** Sent instead of the keys. */
  body: string | undefined
  /** Whether the answers are held back, with the keys of the moment in which they were asked for. */
  held: boolean
  /** Everything that was asked for. */
  readonly paths: string[]
  /** The If-None-Match of every request for keys. */
  readonly asked: (string | undefined)[]
  release(): void
}

export async function startIssuer(t: TestContext, keys: readonly SigningKey[]): Promise<TestIssuer> {
  const waiting: (() => void)[] = []
  const server = createServer((request, response) => {
    const answer = read(issuer, request)
    const send = (): void => void response.writeHead(answer.status, answer.headers).end(answer.body)
    if (issuer.held) waiting.push(send)
    else send()
  })
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  t.after(() => {
    server.closeAllConnections()
    server.close()
  })
  const issuer: TestIssuer = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    keys,
    jwksPath: '/jwks',
    metadata: {},
    status: 200,
    headers: {},
    etag: undefined,
    body: undefined,
    held: false,
    paths: [],
    asked: [],
    release: () => {
      issuer.held = false
      for (const send of waiting.splice(0)) send()
    },
  }
  return issuer
}

/** A token of `issuer` for the audience billing, good for five minutes from `nowMs` on. */
export function tokenOf(issuer: string, key: SigningKey, nowMs: number): string {
  const now = Math.floor(nowMs / 1000)
  return createSigner({ key }).sign({ iss: issuer, aud: 'billing', iat: now, exp: now + 300 })
}

/** Waits, for twenty seconds at most, until something is so that another turn of the loop brings about. */
export async function until(what: string, isSo: () => boolean): Promise<void> {
  for (let turn = 0; turn < 4000; turn++) {
    if (isSo()) return
    await new Promise((done) => setTimeout(done, 5))
  }
  assert.fail(`not so within twenty seconds: ${what}`)
}

type Answer = { readonly status: number; readonly headers: Record<string, string>; readonly body: string }

function read(issuer: TestIssuer, request: IncomingMessage): Answer {
  const path = request.url ?? ''
  issuer.paths.push(path)
  if (path === '/.well-known/openid-configuration') {
    const metadata = { issuer: issuer.url, jwks_uri: issuer.url + issuer.jwksPath, ...issuer.metadata }
    return { status: 200, headers: {}, body: JSON.stringify(metadata) }
  }
  if (path !== issuer.jwksPath) return { status: 404, headers: {}, body: '' }
  issuer.asked.push(request.headers['if-none-match'])
  const { etag, headers } = issuer
  if (issuer.status === 200 && etag !== undefined && request.headers['if-none-match'] === etag) {
    return { status: 304, headers, body: '' }
  }
  const body = issuer.body ?? JSON.stringify({ keys: issuer.keys.map(publicJwk) })
  return { status: issuer.status, headers: etag === undefined ? headers : { ...headers, etag }, body }
}
