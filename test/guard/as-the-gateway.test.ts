import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import { after, before, describe, test } from 'node:test'
import { readRoutes } from '@countersign/sdk/guard'
import { guardNode } from '@countersign/sdk/node'
import { createTestIssuer } from '@countersign/sdk/testing'
import { openStand, openUpstream, standIssuer } from '../gateway/stand.ts'
import { maxHeaderBytes, requirements } from './adapter-contract.ts'
import { listen } from './listen.ts'
import { ask } from './raw-request.ts'
import type { RawReply, RawRequest } from './raw-request.ts'
import { bearer, refusals } from './refusals.ts'

// One service, once behind the gateway and once with a guard of its own: nobody who is refused can tell which it was.

const places = [{ kind: 'bearer' }, { kind: 'header', name: 'Token' }] as const
const routes = [
  ['GET', '/billing/me', requirements.me],
  ['GET', '/billing/tenant', requirements.tenant],
  ['GET', '/billing/invoices/{id}', requirements.read],
  ['DELETE', '/billing/invoices/{id}', requirements.remove],
  ['POST', '/billing/echo', requirements.echo],
] as const

/**
 * What only a guard is told to look at; and the absolute form of a target (RFC 9112 §3.2.2), which the gateway reads and
 * frameworks read each in their own way.
 */
const guardsOwn = ['claims-mismatch', 'token-lifetime', 'request-malformed']

describe('refusals of a guard and of the gateway', () => {
  const issuer = createTestIssuer({ issuer: standIssuer, audience: 'https://billing.acme.example' })
  const closing: (() => Promise<unknown>)[] = []
  let gateway: number
  let guarded: number

  before(async () => {
    const upstream = await openUpstream()
    const stand = await openStand(upstream.url, {
      service: {
        tokenFrom: places,
        routes: routes.map(([method, template, requirement], line) => ({
          method,
          template: template.slice('/billing'.length),
          requirement,
          line,
        })),
      },
      gateway: {
        ownIssuer: {
          issuer: issuer.url,
          keySet: issuer.keySet(),
          revocationsFor: () => issuer.revocations,
        },
      },
      limits: { requestHeadBytes: maxHeaderBytes },
    })
    gateway = stand.port
    const guard = issuer.guard({ tokenFrom: ['bearer', { header: 'Token' }], realm: 'acme' })
    const table = readRoutes(
      Object.fromEntries(routes.map(([method, path, asked]) => [`${method} ${path}`, asked])),
    )
    const listener = guardNode(guard, table, (_, response) => response.end('ok'))
    const service = await listen(createServer({ maxHeaderSize: maxHeaderBytes }, listener))
    guarded = service.port
    closing.push(
      () => service.close(),
      () => stand.close(),
      () => upstream.close(),
    )
  })
  after(async () => {
    for (const close of closing) await close()
  })

  async function both(request: RawRequest): Promise<[object, object]> {
    const there = { ...request, target: `/billing${request.target ?? '/'}` }
    return [seenBy(await ask(gateway, there)), seenBy(await ask(guarded, there))]
  }

  for (const [reason, cases] of Object.entries(refusals)) {
    if (guardsOwn.includes(reason)) continue
    cases.forEach((refusal, index) => {
      for (const accept of [[], ['Accept', 'application/json']]) {
        test(`${reason} (${index + 1})${accept.length > 0 ? ' as JSON' : ''}`, async () => {
          const request = refusal.request(issuer)
          const [one, other] = await both({ ...request, headers: [...(request.headers ?? []), ...accept] })
          assert.deepEqual(other, one)
          assert.equal((one as { status: number }).status, refusal.status)
        })
      }
    })
  }

  for (const [name, request] of Object.entries<RawRequest>({
    'a path that no route is for': { target: '/nothing', headers: bearer(issuer) },
    'a method that a path does not have': { method: 'PUT', target: '/invoices/7', headers: bearer(issuer) },
  })) {
    test(name, async () => {
      const [one, other] = await both(request)
      assert.deepEqual(other, one)
    })
  }
})

/** All that tells one refusal from another. */
function seenBy({ status, headers, body }: RawReply): object {
  const told = ['www-authenticate', 'content-type', 'cache-control', 'allow', 'retry-after', 'content-length']
  return { status, body, ...Object.fromEntries(told.map((name) => [name, headers[name]])) }
}
